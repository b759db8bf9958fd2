"""Blind side-by-side: which of two versions answers better, and what each answer is worth."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from components.choices import held
from components.identity import may, person
from components.impact import reading_language
from components.language import texts
from components.names import capability_name, version_name
from components.numbers import number
from components.problems import show_problem
from components.run import params_of, shown_run
from components.safe import literal, model_text
from components.versions import versions_of
from components.views import part
from roleshift.contracts import EXAMPLES, read_table
from roleshift.errors import RoleShiftError
from roleshift.feedback.review import (
    VOTES,
    CapturedItem,
    Pair,
    Reviewed,
    captured_queue,
    pairs,
    store_judgement,
    store_review,
    voted,
)
from roleshift.feedback.store import FeedbackStore, stored_events
from roleshift.feedback.summary import agreement, win_rate
from roleshift.impact.report import Words
from roleshift.params import Params
from roleshift.project import Project
from roleshift.prompts import instruction
from roleshift.registry.choices import existing_store
from roleshift.registry.sides import reviewed_version
from roleshift.registry.versions import Version
from roleshift.tasks import TaskDefinition

t = texts("review")
WHAT = ("versions", "use")
QUEUES = ("random", "disagreement")
SIDES = ("left", "right")
VERDICTS = ("accept", "reject")


@st.cache_data(max_entries=16, show_spinner=False)
def answers_of(root: str, uri: str, content_id: str, _params: Params, _version: Version) -> Reviewed:
    """A version's answers to the review split; content never changes under its id."""
    project = Project.discover(Path(root))
    tracking = existing_store(project, _params)
    if tracking is None:
        raise RoleShiftError(f"{project.root}: no tracking store; run `make repro`")
    return reviewed_version(tracking, _version, _params.task_definitions(), project.work / "versions")


def about(capability: str | None, domain: str | None, slices: list[str]) -> str:
    """What kind of item it is, in words."""
    kinds = Words(reading_language()).domains
    parts = [capability_name(capability) if capability else None, kinds.get(domain or "", domain), *slices]
    return " · ".join(literal(part) for part in parts if part)


def vote_on(project: Project, pair: Pair, queue: str, vote: str) -> None:
    """Store what was said; Streamlit calls it before the page is drawn again, outside the shell's care for errors."""
    key = pair.about.item_id
    state = st.session_state
    verdicts = [state.get(f"verdict-{side}-{key}") for side in SIDES]
    accepted = [None if verdict is None else verdict == "accept" for verdict in verdicts]
    corrections = [str(state.get(f"correction-{side}-{key}", "")) for side in SIDES]
    if not may("reviewer"):  # the role can have been taken away since the page was opened
        state["not-stored"] = t("only_reviewers")
        return
    try:
        with FeedbackStore.of(project) as store:
            store_review(
                store, pair, vote, reviewer=person()[0], queue=queue, accepted=(accepted[0], accepted[1]),
                corrections=(corrections[0], corrections[1]), reason=str(state.get(f"reason-{key}", "")),
            )  # fmt: skip
    except RoleShiftError as error:
        state["not-stored"] = str(error)
        return
    state["last-review"] = (pair.left.version, pair.right.version)


def show(project: Project, tasks: dict[str, TaskDefinition], pair: Pair, queue: str) -> None:
    """The item, both answers, what to say of each, and the four votes."""
    key = pair.about.item_id
    st.caption(about(pair.about.capability, pair.about.domain, pair.slice_names))
    if pair.about.task_definition in tasks:
        st.markdown(f"**{literal(instruction(tasks[pair.about.task_definition], pair.slices))}**")
    model_text(pair.input)
    with st.form("judging", enter_to_submit=False, border=False):  # what is typed goes with the click that follows it
        for side, column, text in zip(SIDES, st.columns(2), (pair.left_text, pair.right_text), strict=True):
            with column.container(border=True, height="stretch"):
                st.markdown(f"**{t(side)}**")
                model_text(text)
                verdict = held(f"verdict-{side}-{key}", VERDICTS)
                st.segmented_control(t("acceptable"), VERDICTS, format_func=t, key=verdict)
                with st.expander(t("correct_it")):
                    st.text_area(t("correction"), value=text, key=f"correction-{side}-{key}")
        st.text_input(t("reason"), key=f"reason-{key}")
        st.caption(t("keys"))
        for vote, column, shortcut in zip(VOTES, st.columns(len(VOTES)), "1234", strict=True):
            column.form_submit_button(
                t(f"vote_{vote.replace(' ', '_')}"), key=f"vote-{vote}", shortcut=shortcut, width="stretch",
                on_click=functools.partial(vote_on, project, pair, queue, vote),
            )  # fmt: skip


