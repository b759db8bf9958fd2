"""Ask any registered version, or two side by side, and watch the answers come."""

import threading
import time
import uuid
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import streamlit as st

from components.choices import held, held_all
from components.identity import may, person
from components.language import texts
from components.names import capability_name, version_name
from components.numbers import number
from components.problems import show_problem
from components.run import params_of, shown_run
from components.safe import literal, model_text
from components.versions import versions_of
from roleshift.contracts import EXAMPLES, read_table, slices_to_map
from roleshift.errors import RoleShiftError
from roleshift.feedback.events import Answered
from roleshift.feedback.store import FeedbackStore
from roleshift.generation import Backend, GenerationConfig, Request
from roleshift.params import Params
from roleshift.project import Project
from roleshift.prompts import chat_messages, instruction, render_prompt
from roleshift.registry.choices import existing_store
from roleshift.registry.versions import Version
from roleshift.serving.capture import Asked, Capture
from roleshift.serving.copies import open_version
from roleshift.tasks import TaskDefinition

t = texts("playground")


@st.cache_resource(max_entries=2, show_spinner=False)
def opened(root: str, uri: str, content_id: str, _params: Params, _version: Version) -> tuple[Backend, threading.Lock]:
    """A version's model, and the lock that lets one visitor at a time decode with it."""
    project = Project.discover(Path(root))
    tracking = existing_store(project, _params)
    if tracking is None:
        raise RoleShiftError(f"{project.root}: no tracking store; run `make repro`")
    return open_version(tracking, _version, project, _params), threading.Lock()


@dataclass(frozen=True)
class Said:
    """One version's answer: its tokens, seconds until the first one, tokens a second, and how it ended."""

    version: int
    text: str
    prompt_tokens: int
    output_tokens: int
    first_seconds: float
    speed: float
    ended: str


def answer(version: Version, backend: Backend, lock: threading.Lock, messages: list[dict[str, str]],
           config: GenerationConfig) -> Said:  # fmt: skip
    """Write the answer as it comes."""
    place = st.empty()
    text = ""
    with lock:
        writing = backend.writing(Request("playground", render_prompt(backend.tokenizer, messages)), config)
        waiting = [writing]
        start = time.perf_counter()
        capacity = writing.length + config.max_new_tokens
        for state in backend.continuous(lambda: waiting.pop() if waiting else None, rows=1, capacity=capacity):
            text = state.certain_text()
            place.text(text or " ")
        seconds = time.perf_counter() - start
    done = writing.answer()
    place.empty()
    speed = done.output_tokens / max(seconds, 1e-9)
    return Said(
        version.number, text, done.prompt_tokens, done.output_tokens, done.prompt_seconds, speed, done.finish_reason
    )


def show_answer(project: Project, said: Said, task: TaskDefinition | None, slices: dict[str, str], asked: str) -> None:
    """An answer with its figures, and the button that sends it to review."""
    model_text(said.text or " ")
    st.caption(
        t("figures", prompt=number(said.prompt_tokens, 0), output=number(said.output_tokens, 0),
          first=number(said.first_seconds, 2), speed=number(said.speed, 0), reason=t(f"ended_{said.ended}"))
    )  # fmt: skip
    if may("reviewer"):
        st.button(
            t("send"), key=f"send-{said.version}", on_click=send_to_review, icon=":material/rate_review:",
            args=(project, by_number[said.version], task, slices, asked, said.text),
        )  # fmt: skip


@st.cache_data(max_entries=8, show_spinner=False)
def examples_of(path: str, changed: int, task: str) -> list[tuple[str, dict[str, str]]]:
    """Inputs of the review split for a task, with their slices: what one may look at without touching the test."""
    examples = read_table(Path(path), EXAMPLES).filter(pl.col("task_definition") == task).head(50)
    return [(text, slices_to_map(slices)) for text, slices in examples.select("input", "slices").iter_rows()]


def fill_in(examples: list[tuple[str, dict[str, str]]]) -> None:
    """Put the next example into the fields."""
    state = st.session_state
    state["example"] = (state.get("example", -1) + 1) % len(examples)
    state["playground-text"], slices = examples[state["example"]]
    for part, value in slices.items():
        state[f"playground-slice-{part}"] = value


def send_to_review(
    project: Project, version: Version, task: TaskDefinition | None, slices: dict[str, str], asked: str, said: str
) -> None:
    """Put an answer into the review queue."""
    answered = Answered(version.number, version.model_id, version.variant, "")
    exchange = Asked(f"playground-{uuid.uuid4().hex}", asked, task, slices, person()[0])
    try:
        with FeedbackStore.of(project) as store:
            Capture(store, params_of(project).serving.capture).store_chosen(exchange, answered, said)
    except RoleShiftError as error:  # Streamlit calls this before the page is drawn, outside the shell's care
        st.session_state["not-sent"] = str(error)
        return
    st.session_state["sent"] = version.number


