"""Job-role impact, careers, the catalogue, and what is brought from outside."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from roleshift.project import Project

if TYPE_CHECKING:
    from roleshift.impact.roles import Analysis
    from roleshift.impact.setting import Setting
    from roleshift.impact.titles import Titles
    from roleshift.impact.words import Language as ReportLanguage
    from roleshift.params import Params
    from roleshift.registry.impact_evidence import Assessed

impact = typer.Typer(help="What a version means for job roles.", no_args_is_help=True)
catalog = typer.Typer(help="The catalogue of activities, capabilities and roles.", no_args_is_help=True)
onet = typer.Typer(help="The O*NET database.", no_args_is_help=True)
wages = typer.Typer(help="Employment and wages.", no_args_is_help=True)
evidence = typer.Typer(help="Item-level results of other systems.", no_args_is_help=True)

Role = Annotated[str, typer.Argument(help="A role's title, alias, id or SOC code, English or Chinese.")]
VersionOption = Annotated[
    str | None,
    typer.Option("--version", help="A version, alias, run folder or evidence folder; default: the current run."),
]
AssumptionsOption = Annotated[
    Path | None, typer.Option("--assumptions", help="A YAML file with what differs from the default assumptions.")
]
Language = Annotated[str, typer.Option("--language", help="en or zh.")]


@dataclass(frozen=True)
class Opened:
    """What most commands need: the project's params, its roles under an assumption set, and their names."""

    project: Project
    params: "Params"
    setting: "Setting"

    @classmethod
    def of(cls, assumptions: Path | None) -> "Opened":
        """Open the project around the current folder."""
        from roleshift.impact.setting import open_setting
        from roleshift.params import load_params

        project = Project.discover()
        params = load_params(project.root / "params.yaml")
        return cls(
            project, params, open_setting(params.impact, params.seed, project.source_path, assumptions=assumptions)
        )

    @property
    def titles(self) -> "Titles":
        """The roles' names, with aliases."""
        from roleshift.impact.catalogue import bundled_roles
        from roleshift.impact.titles import Titles

        return Titles.of(self.setting.work, [*bundled_roles(), *self.setting.own], self.setting.archive)

    def assess(self, word: str | None) -> "Assessed":
        """A version's evidence."""
        from roleshift.registry.impact_evidence import assess

        return assess(self.project, self.params, word)

    def analyse(self, word: str | None) -> tuple["Analysis", str]:
        """A version's analysis and name."""
        from roleshift.impact.roles import analyse

        assessed = self.assess(word)
        return analyse(self.setting.work, assessed.cells, self.setting.assumptions), assessed.name


