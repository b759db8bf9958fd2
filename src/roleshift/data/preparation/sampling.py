"""Draw each split's examples per capability, without near-duplicates across splits.

Splits are filled in order of priority: test, review, validation, train. A candidate that nearly
repeats what another split already holds goes to quarantine and the next one takes its place, so
that the held-out sets lose nothing to training data. Only candidates that are reached are compared.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

from roleshift.data.preparation.duplicates import NearDuplicateIndex
from roleshift.data.preparation.rows import Identity, Rejection, Row, reject
from roleshift.data.preparation.splitting import PRIORITY, Split, fraction
from roleshift.params import Sizes


@dataclass
class Sample:
    """The drawn rows by split, in the order they were drawn, and the rows that conflicted."""

    rows: dict[Split, list[Row]] = field(default_factory=lambda: {split: [] for split in PRIORITY})
    rejected: list[Rejection] = field(default_factory=list)


def draw(
    rows: Iterable[Row],
    splits: dict[str, Split],
    sizes: Sizes,
    *,
    seed: int,
    similarity: float,
    corrections: Sequence[Row] = (),
) -> Sample:
    """Up to `sizes` rows per capability and split; several corpora of one capability share evenly.

    Validation, test and review take the rows of lowest hash, at most one per group, whatever the
    seed; the seed chooses among training rows only. `corrections` join training beyond its size,
    except those whose group is a test group or that nearly repeat a test item; what they share a
    group with or repeat leaves review and validation, since the model has seen it.
    """
    queues: dict[tuple[Split, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        queues[splits[row.group], row.task.capability][row.corpus].append(row)
    sample = Sample()
    index = NearDuplicateIndex(similarity)
    holders: dict[str, tuple[Split, Row]] = {}
    corrected: set[str] = set()
    identities: set[Identity] = set()
    for split in PRIORITY:
        for capability in sorted(capability for of, capability in queues if of == split):
            wanted: int = getattr(sizes, split)
            groups: set[str] = set()
            drawn = 0
            for row in _in_turn(queues[split, capability], f"{split} {seed}" if split == "train" else split):
                if drawn >= wanted:
                    break
                if split != "train" and row.group in groups:
                    continue
                if split != "test" and (row.group in corrected if split != "train" else row.identity in identities):
                    sample.rejected.append(reject(row, "corrected"))
                    continue
                found = [holders[name] for name in index.find(row.input)]
                conflict = _conflict(row, split, found)
                if conflict is not None:
                    sample.rejected.append(conflict)
                    continue
                groups.add(row.group)
                holders[row.example_id] = (split, row)
                index.add(row.example_id, row.input)
                sample.rows[split].append(row)
                drawn += 1
        if split == "test":
            for row in corrections:
                conflict = _conflict(row, "train", [holders[name] for name in index.find(row.input)])
                if splits.get(row.group) == "test":
                    conflict = reject(row, "group_in_test", row.group)
                if conflict is not None:
                    sample.rejected.append(conflict)
                    continue
                sample.rows["train"].append(row)
                corrected.add(row.group)
                identities.add(row.identity)
                holders[row.example_id] = ("train", row)
                index.add(row.example_id, row.input)
    return sample


def _in_turn(corpora: dict[str, list[Row]], salt: str) -> Iterator[Row]:
    """The rows of each corpus by hash, one corpus after the other, until all are empty."""
    pending = {
        name: sorted(
            rows, key=lambda row: (fraction("sample", salt, row.task.capability, row.example_id), row.example_id)
        )
        for name, rows in sorted(corpora.items())
    }
    iterators = {name: iter(rows) for name, rows in pending.items()}
    for name in cycle(pending):
        if name in iterators:
            row = next(iterators[name], None)
            if row is None:
                del iterators[name]
            else:
                yield row
        if not iterators:
            return


def _conflict(row: Row, split: Split, found: list[tuple[Split, Row]]) -> Rejection | None:
    for other_split, other in found:
        if other_split != split:
            return reject(row, f"near_duplicate_of_{other_split}", f"of {other.corpus} {other.origin}")
    if split != "train":  # two held-out items that repeat each other are not independent
        for _, other in found:
            if other.task.capability == row.task.capability:
                return reject(row, f"near_duplicate_within_{split}", f"of {other.corpus} {other.origin}")
    return None