st.title(t("title"))
project, _ = shown_run()
st.write(t("explained"))
versions = versions_of(project)
if not versions:
    st.info(t("no_model"), icon=":material/info:")
    st.stop()
params = params_of(project)
tasks = params.task_definitions()
corpora = {corpus.task for corpus in params.corpora.values()}
ordered = [*(name for name in tasks if name in corpora), "", *(name for name in tasks if name not in corpora)]
by_number = {version.number: version for version in versions}
left, right = st.columns(2)
chosen = left.multiselect(
    t("versions"), list(by_number), max_selections=2, placeholder=texts("shell")("choose"),
    format_func=lambda n: version_name(by_number[n]),
    key=held_all("playground-versions", by_number, [versions[0].number]),
)  # fmt: skip
name = right.selectbox(
    t("task"), ordered, key=held("playground-task", ordered, ordered[0]), help=t("task_help"),
    format_func=lambda task: f"{capability_name(tasks[task].capability)} ({task})" if task else t("no_task"),
)  # fmt: skip
task = tasks[name] if name else None
slices: dict[str, str] = {}
if task is not None:
    table = project.root / "data/examples/review.parquet"
    examples = examples_of(str(table), table.stat().st_mtime_ns, task.id) if table.is_file() else []
    for part in task.slice_names:
        like = next((known[part] for _, known in examples if part in known), None)
        slices[part] = st.text_input(part, key=f"playground-slice-{part}", placeholder=like)
    filled = {part: value.strip() or "…" for part, value in slices.items()}
    st.caption(f"{t('asked_as')} {literal(instruction(task, filled))}")
    if examples:
        st.button(t("example"), on_click=fill_in, args=(examples,), icon=":material/casino:", type="tertiary")
with st.form("ask", border=False):
    asked = st.text_area(t("text"), key="playground-text", height=160, placeholder=t("text_example"))
    with st.popover(t("settings"), icon=":material/tune:"):
        left, right = st.columns(2)
        temperature = left.slider(t("temperature"), 0.0, 2.0, 0.0, 0.1, help=t("temperature_help"))
        top_k = left.number_input(t("top_k"), 0, 1000, 0, help=t("top_k_help"))
        top_p = left.slider(t("top_p"), 0.05, 1.0, 1.0, 0.05, help=t("top_p_help"))
        penalty = right.slider(t("penalty"), 1.0, 2.0, 1.0, 0.05, help=t("penalty_help"))
        longest = right.number_input(
            t("max_tokens"), 1, params.serving.max_new_tokens, params.generation.max_new_tokens, help=t("token_help")
        )
        seed = right.number_input(t("seed"), 0, 2**31 - 1, 0, help=t("seed_help"))
    go = st.form_submit_button(t("go"), icon=":material/play_arrow:", type="primary")
if "sent" in st.session_state:
    st.success(t("sent", number=st.session_state.pop("sent")), icon=":material/check:")
if "not-sent" in st.session_state:
    show_problem(st.session_state.pop("not-sent"))
given = (asked, name, tuple(chosen), tuple(slices.values()))
missing = [part for part, value in slices.items() if not value.strip()]
if go and not (asked.strip() and chosen):
    st.warning(t("nothing_asked"), icon=":material/edit:")
elif go and missing:
    st.warning(t("slice_missing", names=literal(", ".join(missing))), icon=":material/edit:")
elif go:
    config = GenerationConfig(
        max_new_tokens=int(longest),
        temperature=temperature,
        top_k=int(top_k),
        top_p=top_p,
        repetition_penalty=penalty,
        seed=int(seed),
    )
    messages = chat_messages(task, asked, slices) if task else [{"role": "user", "content": asked}]
    said = []
    for column, number_of in zip(st.columns(len(chosen)), chosen, strict=True):
        version = by_number[number_of]
        with column:
            st.subheader(t("version", number=number_of))
            with st.spinner(t("loading")):
                backend, lock = opened(str(project.root), project.tracking_uri, version.content_id, params, version)
            said.append(answer(version, backend, lock, messages, config))
            show_answer(project, said[-1], task, slices, asked)
    st.session_state["said"] = (given, said)
elif st.session_state.get("said", (None,))[0] == given:  # still there after a click on something else
    for column, each in zip(st.columns(len(chosen)), st.session_state["said"][1], strict=True):
        with column:
            st.subheader(t("version", number=each.version))
            show_answer(project, each, task, slices, asked)
