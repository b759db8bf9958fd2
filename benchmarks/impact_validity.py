"""The activity matrix's scope against a published exposure index, with controls; writes docs/impact-validity.md.

Rank correlations over occupations, 90% bootstrap intervals over occupations, nested shares, within
major groups, and two controls by shuffling. The index is read here only; nothing is fitted to it.

Run: python -P benchmarks/impact_validity.py ARCHIVE.zip INDEX.csv
INDEX.csv has the columns soc2018 and human_exposure_beta. Without arguments there is nothing to check.
"""

import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl

from roleshift.files import sha256_file, write_text
from roleshift.impact.assumptions import default_assumptions
from roleshift.impact.catalogue import bundled_activities
from roleshift.impact.occupations import occupation_work
from roleshift.impact.onet import read_archive
from roleshift.impact.validity import Scope, bootstrap, partial_rank_correlation, rank_correlation

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs/impact-validity.md"
START, END = "<!-- scope check: written by benchmarks/impact_validity.py -->", "<!-- /scope check -->"
RESAMPLES, SHUFFLES, SEED, SMALLEST_GROUP = 2000, 200, 17, 20
MATRIX = "src/roleshift/catalog/activities.csv"


def interval(draws: np.ndarray) -> str:
    """A 90% interval; draws without a value are left out."""
    low, high = np.nanquantile(draws, [0.05, 0.95])
    return f"[{low:.2f}, {high:.2f}]"


def row(name: str, statistic, *columns: np.ndarray) -> str:  # noqa: ANN001
    """A line of a table: a statistic with its interval."""
    rng = np.random.default_rng(SEED)
    return f"| {name} | {statistic(*columns):.3f} | {interval(bootstrap(columns, statistic, RESAMPLES, rng))} |"


def main() -> None:
    """Compute everything once and write the section."""
    if len(sys.argv) != 3:
        print("nothing to check: give an O*NET archive and an index (see the docstring)")
        return
    archive = read_archive(Path(sys.argv[1]))
    scope = Scope.of(occupation_work(archive, bundled_activities(), default_assumptions()))
    index = pl.read_csv(sys.argv[2]).select("soc2018", "human_exposure_beta").drop_nulls()
    known = dict(index.iter_rows())
    kept = np.array([i for i, code in enumerate(scope.codes) if code in known])
    beta = np.array([known[scope.codes[i]] for i in kept])
    majors = np.array([scope.codes[i][:2] for i in kept])
    a, b, c = (values[kept] for values in (scope.not_physical(), scope.gate(), scope.scope()))
    lines = [
        "## Scope check against a published exposure index",
        "",
        f"O*NET {archive.release}, {len(kept)} occupations by SOC code; index: the human exposure rating beta of "
        "Eloundou et al. (2023). Spearman rank correlations, in brackets 90% bootstrap intervals over occupations "
        f"({RESAMPLES} resamples, seed {SEED}). Matrix: sha256 `{sha256_file(ROOT / MATRIX)[:16]}`, last changed in "
        f"commit `{commit()}`, before the index was looked at. Shares per occupation on the same tasks (those with an "
        "activity), weights and union rule: (a) no physical activity, (b) gate open, (c) gate and requirements at "
        "equal success 0.8.",
        "",
        "| share | correlation | interval |",
        "|---|---|---|",
        row("(a) not physical: the baseline", rank_correlation, a, beta),
        row("(b) gate alone", rank_correlation, b, beta),
        row("(c) gate and requirements, 0.8", rank_correlation, c, beta),
        row("(c) at 0.6", rank_correlation, scope.scope(0.6)[kept], beta),
        row("(c) at 0.9", rank_correlation, scope.scope(0.9)[kept], beta),
        row(
            "(c) at 0.8, language capabilities only",
            rank_correlation,
            scope.scope(language_only=True)[kept],
            beta,
        ),
        row("(b) given (a), partial", partial_rank_correlation, b, beta, a),
        row("(c) given (b), partial", partial_rank_correlation, c, beta, b),
        "",
        f"Within SOC major groups of at least {SMALLEST_GROUP} occupations:",
        "",
        "| group | occupations | (a) | (b) | (c) | (b) given (a) | (c) given (b) |",
        "|---|---|---|---|---|---|---|",
        *groups(majors, a, b, c, beta),
        "",
        *controls(scope, kept, a, b, beta),
    ]
    text = DOCUMENT.read_text(encoding="utf-8")
    before, after = (text.split(START)[0], text.split(END)[1]) if START in text else (text.rstrip() + "\n\n", "\n")
    write_text(DOCUMENT, f"{before}{START}\n" + "\n".join(lines) + f"\n{END}{after}")
    print("\n".join(lines))


def groups(majors: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray, beta: np.ndarray) -> list[str]:
    """One line per large major group; a dash where a share does not vary in it."""
    lines = []
    for major in np.unique(majors):
        here = majors == major
        if here.sum() < SMALLEST_GROUP:
            continue
        plain = [rank_correlation(x[here], beta[here]) for x in (a, b, c)]
        cells = [f"{value:.2f}" if np.isfinite(value) else "-" for value in plain]
        for x, z in ((b, a), (c, b)):
            columns = (x[here], beta[here], z[here])
            draws = bootstrap(columns, partial_rank_correlation, RESAMPLES, np.random.default_rng(SEED))
            value = partial_rank_correlation(*columns)
            cells.append(f"{value:.2f} {interval(draws)}" if np.isfinite(value) else "-")
        lines.append(f"| {major} | {here.sum()} | {' | '.join(cells)} |")
    return lines


def controls(scope: Scope, kept: np.ndarray, a: np.ndarray, b: np.ndarray, beta: np.ndarray) -> list[str]:
    """Where the matrix stands among shuffled ones."""
    rng = np.random.default_rng(SEED)
    rows, needs = [], []
    for _ in range(SHUFFLES):
        rows.append(partial_rank_correlation(scope.shuffled(rng).gate()[kept], beta, a))
        needs.append(partial_rank_correlation(scope.shuffled_requirements(rng).scope()[kept], beta, b))
    true_rows = partial_rank_correlation(b, beta, a)
    true_needs = partial_rank_correlation(scope.scope()[kept], beta, b)
    return [
        f"Controls, {SHUFFLES} shuffles each:",
        "",
        "| what is shuffled | statistic | the matrix | shuffles: median [5%, 95%] | shuffles at or above the matrix |",
        "|---|---|---|---|---|",
        placed("whole rows", "(b) given (a)", true_rows, np.array(rows)),
        placed("requirements, gates fixed", "(c) given (b)", true_needs, np.array(needs)),
    ]


def placed(name: str, statistic: str, value: float, draws: np.ndarray) -> str:
    """A line of the controls' table."""
    above = int((draws >= value).sum())
    shuffles = f"{np.nanmedian(draws):.3f} {interval(draws)} | {above} of {len(draws)}"
    return f"| {name} | {statistic} | {value:.3f} | {shuffles} |"


def commit() -> str:
    """The commit that last changed the matrix."""
    command = ["git", "log", "-1", "--format=%h", "--", MATRIX]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
