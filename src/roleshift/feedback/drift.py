"""Whether what people ask now resembles what the evidence was measured on, and whether answers change over time.

Inputs of captured requests are compared with the test items of their capability: length, script,
words and letter 3-grams that training data does not know. A model's answers are compared with its
own at earlier looks: length, cut-off share, repetition, rejections. Each look takes only what came since
the last one; look k tests at the level alpha * 6 / (pi^2 k^2), which sums to alpha over all looks
however often one looks, and Holm's method shares a look's level among its tests.
"""

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.stats import fisher_exact, ks_2samp, mannwhitneyu

from roleshift.alerts import alert_file
from roleshift.data.preparation.duplicates import normalised_text
from roleshift.evaluation.statistics import clopper_pearson, holm
from roleshift.feedback.events import Event, Texts
from roleshift.feedback.store import now
from roleshift.files import read_json, write_json
from roleshift.project import Project

ALPHA = 0.05
LEAST = 50
"""Captured requests of a capability from which on it is tested; fewer wait for the next look."""
OUTSIDE = 0.99
"""An input is outside the evidence's domain if it is stranger than this share of the test items."""
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Signal:
    """One comparison: means (or shares) before and now, its p, the p corrected within the look."""

    capability: str
    name: str
    before: float
    now: float
    p: float
    p_corrected: float
    drifted: bool


@dataclass(frozen=True)
class Outside:
    """Inputs outside the domain of a capability's evidence, with the exact 95% interval of their share."""

    capability: str
    items: int
    outside: int
    low: float
    high: float


@dataclass(frozen=True)
class Look:
    """One look; `waiting` counts, by capability, requests that are too few to test. `look` 0: nothing was tested."""

    look: int
    level: float
    time: str
    signals: tuple[Signal, ...]
    outside: tuple[Outside, ...]
    waiting: dict[str, int]
    unassigned: int

    @property
    def alert(self) -> str | None:
        """What drifted, in one line; None where nothing did."""
        return _alert([asdict(signal) for signal in self.signals])


class Known:
    """What training data knows: its words and letter 3-grams."""

    def __init__(self, inputs: Iterable[str]) -> None:
        texts = [normalised_text(text) for text in inputs]
        self._words = {word for text in texts for word in text.split()}
        self._grams = {gram for text in texts for gram in _grams(text)}

    def features(self, text: str) -> dict[str, float]:
        """Of one input: characters, share of letters outside Latin script, shares that training does not know."""
        plain = normalised_text(text)
        words, grams = plain.split(), _grams(plain)
        letters = [character for character in plain if character.isalpha()]
        return {
            "length": float(len(text)),
            "script": sum(ord(character) > 0x24F for character in letters) / max(1, len(letters)),
            "unknown words": sum(word not in self._words for word in words) / max(1, len(words)),
            "unseen 3-grams": sum(gram not in self._grams for gram in grams) / max(1, len(grams)),
        }


def look(
    events: Sequence[Event], texts: Mapping[str, Texts], train: pl.DataFrame, test: pl.DataFrame, *, number: int,
    since: Mapping[str, str], alpha: float = ALPHA,
) -> Look:  # fmt: skip
    """One look at what the server captured, not at what somebody sent from the Playground.

    `since` holds, by capability, the time up to which earlier looks have seen.

    `train` and `test` are of contract EXAMPLES.
    """
    captured = _used(events)
    unassigned = sum(event.about.capability is None for event in captured)
    new: dict[str, list[Event]] = {}
    for event in captured:
        capability = event.about.capability
        if capability is not None and event.time > since.get(capability, "") and event.text_id in texts:
            new.setdefault(capability, []).append(event)
    tested = {name: found for name, found in new.items() if len(found) >= LEAST and name in set(test["capability"])}
    waiting = {name: len(found) for name, found in sorted(new.items()) if name not in tested}
    if not tested:
        return Look(0, 0.0, now(), (), (), waiting, unassigned)
    level = alpha * 6 / (math.pi**2 * number**2)
    raw: list[tuple[str, str, float, float, float]] = []
    outside = []
    for name, found in sorted(tested.items()):
        known = Known(train.filter(pl.col("capability") == name)["input"])
        before = _columns(known.features(text) for text in test.filter(pl.col("capability") == name)["input"])
        current = _columns(known.features(texts[str(event.text_id)].input or "") for event in found)
        for feature, values in current.items():
            compare = _ks if feature == "length" else _rank
            raw.append((name, feature, float(before[feature].mean()), float(values.mean()),
                        compare(before[feature], values)))  # fmt: skip
        limit = float(np.quantile(before["unseen 3-grams"], OUTSIDE))
        strange = int((current["unseen 3-grams"] > limit).sum())
        low, high = clopper_pearson(strange, len(found))
        outside.append(Outside(name, len(found), strange, low, high))
        model = found[-1].answered.model_id  # another version answers otherwise, which is no drift
        earlier = [e for e in captured if e.about.capability == name and e.time <= since.get(name, "")]
        sides = [[e for e in side if e.answered.model_id == model] for side in (earlier, found)]
        if min(len(side) for side in sides) >= LEAST:
            raw += _answers(name, sides[0], sides[1], events, texts)
    corrected = [1.0 if p is None else p for p in holm([entry[4] for entry in raw])]
    signals = tuple(
        Signal(*entry, p_corrected=each, drifted=each < level) for entry, each in zip(raw, corrected, strict=True)
    )
    return Look(number, level, now(), signals, tuple(outside), waiting, unassigned)


