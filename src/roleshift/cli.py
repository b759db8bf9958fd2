"""The command line: thin commands over the library."""

import json
import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from roleshift.commands import feedback, impact, registry, serving
from roleshift.errors import RoleShiftError
from roleshift.project import Project

app = typer.Typer(
    help="Fine-tune, measure, ship and compare versions of a text-generation model.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
for name in ("impact", "catalog", "onet", "wages", "evidence"):
    app.add_typer(getattr(impact, name), name=name)
app.add_typer(feedback.feedback, name="feedback")
app.command("drift")(feedback.drift)
app.command("serve")(serving.serve)
app.command("career")(impact.career)
for name in ("gate", "promote", "rollback", "retire", "reconcile", "history", "lineage", "card", "migrate", "relocate"):
    app.command(name)(getattr(registry, name))


@app.callback()
def options(debug: Annotated[bool, typer.Option(help="Show the trace of an expected failure.")] = False) -> None:
    """Options of every command."""
    if debug:
        os.environ["ROLESHIFT_DEBUG"] = "1"


@app.command()
def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check this machine and project; exit 1 when something must be mended."""
    from roleshift.doctor import diagnose

    findings = diagnose(Project.discover())
    if as_json:
        print(json.dumps([finding.__dict__ for finding in findings], ensure_ascii=False, indent=2))
    else:
        for finding in findings:
            print(f"{finding.status:4}  {finding.name}: {finding.text}")
    raise typer.Exit(any(finding.status == "fail" for finding in findings))


@app.command()
def run(
    params: Annotated[Path, typer.Option(help="Params that differ from params.yaml.")],
    name: Annotated[str, typer.Option(help="The run's folder below runs/.")],
) -> None:
    """Run the pipeline with other params beside the default run, in runs/NAME/."""
    from roleshift.runs import prepare_run, reproduce

    folder = prepare_run(Project.discover(), params, name)
    print(f"running in {folder.relative_to(Project.discover().home)}")
    raise typer.Exit(reproduce(folder))


@app.command()
def compare(
    a: Annotated[
        str, typer.Argument(help="A version, alias, run folder or evidence folder; FOLDER:VARIANT picks one.")
    ],
    b: Annotated[str, typer.Argument(help="What it is compared with: differences are A minus B.")],
    margin: Annotated[float, typer.Option(help="How much worse still counts as not worse, in [0, 1].")] = 0.02,
    intersect: Annotated[bool, typer.Option(help="Compare the common items where the two differ.")] = False,
    allow: Annotated[
        list[str] | None, typer.Option(help="Show this difference instead of refusing it: prompts or settings.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print Markdown.")] = False,
    fail_on_regression: Annotated[
        bool, typer.Option(help="Exit 1 when A is worse on a capability by its primary metric.")
    ] = False,
) -> None:
    """Compare two versions item by item, with paired intervals; what was not measured alike is refused.

    Shows every metric of each capability, and of each capability the ten items that differ most.
    """
    import tempfile

    from roleshift.evaluation import comparison, comparison_tables
    from roleshift.evaluation.measures import Precision
    from roleshift.params import load_params
    from roleshift.registry.sides import side_of, tasks_of

    if as_json and markdown:
        raise RoleShiftError("--json and --markdown: choose one")
    project = Project.discover()
    params = load_params(project.root / "params.yaml")
    with tempfile.TemporaryDirectory() as downloads:
        side_a, side_b = (side_of(project, params, word, Path(downloads)) for word in (a, b))
    precision = Precision(params.evaluation.resamples, params.evaluation.confidence, params.seed)
    tasks = tasks_of(params, (a, b))
    result = comparison.compare(
        side_a, side_b, tasks, margin=margin, precision=precision, intersect=intersect, allow=allow or ()
    )
    render = comparison_tables.render_json if as_json else comparison_tables.render_table
    print(comparison_tables.render_markdown(result) if markdown else render(result))
    raise typer.Exit(fail_on_regression and result["regression"])


@app.command("tracking-uri")
def tracking_uri() -> None:
    """Print the MLflow tracking URI that this project uses."""
    print(Project.discover().tracking_uri)


@app.command()
def clean(
    downloads: Annotated[bool, typer.Option(help="Downloads and converted base models too.")] = False,
    generations: Annotated[bool, typer.Option(help="Generated answers too.")] = False,
    artifacts: Annotated[
        bool, typer.Option(help="Instead: variants, checkpoints and weights that no version, alias or run needs.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="With --artifacts: remove without asking.")] = False,
) -> None:
    """Remove what no run needs: unfinished stage folders and leftovers of killed writes."""
    from roleshift import housekeeping

    project = Project.discover()
    if artifacts:
        if downloads or generations:
            raise RoleShiftError("--artifacts goes without --downloads and --generations")
        _clean_artifacts(project, yes)
        return
    removed = housekeeping.clean(project, downloads=downloads, generations=generations)
    for entry in removed:
        print(f"{entry.size / 1e6:10.1f} MB  {entry.path.relative_to(project.home)}")
    print(f"{sum(entry.size for entry in removed) / 1e6:10.1f} MB  removed")


def _clean_artifacts(project: Project, yes: bool) -> None:
    from roleshift import housekeeping

    found = housekeeping.unneeded_artifacts(project)
    for entry in found:
        print(f"{entry.size / 1e6:10.1f} MB  {entry.label}: {entry.reason}")
    if not found:
        print("nothing to remove: a version, an alias or a run needs everything that is here")
        return
    print(f"{sum(entry.size for entry in found) / 1e6:10.1f} MB  in all")
    if not yes and not typer.confirm("Remove them?"):
        print("nothing removed")
        return
    removed = housekeeping.remove_artifacts(found)
    print(f"{sum(entry.size for entry in removed) / 1e6:10.1f} MB  removed")
    for entry in found:
        if entry not in removed:
            print(f"kept, since it came into use: {entry.label}")


@app.command("publish-run")
def publish_run(
    example: Annotated[
        str | None, typer.Option(help="Write the results of runs/NAME into examples/NAME/README.md instead.")
    ] = None,
) -> None:
    """Write docs/default-run/, the reports and the README's table from a complete default run."""
    from roleshift.publishing import publish_example
    from roleshift.publishing import publish_run as publish

    project = Project.discover()
    for path in [publish_example(project, example)] if example else publish(project):
        print(f"wrote {path.relative_to(project.root)}")


def main() -> None:
    """Run a command; an expected failure is one line on standard error and exit code 1."""
    try:
        app()
    except RoleShiftError as error:
        if os.environ.get("ROLESHIFT_DEBUG"):
            raise
        sys.exit(f"roleshift: {error}")
