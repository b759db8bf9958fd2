"""`roleshift feedback`: what people said of answers, its export as training data, and the deletion of texts."""

import json
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from roleshift.project import Project

feedback = typer.Typer(help="Votes, judgements, corrections and captured requests.", no_args_is_help=True)


@feedback.command()
def export(
    out: Annotated[Path | None, typer.Option(help="The file to write; default: feedback/corrections.jsonl.")] = None,
) -> None:
    """Write corrected answers as training examples, for a source of kind `feedback` in params.yaml."""
    from roleshift.contracts import EXAMPLES, read_table
    from roleshift.feedback.corrections import export_corrections
    from roleshift.feedback.store import FeedbackStore, default_export

    project = Project.discover()
    path = out or default_export(project)
    table = project.root / "data/examples/test.parquet"
    with FeedbackStore.of(project) as store:
        done = export_corrections(store, path, read_table(table, EXAMPLES) if table.is_file() else None)
    print(f"{done['written']} corrections written to {path}")
    for reason, count in sorted(done["left_out"].items()):
        print(f"{count} left out: {reason}")


@feedback.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Count the events by kind, outcome and population, with the reviewers' agreement."""
    from roleshift.feedback.store import FeedbackStore
    from roleshift.feedback.summary import agreement

    store = FeedbackStore.existing(Project.discover())
    events = store.events() if store else []
    counts = Counter((event.kind, event.outcome, event.about.population, event.drawn_by) for event in events)
    rows = [
        dict(zip(("kind", "outcome", "population", "drawn_by", "events"), (*key, count), strict=True))
        for key, count in sorted(counts.items())
    ]
    alphas = {kind: agreement(events, kind) for kind in ("vote", "judgement")}
    found = {kind: {"alpha": alpha, "shared_items": shared} for kind, (alpha, shared) in alphas.items()}
    if as_json:
        deleted = len(store.deleted()) if store else 0
        print(json.dumps({"events": rows, "agreement": found, "deleted_texts": deleted}, ensure_ascii=False, indent=2))
        return
    for row in rows:
        print(f"{row['events']:6}  {row['kind']}: {row['outcome']} ({row['population']}, drawn by {row['drawn_by']})")
    if not rows:
        print("no feedback yet")
    for kind, (alpha, shared) in alphas.items():
        if shared:
            shown = "undefined" if alpha is None else f"{alpha:.2f}"
            print(f"Krippendorff's alpha of {kind}s over {shared} items that two or more people judged: {shown}")


@feedback.command()
def forget(person: Annotated[str, typer.Argument(help="The user's or reviewer's id.")]) -> None:
    """Delete every text of one person; the events stay, without texts."""
    from roleshift.feedback.store import FeedbackStore

    with FeedbackStore.of(Project.discover()) as store:
        count = store.forget(person)
    print(f"{count} texts of {person} deleted; the next `make repro` drops what was exported of them")
    if count:
        print("copies remain in earlier exports and in DVC's cache until `roleshift feedback export` and `dvc gc`")


@feedback.command()
def expire(days: Annotated[float, typer.Argument(help="Age in days.", min=0)]) -> None:
    """Delete the texts of captured requests that are older than so many days."""
    from roleshift.feedback.store import FeedbackStore

    with FeedbackStore.of(Project.discover()) as store:
        print(f"{store.expire(days)} texts deleted")
