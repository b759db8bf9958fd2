"""Commands over the registry: gate, promote, rollback, history, retire, reconcile, lineage."""

import json
import sys
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from roleshift.databases import redacted
from roleshift.project import Project

if TYPE_CHECKING:
    from roleshift.feedback.events import Event
    from roleshift.params import Params
    from roleshift.registry.gate import Verdict
    from roleshift.registry.tracking import Tracking
    from roleshift.registry.versions import Version

VersionArgument = Annotated[str, typer.Argument(help="A version's number, alias, or the beginning of an id.")]
Reason = Annotated[str | None, typer.Option(help="Why; it is recorded.")]
Waive = Annotated[list[str] | None, typer.Option(help="Accept this rule's failure; needs --reason.")]


@dataclass(frozen=True)
class Opened:
    """The project, its params and its tracking store."""

    project: Project
    params: "Params"
    tracking: "Tracking"

    @property
    def name(self) -> str:
        """The registered model."""
        return self.params.registry.model_name

    @classmethod
    def here(cls) -> "Opened":
        """Those of the project around the working folder."""
        from roleshift.params import load_params
        from roleshift.registry.tracking import tracking_of

        project = Project.discover()
        params = load_params(project.root / "params.yaml")
        return cls(project, params, tracking_of(project, params))

    def version(self, word: str) -> "Version":
        """The version that a word names."""
        from roleshift.registry.versions import resolve

        return resolve(self.tracking, self.name, word)

    def votes(self) -> "list[Event]":
        """People's blind comparisons."""
        from roleshift.feedback.store import stored_events

        return stored_events(self.project, "vote")

    def approver(self) -> str:
        """Who acts, if they may."""
        from roleshift.registry.identity import acting_user
        from roleshift.registry.promotion import require_approver

        return require_approver(self.params.registry.approvers, acting_user(self.tracking.uri))