@impact.command()
def show(role: Role, version: VersionOption = None, assumptions: AssumptionsOption = None, language: Language = "en",
         as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:  # fmt: skip
    """One role: its shares, and each task with its decision, what binds it, and what would flip it."""
    import polars as pl

    from roleshift.impact.catalogue_views import totals_table
    from roleshift.impact.text import role_page

    chosen = _language(language)
    opened = Opened.of(assumptions)
    found = opened.titles.resolve(role)
    analysis, name = opened.analyse(version)
    if as_json:
        frames = {"shares": analysis.role_table, "tasks": analysis.task_table}
        rows = {key: frame.filter(pl.col("role_id") == found).to_dicts() for key, frame in frames.items()}
        rows["totals"] = totals_table(analysis).to_dicts()
        given = {"name": analysis.assumptions.name, "hash": analysis.assumptions.hash}
        about = {"role_id": found, "version": name, "assumptions": given, "sources": opened.setting.sources}
        print(json.dumps(about | rows, ensure_ascii=False))
        return
    print(role_page(analysis, found, name, chosen))
    _attribute(opened)


@impact.command()
def diff(a: Annotated[str, typer.Argument(help="A version, alias, run folder or evidence folder.")],
         b: Annotated[str, typer.Argument(help="What it is compared with: changes are B minus A.")],
         assumptions: AssumptionsOption = None, language: Language = "en") -> None:  # fmt: skip
    """Two versions: the tasks whose decision changes and the roles whose shares change, paired."""
    from roleshift.impact.catalogue_views import changes
    from roleshift.impact.roles import analyse_pair
    from roleshift.impact.text import difference_page
    from roleshift.impact.versions import difference

    chosen = _language(language)
    opened = Opened.of(assumptions)
    work, given = opened.setting.work, opened.setting.assumptions
    first, second = opened.assess(a), opened.assess(b)
    one, two, paired = analyse_pair(work, first.cells, second.cells, given)
    found = changes(difference(one, two, paired.pairing), work.roles, chosen)
    print(difference_page(found, given, first.name, second.name, chosen))
    _attribute(opened)


@impact.command()
def top(by: Annotated[str, typer.Option(help="automate, augment, time_freed, human or not_assessed.")] = "time_freed",
        count: Annotated[int, typer.Option("-n", min=1, help="How many roles.")] = 20,
        version: VersionOption = None, assumptions: AssumptionsOption = None,
        language: Language = "en") -> None:  # fmt: skip
    """The roles with the largest share, certified first, then expected."""
    from roleshift.errors import RoleShiftError
    from roleshift.impact.roles import MEASURES
    from roleshift.impact.text import ranking_page

    chosen = _language(language)
    if by not in MEASURES:
        raise RoleShiftError(f"--by must be one of {', '.join(MEASURES)} (found {by!r})")
    opened = Opened.of(assumptions)
    analysis, name = opened.analyse(version)
    print(ranking_page(analysis, by, count, name, chosen))
    _attribute(opened)


@impact.command()
def report(
    role: Annotated[str | None, typer.Argument(help="A role's title, alias, id or SOC code.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every role.")] = False,
    out: Annotated[Path, typer.Option("-o", "--out", help="The HTML file to write.")] = Path("report.html"),
    version: VersionOption = None,
    assumptions: AssumptionsOption = None,
    language: Language = "en",
) -> None:
    """Write one self-contained HTML file: charts, tasks, what would change, evidence, assumptions, sources."""
    from roleshift.errors import RoleShiftError
    from roleshift.files import write_text
    from roleshift.impact.report import report_html

    chosen = _language(language)
    if (role is None) != every:
        raise RoleShiftError("give either a role or --all")
    opened = Opened.of(assumptions)
    roles = opened.setting.work.roles["role_id"].to_list() if role is None else [opened.titles.resolve(role)]
    analysis, name = opened.analyse(version)
    write_text(out, report_html(analysis, opened.setting, roles, name, chosen))
    print(f"wrote {out}")


@impact.command("assumptions")
def assumptions_command(
    out: Annotated[Path | None, typer.Option("--out", help="Write the complete set to this file, to edit it.")] = None,
    mine: Annotated[Path | None, typer.Argument(help="A set to compare with the default.")] = None,
    other: Annotated[Path | None, typer.Argument(help="Compare the two instead.")] = None,
) -> None:
    """Show, copy or compare assumption sets."""
    from roleshift.impact.assumptions import (
        compare_assumptions,
        default_assumptions,
        load_assumptions,
        save_assumptions,
    )
    from roleshift.impact.text import table

    first = load_assumptions(mine) if mine and other else default_assumptions()
    second = load_assumptions(other or mine) if other or mine else None  # type: ignore[arg-type]
    if second is not None:
        changed = compare_assumptions(first, second)
        rows = [[key, *("-" if value is None else str(value) for value in values)] for key, *values in changed]
        print(table(["key", f"{first.name} {first.hash}", f"{second.name} {second.hash}"], rows))
        if not rows:
            print("no value differs")
    elif out is None:
        print(table(["key", f"{first.name} {first.hash}"], [[k, str(v)] for k, v in first.values().items()]))
    if out is not None:
        save_assumptions(out, second or first)
        print(f"wrote {out}")


def career(role: Role,
           tolerance: Annotated[str, typer.Option(help="How much error you are comfortable answering for: "
                                                      "low, medium or high.")] = "medium",
           count: Annotated[int, typer.Option("-n", min=1, help="How many moves.")] = 10,
           version: VersionOption = None, assumptions: AssumptionsOption = None,
           language: Language = "en") -> None:  # fmt: skip
    """Where a person in this role could move: ordered moves with similarity, gaps, pay and exposure."""
    from roleshift.errors import RoleShiftError
    from roleshift.impact.moves_page import moves_page
    from roleshift.impact.transitions import COMFORTS

    chosen = _language(language)
    if tolerance not in COMFORTS:
        raise RoleShiftError(f"--tolerance must be one of {', '.join(COMFORTS)} (found {tolerance!r})")
    opened = Opened.of(assumptions)
    found = opened.titles.resolve(role)
    analysis, name = opened.analyse(version)
    landscape = opened.setting.landscape(analysis)
    print(moves_page(landscape, opened.setting, found, tolerance, name, chosen, count))
    _attribute(opened)


@catalog.command("check")
def check_catalog(roles: Annotated[Path | None, typer.Option(help="Your own roles, YAML or CSV, too.")] = None) -> None:
    """Find unknown ids, weights that do not add up, missing translations, repeated reasons."""
    from roleshift.impact.checking import check_catalogue

    findings = check_catalogue(roles)
    for finding in findings:
        print(finding)
    if not findings:
        print("the catalogue is in order")
    raise typer.Exit(bool(findings))


@onet.command("import")
def import_onet(
    archive: Annotated[str, typer.Argument(help="db_NN_N_text.zip, a file or an https address.")],
    out: Annotated[Path, typer.Option(help="Where the tables go.")] = Path("data/onet"),
) -> None:
    """Read the official O*NET text archive, check it, store it, and report what it covers."""
    from roleshift.impact.archives import brought
    from roleshift.impact.catalogue import bundled_activities
    from roleshift.impact.onet import import_archive

    with brought(archive) as path:
        coverage = import_archive(path, out, frozenset(bundled_activities().ids))
    report = coverage.as_json()
    print(f"O*NET {report['release']}: {report['occupations']:,} occupations, {report['tasks']:,} tasks")
    print(f"{report['tasks_without_activity']:,} tasks without an activity are not assessed; "
          f"{report['occupations_without_tasks']:,} occupations have no task")  # fmt: skip
    for name, fallback in report["absent"].items():
        print(f"no table {name}; {fallback}")
    for name, codes in report["unmatched"].items():
        print(f"without a match: {codes['count']:,} {name} ({', '.join(codes['first'][:3])} ...)")
    print(f"\nwrote {out}; use it with `impact: {{ onet: {out} }}` in params.yaml\n{report['attribution']}")


@wages.command("import")
def import_wages(
    path: Annotated[Path, typer.Argument(help="The national OEWS workbook, xlsx or csv.")],
    out: Annotated[Path, typer.Option(help="Where the table goes.")] = Path("data/wages.csv"),
) -> None:
    """Read the national employment and wage estimates, check them, store them, and say what they cover."""
    from roleshift.impact.wages import read_wages, save_wages, with_wages

    opened = Opened.of(None)
    found = read_wages(path)
    _, coverage = with_wages(opened.setting.work.roles, found)
    save_wages(out, found)
    unknown = found.table.filter(found.table["mean_wage"].is_null()).height
    print(f"{found.table.height:,} detailed occupations; mean wage unknown or top-coded in {unknown:,}")
    print(f"{coverage.matched:,} of {opened.setting.work.roles.height:,} roles have a code in it")
    if coverage.employment_share is not None:
        print(f"these cover {coverage.employment_share:.1%} of all employment")
    if coverage.joint:
        named = ", ".join(f"{role} in {code}" for role, code in coverage.joint[:12])
        print(f"published only together with related occupations, in {len(coverage.joint):,} roles: "
              f"{named}{' ...' if len(coverage.joint) > 12 else ''}")  # fmt: skip
    if coverage.unmatched_roles:
        print(f"without a match: {', '.join(coverage.unmatched_roles[:12])}"
              f"{' ...' if len(coverage.unmatched_roles) > 12 else ''}")  # fmt: skip
    print(f"wrote {out}; use it with `impact: {{ wages: {out} }}` in params.yaml")


@evidence.command("import")
def import_evidence(
    results: Annotated[Path, typer.Argument(help="JSONL, or samples of lm-evaluation-harness.")],
    mapping: Annotated[Path, typer.Option(help="What each task is evidence for (YAML).")],
    version: Annotated[str | None, typer.Option(help="Attach it to this registered version.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write an evidence folder instead.")] = None,
) -> None:
    """Bring item-level results of any system; they are marked with their origin wherever they are shown."""
    import tempfile

    from roleshift.errors import RoleShiftError
    from roleshift.impact.imports import import_results, read_mapping, write_import
    from roleshift.params import load_params
    from roleshift.registry.impact_evidence import attach
    from roleshift.registry.tracking import tracking_of
    from roleshift.registry.versions import resolve

    if (version is None) == (out is None):
        raise RoleShiftError("give either --version (attach to it) or --out (write an evidence folder)")
    read = read_mapping(mapping)
    items, scores, tasks = import_results(results, read, read.origin)
    if out is not None:
        write_import(out, items, scores, tasks)
        print(f"wrote {items.height:,} items to {out}; show them with --version {out}")
        return
    project = Project.discover()
    params = load_params(project.root / "params.yaml")
    tracking = tracking_of(project, params)
    found = resolve(tracking, params.registry.model_name, str(version))
    with tempfile.TemporaryDirectory() as folder:
        write_import(Path(folder) / "import", items, scores, tasks)
        run = attach(tracking, found, Path(folder) / "import", read.origin)
    print(f"attached {items.height:,} items of {read.origin!r} to version {found.number} (run {run})")


def _language(word: str) -> "ReportLanguage":
    from roleshift.errors import RoleShiftError

    if word not in ("en", "zh"):
        raise RoleShiftError(f"--language must be en or zh (found {word!r})")
    return "zh" if word == "zh" else "en"


def _attribute(opened: Opened) -> None:
    if "attribution" in opened.setting.sources:
        print(f"\n{opened.setting.sources['attribution']}")
