"""Time and memory of the impact engine on a whole O*NET archive, and of the bundled catalogue.

Two versions with evidence for all thirteen capabilities, so that no task is spared as not
assessed; 1,000 joint draws; every table of both versions and their paired difference. The target:
3 s and 1.5 GB on 2 cores. A slider's move on the bundled catalogue: 300 ms.

Run: python -P benchmarks/impact.py [ARCHIVE.zip]; without an archive only the bundled catalogue
"""

import json
import resource
import sys
import time
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np

from roleshift.impact.assumptions import Assumptions, default_assumptions, parse_assumptions
from roleshift.impact.capability import CAPABILITIES, Cell, CellKey
from roleshift.impact.catalogue import bundled_activities, bundled_domains, bundled_work
from roleshift.impact.occupations import occupation_work
from roleshift.impact.onet import read_archive
from roleshift.impact.roles import analyse, analyse_pair, bottleneck
from roleshift.impact.versions import difference
from roleshift.impact.work import Work

ITEMS = 300


def evidence(name: str, rate: float, domains: list[str]) -> dict[CellKey, Cell]:
    """Verifiable evidence for every capability in every domain: the same items for every version."""
    rng = np.random.default_rng(int(sha256(name.encode()).hexdigest()[:8], 16))
    ids = tuple(f"{i:06}" for i in range(ITEMS))
    cells = {}
    for capability in CAPABILITIES:
        for domain in domains:
            content = sha256(f"{name} {capability} {domain}".encode()).hexdigest()
            passed = rng.random(ITEMS) < rate
            cells[capability, domain] = Cell(
                capability, domain, ("benchmark",), ids, passed, "verifiable", 1.0, content, ("simulated",)
            )
    return cells


def compare(work: Work, assumptions: Assumptions, domains: list[str]) -> None:
    """All that a comparison of two versions computes."""
    one, two, paired = analyse_pair(work, evidence("a", 0.9, domains), evidence("b", 0.97, domains), assumptions)
    for analysis in (one, two):
        _ = analysis.task_table, analysis.role_table
        bottleneck(analysis)
    difference(one, two, paired.pairing)


def seconds(action: Callable[[], None], repeats: int) -> list[float]:
    """Wall-clock seconds of each of `repeats` calls."""
    taken = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        taken.append(round(time.perf_counter() - start, 3))
    return taken


def main() -> None:
    """Measure and print JSON."""
    assumptions = default_assumptions()
    report = whole_archive(Path(sys.argv[1]), assumptions) if len(sys.argv) > 1 else {}
    print(json.dumps({**report, **bundled_catalogue()}, indent=2))


def whole_archive(path: Path, assumptions: Assumptions) -> dict[str, object]:
    """Two versions and their paired difference over every occupation of an O*NET archive."""
    start = time.perf_counter()
    archive = read_archive(path)
    work = occupation_work(archive, bundled_activities(), assumptions)
    reading = round(time.perf_counter() - start, 3)
    pair = seconds(lambda: compare(work, assumptions, ["news"]), 3)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "occupations": work.roles.height,
        "tasks": work.tasks.height,
        "draws": assumptions.draws,
        "reading_s": reading,
        "two_versions_and_difference_s": pair,
        "peak_memory_GiB": round(memory, 2),
    }


def bundled_catalogue() -> dict[str, object]:
    """A slider's move on the bundled catalogue."""
    bundled, domains = bundled_work(), sorted(bundled_domains())
    cells = evidence("a", 0.9, domains)
    moved = parse_assumptions({"name": "moved", "costs": {"low": {"L": 3}}}, "benchmark")

    def slide() -> None:
        analysis = analyse(bundled, cells, moved)
        _ = analysis.task_table, analysis.role_table

    return {
        "bundled_roles": bundled.roles.height,
        "bundled_tasks": bundled.tasks.height,
        "slider_s": seconds(slide, 3),
    }


if __name__ == "__main__":
    main()
