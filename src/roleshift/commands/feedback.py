"""`roleshift feedback`: what people said of answers, its export as training data, and the deletion of texts."""

import json
from collections import Counter
from dataclasses import asdict
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
def judgements(
    out: Annotated[Path | None, typer.Option(help="The file to write; default: feedback/judgements.parquet.")] = None,
) -> None:
    """Write what people accepted and rejected, without texts and names, for `impact.judgements` in params.yaml."""
    from roleshift.feedback.judged import default_judgements, stored_judgements, write_judgements

    project = Project.discover()
    path = out or default_judgements(project)
    table = stored_judgements(project)
    write_judgements(path, table)
    judged = table.filter(table["accepted"].is_not_null())
    print(f"judgements written to {path}: {judged.height} (reviewers: {judged['reviewer_id'].n_unique()})")
    if judged.height < table.height:
        print(f"with the ids of the {table.height - judged.height} captured requests of which some were judged")


@feedback.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Count the events by kind, outcome and population, with the reviewers' agreement."""
    from roleshift.feedback.store import FeedbackStore
    from roleshift.feedback.summary import acceptance_in_use, agreement

    store = FeedbackStore.existing(Project.discover())
    events = store.events() if store else []
    counts = Counter((event.kind, event.outcome, event.about.population, event.drawn_by) for event in events)
    rows = [
        dict(zip(("kind", "outcome", "population", "drawn_by", "events"), (*key, count), strict=True))
        for key, count in sorted(counts.items())
    ]
    alphas = {kind: agreement(events, kind) for kind in ("vote", "judgement")}
    rates = acceptance_in_use(events)
    if as_json:
        print(json.dumps({
            "events": rows,
            "agreement": {kind: {"alpha": alpha, "shared_items": shared} for kind, (alpha, shared) in alphas.items()},
            "acceptance_in_use": [asdict(rate) for rate in rates],
            "deleted_texts": len(store.deleted()) if store else 0,
        }, ensure_ascii=False, indent=2))  # fmt: skip
        return
    for row in rows:
        print(f"{row['events']:6}  {row['kind']}: {row['outcome']} ({row['population']}, drawn by {row['drawn_by']})")
    if not rows:
        print("no feedback yet")
    for rate in rates:
        print(f"accepted in use, version {rate.answered.version or rate.answered.model_id}, {rate.capability}: "
              f"{rate.rate:.0%} [{rate.lower:.0%}, {rate.upper:.0%}] of {rate.items} random items")  # fmt: skip
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


def drift(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Compare captured requests with the evidence's items, and answers with earlier ones; exit 1 on drift."""
    from roleshift.contracts import EXAMPLES, read_table
    from roleshift.feedback.drift import LEAST, take_look
    from roleshift.feedback.store import FeedbackStore

    project = Project.discover()
    train, test = (read_table(project.root / f"data/examples/{split}.parquet", EXAMPLES) for split in ("train", "test"))
    with FeedbackStore.of(project) as store:
        events = store.events()
        texts = store.texts(event.text_id for event in events if event.kind == "capture")
    found = take_look(project, events, texts, train, test)
    if as_json:
        print(json.dumps(asdict(found) | {"alert": found.alert}, ensure_ascii=False, indent=2))
        raise typer.Exit(found.alert is not None)
    if not found.look:
        print(f"nothing to test yet: a capability needs {LEAST} captured requests that no earlier look has seen")
    else:
        print(f"look {found.look}, tested at {found.level:.4f} so that all looks together stay at 0.05")
    for signal in found.signals:
        mark = "DRIFT" if signal.drifted else "ok"
        print(f"  {mark:5}  {signal.capability}: {signal.name} {signal.before:.3g} -> {signal.now:.3g} "
              f"(p {signal.p_corrected:.2g})")  # fmt: skip
    for each in found.outside:
        share = f"{each.outside} of {each.items} inputs [{each.low:.0%}, {each.high:.0%}]"
        print(f"  {each.capability}: {share} lie outside the domain of the evidence")
    for name, count in found.waiting.items():
        print(f"  {name}: {count} requests wait")
    if found.unassigned:
        print(f"  {found.unassigned} requests name no task: there is no evidence to compare them with")
    raise typer.Exit(found.alert is not None)
