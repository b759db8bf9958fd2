"""From what a person calls a job to a role: ids, codes, titles and aliases, in English and Chinese.

A title that means one role resolves; one that means several, or none closely enough, is an error
that lists candidates. Nothing is guessed.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher

from roleshift.errors import RoleShiftError
from roleshift.impact.catalogue import RoleEntry
from roleshift.impact.onet import CODE, Archive
from roleshift.impact.work import Work

CLEAR = 0.86  # likeness from which a misspelt title is taken, if no other role comes near
APART = 0.08  # how far the next role must stay behind
LIKE = 0.6  # likeness from which a name is listed as a candidate
SHARED = 0.75  # likeness at least of a name that shares whole words
CANDIDATES = 6
CHINESE = re.compile(r"[\u3400-\u9fff]")
BESIDE_CHINESE = re.compile(r"(?<=[\u3400-\u9fff]) | (?=[\u3400-\u9fff])")
ALIAS_TABLES = {"Alternate Titles": "Alternate Title", "Sample of Reported Titles": "Reported Job Title"}


@dataclass(frozen=True)
class Titles:
    """`names`: role ids by each of their names in plain form; `shown`: the title of each role."""

    names: dict[str, tuple[str, ...]]
    shown: dict[str, str]

    @classmethod
    def of(cls, work: Work, entries: Iterable[RoleEntry] = (), archive: Archive | None = None) -> "Titles":
        """The names of the roles of `work`; aliases from the catalogue's entries and from an archive."""
        ids = set(work.roles["role_id"])
        pairs: list[tuple[str, str]] = []
        shown = {}
        for role, english, chinese, soc in work.roles.select("role_id", "title_en", "title_zh", "soc").iter_rows():
            pairs += [(name, role) for name in (role, english, chinese, soc) if name]
            shown[role] = f"{english} ({chinese})" if chinese else english
        coded: dict[str, list[str]] = {}
        for role, soc in work.roles.select("role_id", "soc").drop_nulls().iter_rows():
            coded.setdefault(soc, []).append(role)
        for entry in entries:
            named = (*entry.aliases.en, *entry.aliases.zh)
            if entry.id in ids:
                pairs += [(name, entry.id) for name in named]
            elif entry.soc in coded:  # a bundled role's names, Chinese ones above all, find the occupation of its code
                whole = [role for role in coded[entry.soc] if role == f"{entry.soc}.00"] or coded[entry.soc]
                pairs += [(name, role) for name in (entry.name.en, entry.name.zh, *named) for role in whole]
        for table, column in ALIAS_TABLES.items() if archive else ():
            if archive and table in archive.tables:
                found = archive.tables[table].select(CODE, column).drop_nulls().iter_rows()
                pairs += [(name, role) for role, name in found if role in ids]
        names: dict[str, dict[str, None]] = {}
        for name, role in pairs:
            names.setdefault(plain(name), {})[role] = None
        return cls({name: tuple(roles) for name, roles in names.items()}, shown)

    def resolve(self, wanted: str) -> str:
        """The one role that `wanted` names, an id before any title; else an error with candidates."""
        if wanted in self.shown:
            return wanted
        word = plain(wanted)
        exact = self.names.get(word, ())
        if len(exact) == 1:
            return exact[0]
        if exact:
            raise RoleShiftError(f"{wanted!r} names several roles: {self._list(exact)}; give the id")
        near = self.near(word)
        if near and near[0][1] >= CLEAR and (len(near) == 1 or near[0][1] - near[1][1] >= APART):
            return near[0][0]
        told = f"; near it are {self._list([role for role, _ in near])}" if near else ""
        raise RoleShiftError(f"no role {wanted!r}{told}; `roleshift impact top` lists roles")

    def found(self, wanted: str) -> list[str]:
        """The roles that a search lists: those of just this name, then those of names like it, best first."""
        word = plain(wanted)
        return list(dict.fromkeys([*self.names.get(word, ()), *(role for role, _ in self.near(word))]))

    def near(self, word: str) -> list[tuple[str, float]]:
        """The roles whose names are most like `word`, with the likeness in [0, 1], best first.

        Where names share whole words with it (in Chinese: contain it), names that are merely spelt
        a little like it are noise and stay out.
        """
        best: dict[str, float] = {}
        shared: set[str] = set()
        matcher = SequenceMatcher(b=word, autojunk=False)
        for name, roles in self.names.items():
            matcher.set_seq1(name)
            inside = contained(word, name) or contained(name, word)
            if not inside and (matcher.real_quick_ratio() < LIKE or matcher.quick_ratio() < LIKE):
                continue
            like = max(matcher.ratio(), SHARED if inside else 0.0)
            for role in roles if like >= LIKE else ():
                best[role] = max(best.get(role, 0.0), like)
                shared |= {role} if inside else set()
        found = sorted(best.items(), key=lambda pair: (-pair[1], pair[0]))
        return [(role, like) for role, like in found if not shared or role in shared or like > SHARED][:CANDIDATES]

    def _list(self, roles: Iterable[str]) -> str:
        return ", ".join(f"{role} - {self.shown[role]}" for role in roles)


def contained(part: str, whole: str) -> bool:
    """Whether a name's words stand in another: whole words, or at least two characters of Chinese in a row."""
    if CHINESE.search(part):
        return len(part) > 1 and part in whole
    part, whole = (name.replace("'", " ") for name in (part, whole))
    return any(f" {part}{ending} " in f" {whole} " for ending in ("", "s"))  # O*NET's titles are plurals


def plain(name: str) -> str:
    """A name without case, width, hyphens, curly apostrophes, and blanks that mean nothing."""
    text = (
        unicodedata.normalize("NFKC", name).casefold().replace("-", " ").replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")
    )
    return BESIDE_CHINESE.sub("", " ".join(text.split()))