def take_look(
    project: Project, events: Sequence[Event], texts: Mapping[str, Texts], train: pl.DataFrame, test: pl.DataFrame
) -> Look:
    """Look, and remember it: a capability's result stands until the next look that tests it.

    A look that tested nothing uses up no level.
    """
    path = alert_file(project, "drift")
    state: dict[str, Any] = read_json(path) if path.is_file() else {"looks": 0, "since": {}}
    found = look(events, texts, train, test, number=state["looks"] + 1, since=state["since"])
    if found.look:
        seen = {str(event.about.capability): event.time for event in _used(events)}
        tested = {each.capability for each in found.outside}
        since = state["since"] | {name: seen[name] for name in tested}
        last = asdict(found)
        for part in ("signals", "outside"):
            before = state.get("last", {}).get(part, ())
            last[part] = [*last[part], *(entry for entry in before if entry["capability"] not in tested)]
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, {"looks": found.look, "since": since, "last": last, "alert": _alert(last["signals"])})
    return found


def _used(events: Iterable[Event]) -> list[Event]:
    """What the server captured of real use."""
    return [event for event in events if event.kind == "capture" and event.drawn_by == "random"]


def _alert(signals: Iterable[Mapping[str, Any]]) -> str | None:
    found = [f"{signal['capability']}: {signal['name']}" for signal in signals if signal["drifted"]]
    return f"drift in {', '.join(found)}" if found else None


def outside_shares(project: Project) -> dict[str, float]:
    """By capability the share of inputs outside the evidence's domain, as the last look at it found it."""
    path = alert_file(project, "drift")
    last = read_json(path)["last"]["outside"] if path.is_file() else []
    return {str(entry["capability"]): entry["outside"] / entry["items"] for entry in last}


def _answers(
    name: str, earlier: list[Event], found: list[Event], events: Sequence[Event], texts: Mapping[str, Texts]
) -> list[tuple[str, str, float, float, float]]:
    """Answers now against those of earlier looks."""
    rejected = {event.about.request_id for event in events if event.kind == "judgement" and event.outcome == "reject"}
    raw = []
    numbers: dict[str, Callable[[Event], float | None]] = {
        "answer length": lambda event: float(str(event.details.get("output_tokens") or 0)),
        "repetition": lambda event: _repetition(texts.get(event.text_id or "", Texts()).output),
    }
    for feature, value in numbers.items():
        sides = [
            np.array([v for event in group if (v := value(event)) is not None], dtype=float)
            for group in (earlier, found)
        ]
        if min(len(side) for side in sides) >= LEAST:
            raw.append((name, feature, float(sides[0].mean()), float(sides[1].mean()), _rank(sides[0], sides[1])))
    shares: dict[str, tuple[str, Callable[[Event], bool]]] = {
        "cut-off share": ("two-sided", lambda event: event.details.get("finish_reason") == "length"),
        # A rejection comes some time after its answer, so the latest answers have fewer: only more of them is a sign.
        "rejections": ("less", lambda event: event.about.request_id in rejected),
    }
    for feature, (side, holds) in shares.items():
        counts = [(sum(map(holds, group)), len(group)) for group in (earlier, found)]
        p = float(fisher_exact([[k, n - k] for k, n in counts], alternative=side).pvalue)
        raw.append((name, feature, counts[0][0] / counts[0][1], counts[1][0] / counts[1][1], p))
    return raw


def _columns(rows: Iterable[Mapping[str, float]]) -> dict[str, Floats]:
    listed = list(rows)
    return {name: np.array([row[name] for row in listed], dtype=float) for name in listed[0]}


def _ks(a: Floats, b: Floats) -> float:
    return float(ks_2samp(a, b).pvalue)


def _rank(a: Floats, b: Floats) -> float:
    if np.ptp(np.concatenate([a, b])) == 0:
        return 1.0
    return float(mannwhitneyu(a, b).pvalue)


def _grams(text: str) -> list[str]:
    return [text[i : i + 3] for i in range(len(text) - 2)]


def _repetition(text: str | None) -> float | None:
    """Share of an answer's word pairs that stand in it already."""
    if text is None:
        return None
    words = normalised_text(text).split()
    pairs: list[Any] = list(itertools.pairwise(words))
    return 1 - len(set(pairs)) / len(pairs) if pairs else 0.0
