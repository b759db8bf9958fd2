"""Which split a group belongs to: a matter of its name alone, so that new data moves nothing old."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Literal, get_args

from roleshift.data.preparation.rows import Row
from roleshift.files import sha256_text
from roleshift.params import Sizes, SplitShares

Split = Literal["test", "review", "validation", "train"]
PRIORITY: tuple[Split, ...] = get_args(Split)
"""Where two splits conflict, the one named first keeps its row."""
_SALT = "roleshift splits, version 1"  # never the seed: a test row stays a test row for ever


def fraction(*parts: str) -> float:
    """A number in [0, 1) that depends on the texts alone."""
    return int(sha256_text("\x1f".join(parts))[:13], 16) / 16**13


def membership(group: str, shares: SplitShares) -> Split:
    """The split of a group whose source has no splits of its own.

    Test lies at the low end of the scale, so that a larger share of it only adds to it.
    """
    position = fraction(_SALT, group)
    for split in PRIORITY[:-1]:
        position -= getattr(shares, split)
        if position < 0:
            return split
    return "train"


def assign_splits(rows: Iterable[Row], shares: SplitShares, sizes: Sizes) -> dict[str, Split]:
    """The split of each group.

    A source's own test and train stay what they are. Its held-out groups, in the order of their
    hash, are divided between validation and review in the ratio of the sizes asked for: such a
    split is small and published once, and a draw by chance would miss one of the two sizes. A
    group that several sources name goes to the first of test, held-out, train.
    """
    own: dict[str, set[str]] = defaultdict(set)
    groups: dict[str, str] = {}
    for row in rows:
        groups.setdefault(row.group, row.source)
        if row.own_split:
            own[row.group].add(row.own_split)
    splits: dict[str, Split] = {}
    held_out: dict[str, list[str]] = defaultdict(list)
    for group, source in groups.items():
        if "test" in own[group]:
            splits[group] = "test"
        elif "held-out" in own[group]:
            held_out[source].append(group)
        elif "train" in own[group]:
            splits[group] = "train"
        else:
            splits[group] = membership(group, shares)
    for members in held_out.values():
        members.sort(key=lambda group: fraction(_SALT, group))
        cut = round(len(members) * sizes.validation / (sizes.validation + sizes.review))
        splits.update({group: "validation" if i < cut else "review" for i, group in enumerate(members)})
    return splits