def judge(project: Project, item: CapturedItem, *, accept: bool) -> None:
    """Store what was said of a captured answer; Streamlit calls it before the page is drawn again."""
    key = item.event.event_id
    if not may("reviewer"):
        st.session_state["not-stored"] = t("only_reviewers")
        return
    try:
        with FeedbackStore.of(project) as store:
            store_judgement(
                store, item, accept=accept, reviewer=person()[0],
                correction=str(st.session_state.get(f"correction-{key}", "")),
                reason=str(st.session_state.get(f"reason-{key}", "")),
            )  # fmt: skip
    except RoleShiftError as error:
        st.session_state["not-stored"] = str(error)


def say_not_stored() -> None:
    """Why the last judgement was not stored; what was typed is still in its fields."""
    if "not-stored" in st.session_state:
        show_problem(st.session_state.pop("not-stored"))


@part
def show_captured(project: Project) -> None:
    """Requests from use, one after the other: acceptable or not, and what it should have been."""
    say_not_stored()
    table = project.root / "data/examples/train.parquet"
    if not table.is_file():
        st.info(t("nothing_to_review"), icon=":material/info:")
        return
    store = FeedbackStore.existing(project)
    if store is None:
        st.info(t("nothing_captured"))
        return
    with store:
        events = store.events()
        texts_of = store.texts(event.text_id for event in events if event.kind == "capture")
    shares = params_of(project).serving.capture.review.model_dump()
    order, which, slices = st.columns(3)
    queues = ("", *shares)
    only = order.selectbox(
        t("queue"), queues, format_func=lambda name: t(f"queue_{name or 'shares'}"), key=held("use-queue", queues, ""),
        help=t("queue_help"),
    )  # fmt: skip
    known = sorted({event.about.capability for event in events if event.kind == "capture" and event.about.capability})
    capability = choose_or_all(which, t("capability"), "use-capability", known, capability_name)
    items = captured_queue(
        events, texts_of, read_table(table, EXAMPLES), reviewer=person()[0], shares=shares, only=only or None,
        capability=capability,
    )  # fmt: skip
    offered = sorted({name for item in items for name in item.slice_names})
    if offered:
        chosen = choose_or_all(slices, t("slice"), "use-slice", offered, str)
        items = [item for item in items if chosen is None or chosen in item.slice_names]
    if not items:
        st.info(t("nothing_captured"))
        return
    item, key = items[0], items[0].event.event_id
    if item.drawn_by != "random":
        st.caption(t("not_drawn_at_random"))
    st.write(t("waiting", count=len(items)))
    st.caption(about(item.event.about.capability, item.event.about.domain, item.slice_names) or t("no_task"))
    model_text(item.input)
    st.subheader(t("answer"))
    model_text(item.output)
    with st.form("judging", enter_to_submit=False, border=False):
        with st.expander(t("correct_it")):
            st.text_area(t("correction"), value=item.output, key=f"correction-{key}")
        st.text_input(t("reason"), key=f"reason-{key}")
        ways = zip((True, False), st.columns(2), ("accept", "reject"), "12", strict=True)
        for accept, column, name, shortcut in ways:
            column.form_submit_button(
                t(name), key=f"judge-{name}", shortcut=shortcut, width="stretch",
                on_click=functools.partial(judge, project, item, accept=accept),
            )  # fmt: skip


def choose_or_all(
    place: DeltaGenerator, label: str, key: str, names: Sequence[str], name_of: Callable[[str], str]
) -> str | None:
    """One of the names, or None for all of them."""
    offered = ("", *names)
    chosen = place.selectbox(
        label, offered, format_func=lambda name: name_of(name) if name else t("all"), key=held(key, offered, "")
    )
    return chosen or None


