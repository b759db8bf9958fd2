"""The main answers of a page side by side, each in a box.

A browser takes longer for an element than for its text: what belongs together is one element.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st


def small(text: str) -> str:
    """A remark beside what matters more; nothing of nothing."""
    return f":small[:gray[{text}]]" if text else ""


@dataclass(frozen=True)
class Card:
    """What a box says, in Markdown; `under` stands small below the title, `note` small at the end."""

    title: str
    lines: Sequence[str]
    under: str = ""
    note: str = ""

    def text(self) -> str:
        """All of it as one element."""
        parts = (f"**{self.title}**", small(self.under), *self.lines, small(self.note))
        return "\n\n".join(part for part in parts if part)


def show_cards(cards: Sequence[Card], places: int) -> None:
    """The cards in so many columns; the browser finds them by their keys."""
    for place, (column, card) in enumerate(zip(st.columns(places), cards, strict=False)):
        column.container(border=True, height="stretch", key=f"answer-{place}").markdown(card.text())
