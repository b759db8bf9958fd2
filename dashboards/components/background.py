"""Slow questions that must not hold up a page: asked in a thread, drawn when the answer is there."""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import streamlit as st

from roleshift.errors import RoleShiftError

THREADS = 2
KEPT = 64
WAITING = "waiting"
AGAIN_SECONDS = 2.0


@dataclass
class _Asked:
    future: Future[Any]
    at: float


class Background:
    """Answers by key: an old one is shown while a new one is on its way."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="background")
        self._lock = threading.Lock()
        self._asked: dict[Hashable, _Asked] = {}
        self._answers: dict[Hashable, Any] = {}

    def ask(self, key: Hashable, work: Callable[[], Any], fresh_seconds: float) -> Any:
        """The answer to `key`, None as long as there is none; asked again when older than `fresh_seconds`.

        A RoleShiftError of `work` is an answer too.
        """
        with self._lock:
            asked = self._asked.get(key)
            if asked is not None and asked.future.done():
                error = asked.future.exception()
                if error is not None and not isinstance(error, RoleShiftError):
                    del self._asked[key]
                    raise error
                self._answers[key] = error or asked.future.result()
            if asked is None or (asked.future.done() and time.monotonic() - asked.at > fresh_seconds):
                self._asked[key] = _Asked(self._pool.submit(work), time.monotonic())
                while len(self._asked) > KEPT:
                    oldest = next(iter(self._asked))
                    self._asked.pop(oldest)
                    self._answers.pop(oldest, None)
            return self._answers.get(key)


@st.cache_resource(show_spinner=False)
def background() -> Background:
    """One for all visitors of this server."""
    return Background()


def say_waiting(name: str, text: str) -> None:
    """A line as long as an answer is on its way; pictures of the page wait until no such line is left."""
    with st.container(key=f"{WAITING}-{name}"):
        st.caption(f":material/hourglass_top: {text}")


def when_ready(ask: Callable[[], Any], waiting: Callable[[], None], draw: Callable[[Any], None]) -> None:
    """Draw the answer once it is there; until then `waiting`, and ask again every two seconds.

    The answer is drawn once: a graph that the browser still lays out is not replaced.
    """
    found = ask()
    if found is not None:
        draw(found)
        return

    def attempt() -> None:
        if ask() is not None:
            st.rerun()  # the whole page, without the timer
        waiting()

    st.fragment(attempt, run_every=AGAIN_SECONDS)()