def choose_versions(versions: list[Version]) -> tuple[Version, Version]:
    """Two versions to hold side by side; at first the newest and what it may replace."""
    by_number = {version.number: version for version in versions}
    second = next((v for v in versions if "champion" in v.aliases or "baseline" in v.aliases), versions[1])
    firsts = (versions[0].number, second.number)
    numbers = [
        column.selectbox(
            t(label), list(by_number), format_func=lambda n: version_name(by_number[n]),
            key=held(f"review-{label}", by_number, first),
        )
        for column, label, first in zip(st.columns(2), ("version", "against"), firsts, strict=True)
    ]  # fmt: skip
    return by_number[numbers[0]], by_number[numbers[1]]


@part
def show_pairs(project: Project, table: Path, versions: tuple[Version, Version]) -> None:
    """The next item of a queue with both answers, and what the votes say so far."""
    say_not_stored()
    params, examples, me = params_of(project), read_table(table, EXAMPLES), person()[0]
    sides = [answers_of(str(project.root), project.tracking_uri, v.content_id, params, v) for v in versions]
    order, which, slices = st.columns(3)
    queue = order.selectbox(
        t("queue"), QUEUES, format_func=lambda name: t(f"queue_{name}"), key=held("review-queue", QUEUES, QUEUES[0])
    )
    known = sorted(set(sides[0].items["capability"]))
    capability = choose_or_all(which, t("capability"), "review-capability", known, capability_name)
    waiting = pairs(sides[0], sides[1], examples, reviewer=me, queue=queue, capability=capability)
    offered = sorted({name for pair in waiting for name in pair.slice_names})
    if offered:
        chosen = choose_or_all(slices, t("slice"), "review-slice", offered, str)
        waiting = [pair for pair in waiting if chosen is None or chosen in pair.slice_names]
    events = stored_events(project)
    done = voted(events, sides[0].answered, sides[1].answered, me, queue)
    left = [pair for pair in waiting if pair.about.item_id not in done]
    st.progress(1 - len(left) / max(1, len(waiting)), t("progress", done=len(waiting) - len(left), all=len(waiting)))
    if "last-review" in st.session_state:
        was = st.session_state.pop("last-review")
        st.caption(t("was", left=was[0], right=was[1]))
    if queue == "disagreement":
        st.caption(t("not_random"))
    if left:
        show(project, params.task_definitions(), left[0], queue)
    else:
        st.success(t("all_done"), icon=":material/check:")
    st.subheader(t("so_far"))
    found = win_rate(events, sides[0].answered, sides[1].answered, params.evaluation.confidence)
    a, b = (version.number for version in versions)
    if found.rate is None:
        st.caption(t("no_votes", a=a, b=b))
    else:
        st.write(
            t("rate", a=a, b=b, rate=number(100 * found.rate), low=number(100 * found.lower),
              high=number(100 * found.upper), items=found.items, wins=found.wins, ties=found.ties, losses=found.losses,
              people=found.reviewers)
        )  # fmt: skip
    for kind in ("vote", "judgement"):
        alpha, shared = agreement(events, kind)
        if shared:
            st.caption(t(f"agreement_{kind}", shared=number(shared, 0), alpha=number(alpha, 2)))
    st.caption(t("feeds"))
    st.caption(t("reviewer", name=literal(me)))


st.title(t("title"))
project, _ = shown_run()
st.write(t("explained"))
if not may("reviewer"):
    st.info(t("only_reviewers"), icon=":material/lock:")
    st.stop()
source = st.segmented_control(
    t("what"), WHAT, format_func=lambda name: t(f"what_{name}"), key=held("review-what", WHAT, WHAT[0]), required=True
)
if source == "use":
    show_captured(project)
    st.stop()
versions = versions_of(project)
table = project.root / "data/examples/review.parquet"
if len(versions) < 2 or not table.is_file():
    st.info(t("nothing_to_review"), icon=":material/info:")
    st.stop()
pair = choose_versions(versions)
if pair[0] == pair[1]:
    st.info(t("choose_two"))
    st.stop()
show_pairs(project, table, pair)