def gate(version: VersionArgument, waive: Waive = None, reason: Reason = None,
         as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:  # fmt: skip
    """Apply the gate's rules to a version's stored evidence; exit 1 when one fails."""
    from roleshift.registry.deciding import judge

    opened = Opened.here()
    verdict = judge(
        opened.tracking, opened.params, opened.version(version), votes=opened.votes(), waive=waive or (), reason=reason
    )
    print(json.dumps(asdict(verdict), ensure_ascii=False, indent=2) if as_json else _lines(verdict))
    raise typer.Exit(not verdict.passed)


def promote(version: VersionArgument,
            expect: Annotated[str | None, typer.Option(help="The champion you decided against: a number, or none.")]
            = None,
            waive: Waive = None, reason: Reason = None) -> None:  # fmt: skip
    """Make a version the champion, if it passes the gate and nobody promoted another one meanwhile."""
    from roleshift.errors import RoleShiftError
    from roleshift.registry import promotion
    from roleshift.registry.deciding import judge

    opened = Opened.here()
    who = opened.approver()
    expected = promotion.standing(opened.tracking, opened.name).alias
    if expect is not None:
        if expect != "none" and not expect.isdigit():
            raise RoleShiftError(f"--expect must be a version's number or none (found {expect!r})")
        expected = None if expect == "none" else int(expect)
    found = opened.version(version)
    verdict = judge(opened.tracking, opened.params, found, votes=opened.votes(), waive=waive or (), reason=reason)
    print(_lines(verdict))
    entry = promotion.promote(opened.tracking, found, verdict, expected=expected, who=who, reason=reason)
    change = " already" if entry is None else f" (was {entry.version_from or 'none'})"
    print(f"\nversion {found.number} is champion{change}")


def card(version: VersionArgument) -> None:
    """Print a version's model card."""
    from roleshift.registry.card import stored_card

    opened = Opened.here()
    print(stored_card(opened.tracking, opened.version(version)))


def rollback(reason: Annotated[str, typer.Option(help="Why; it is recorded.")]) -> None:
    """Go back to the last version that was champion before and is still intact."""
    from roleshift.registry import promotion

    opened = Opened.here()
    expected = promotion.standing(opened.tracking, opened.name).alias
    entry = promotion.rollback(opened.tracking, opened.name, expected=expected, who=opened.approver(), reason=reason)
    print(f"version {entry.version_to} is champion again (was {entry.version_from}): {entry.reason}")


def retire(version: VersionArgument, reason: Annotated[str, typer.Option(help="Why; it is recorded.")]) -> None:
    """Take a version out of use."""
    from roleshift.registry import promotion

    opened = Opened.here()
    found = opened.version(version)
    promotion.retire(opened.tracking, found, who=opened.approver(), reason=reason)
    print(f"version {found.number} is retired")


def migrate() -> None:
    """Make the project's own tables, or bring them up to date, in the databases that the environment names."""
    from roleshift.feedback.store import FeedbackStore
    from roleshift.params import load_params
    from roleshift.registry.audit import AuditLog, audit_uri

    project = Project.discover()
    uri = audit_uri(project.tracking_uri)
    AuditLog(uri, load_params(project.root / "params.yaml").registry.model_name)
    store = FeedbackStore.of(project)
    print(f"up to date: the audit log in {redacted(uri)}, the feedback store in {redacted(store.uri)}")


def relocate() -> None:
    """Point a tracking store that was moved or copied here to the artifacts beside it."""
    from roleshift.registry.moving import relocate as point_here

    uri = Project.discover().tracking_uri
    print(f"{point_here(uri)} addresses of {redacted(uri)} now lie beside it")


def reconcile(accept: Annotated[bool, typer.Option(help="Take the alias's version into the log.")] = False,
              reason: Reason = None) -> None:  # fmt: skip
    """Bring the alias champion and the audit log together where the alias was moved by other means."""
    from roleshift.registry import promotion
    from roleshift.registry.deciding import judge

    opened = Opened.here()
    who = opened.approver()
    if accept:
        alias = promotion.standing(opened.tracking, opened.name).alias
        verdict = None
        if alias is not None:
            verdict = judge(opened.tracking, opened.params, opened.version(str(alias)), votes=opened.votes())
            print(_lines(verdict))
        promotion.accept(opened.tracking, opened.name, verdict, who=who, reason=reason or "")
    else:
        promotion.restore(opened.tracking, opened.name, who=who, reason=reason)
    now = promotion.standing(opened.tracking, opened.name)
    print(f"champion: {'none' if now.alias is None else f'version {now.alias}'}, as the audit log says")


def history(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
            verify: Annotated[bool, typer.Option("--verify", help="Hash the evidence that was judged again.")] = False,
            ) -> None:  # fmt: skip
    """Every change of the champion, oldest first; the chain of hashes is checked, with --verify the evidence too."""
    from roleshift.impact.text import table
    from roleshift.registry import lineage, promotion

    opened = Opened.here()
    now = promotion.standing(opened.tracking, opened.name)
    if verify:
        for entry in now.entries:
            lineage.verify_judged(opened.tracking, entry)
        judged = sum(entry.evidence_hash is not None for entry in now.entries)
        print(f"evidence of {judged} of {len(now.entries)} entries hashed: as it was judged", file=sys.stderr)
    if as_json:
        found = {"champion": now.alias, "drift": now.drift, "entries": [asdict(entry) for entry in now.entries]}
        print(json.dumps(found, ensure_ascii=False, indent=2))
        return
    rows = [
        [str(entry.sequence), entry.time, entry.who, entry.kind, str(entry.version_from or "-"),
         str(entry.version_to or "-"), entry.gate or "-", entry.reason or "-"]
        for entry in now.entries
    ]  # fmt: skip
    print(table(["#", "time", "who", "what", "from", "to", "gate", "reason"], rows) if rows else "no change yet")
    print(f"\nchampion: {'none' if now.alias is None else f'version {now.alias}'}")
    if now.drift is not None:
        print(f"drift: {now.drift}")


def lineage(version: VersionArgument,
            verify: Annotated[bool, typer.Option("--verify", help="Hash every file again.")] = False,
            as_json: Annotated[bool, typer.Option("--json", help="Print JSON, every hash whole.")] = False,
            ) -> None:  # fmt: skip
    """From a version's figures back to evidence, runs, model, base and data; --verify hashes all files again."""
    from roleshift.registry import lineage as chains

    opened = Opened.here()
    found = opened.version(version)
    chain = chains.lineage(opened.tracking, found)
    print(json.dumps(chain, ensure_ascii=False, indent=2) if as_json else chains.lineage_lines(chain))
    if verify:
        count = chains.verify(opened.tracking, found)
        print(f"{count} files of the version and its evidence hashed: all as registered", file=sys.stderr)
        for name, state in chains.data_here(opened.project.root, chain["made"]["data"]).items():
            print(f"data, {name}: {state}", file=sys.stderr)


def _lines(verdict: "Verdict") -> str:
    head = f"gate of version {verdict.version}: {verdict.summary}"
    return "\n".join([head, *(f"  {rule.state:14}  {rule.name}: {rule.figure}" for rule in verdict.rules)])
