"""Ask any registered version, or two side by side, and watch the answers come."""

import threading
import time
import uuid
from pathlib import Path

import streamlit as st

from components.identity import may
from components.language import texts
from components.run import params_of, shown_run
from components.safe import literal
from components.versions import versions_of
from roleshift.errors import RoleShiftError
from roleshift.feedback.events import CAPTURED, About, Answered, Texts
from roleshift.feedback.store import FeedbackStore, new_event
from roleshift.generation import Backend, GenerationConfig, Request
from roleshift.params import Params
from roleshift.project import Project
from roleshift.prompts import chat_messages, instruction, render_prompt
from roleshift.registry.choices import existing_store
from roleshift.registry.versions import Version
from roleshift.serving.versions import open_version
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


def answer(backend: Backend, lock: threading.Lock, messages: list[dict[str, str]], config: GenerationConfig) -> str:
    """Write the answer as it comes, then its tokens and speed."""
    place, figures = st.empty(), st.empty()
    text = ""
    with lock:
        writing = backend.writing(Request("playground", render_prompt(backend.tokenizer, messages)), config)
        waiting = [writing]
        start = time.perf_counter()
        capacity = writing.length + config.max_new_tokens
        for state in backend.continuous(lambda: waiting.pop() if waiting else None, rows=1, capacity=capacity):
            text = state.certain_text()
            place.code(text or " ", language=None, wrap_lines=True)
        seconds = time.perf_counter() - start
    done = writing.answer()
    figures.caption(
        t(
            "figures",
            prompt=done.prompt_tokens,
            output=done.output_tokens,
            first=f"{done.prompt_seconds:.2f}",
            speed=f"{done.output_tokens / max(seconds, 1e-9):.0f}",
            reason=t(f"ended_{done.finish_reason}"),
        )
    )
    return text


def send_to_review(project: Project, version: Version, task: TaskDefinition | None, asked: str, said: str) -> None:
    """Put an answer into the review queue; as somebody chose it, it enters no acceptance rate."""
    about = About(
        CAPTURED,
        None,
        f"playground-{uuid.uuid4().hex}",
        task.id if task else None,
        task.capability if task else None,
        task.domain if task else None,
    )
    answered = Answered(version.number, version.model_id, version.variant, "")
    with FeedbackStore.of(project) as store:
        store.add(
            new_event(
                "capture",
                about=about,
                answered=answered,
                outcome="captured",
                drawn_by="choice",
                texts=Texts(input=asked, output=said),
                details={"language": task.language if task else None},
            )
        )
    st.session_state["sent"] = version.number


st.title(t("title"))
st.caption(t("explained"))
project, _ = shown_run()
versions = versions_of(project)
if not versions:
    st.info(t("no_model"), icon=":material/info:")
    st.stop()
params = params_of(project)
tasks = params.task_definitions()
by_number = {version.number: version for version in versions}
chosen = st.multiselect(
    t("versions"),
    list(by_number),
    default=[versions[0].number],
    max_selections=2,
    format_func=lambda n: f"{n} ({by_number[n].kind}, {by_number[n].variant})",
    key="playground-versions",
)
name = st.selectbox(t("task"), [None, *tasks], format_func=lambda task: task or t("no_task"), key="playground-task")
task = tasks[name] if name else None
slices: dict[str, str] = {}
if task is not None:
    for part in task.slice_names:
        slices[part] = st.text_input(part, key=f"playground-slice-{part}")
    st.caption(literal(instruction(task, slices)))
with st.form("ask"):
    asked = st.text_area(t("text"), key="playground-text", height=160)
    with st.expander(t("settings")):
        left, right = st.columns(2)
        temperature = left.slider(t("temperature"), 0.0, 2.0, 0.0, 0.1)
        top_k = left.number_input(t("top_k"), 0, 1000, 0)
        top_p = left.slider(t("top_p"), 0.05, 1.0, 1.0, 0.05)
        penalty = right.slider(t("penalty"), 1.0, 2.0, 1.0, 0.05)
        longest = right.number_input(
            t("max_tokens"), 1, params.serving.max_new_tokens, params.generation.max_new_tokens
        )
        seed = right.number_input(t("seed"), 0, 2**31 - 1, 0)
    go = st.form_submit_button(t("go"), icon=":material/play_arrow:")
if "sent" in st.session_state:
    st.success(t("sent", number=st.session_state.pop("sent")))
if go and not (asked.strip() and chosen):
    st.warning(t("nothing_asked"))
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
    for column, number in zip(st.columns(len(chosen)), chosen, strict=True):
        version = by_number[number]
        with column:
            st.subheader(t("version", number=number))
            with st.spinner(t("loading")):
                backend, lock = opened(str(project.root), project.tracking_uri, version.content_id, params, version)
            said = answer(backend, lock, messages, config)
            if may("reviewer"):
                st.button(
                    t("send"), key=f"send-{number}", on_click=send_to_review, args=(project, version, task, asked, said)
                )
