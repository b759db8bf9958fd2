"""What the events say, against figures worked out by hand and by scipy."""

from collections.abc import Callable

import pytest
from feedback_samples import NEW, OLD, review_item
from scipy.stats import binomtest

from roleshift.feedback.events import Event
from roleshift.feedback.judged import judged_table, population_of
from roleshift.feedback.review import voted
from roleshift.feedback.store import FeedbackStore, new_event
from roleshift.feedback.summary import agreement, win_rate


def test_the_win_rates_interval_is_the_exact_one_from_either_side(
    store: FeedbackStore, vote: Callable[..., Event]
) -> None:
    for item in range(40):
        vote(item, "better" if item < 27 else "worse", turned=False)
    found = win_rate(store.events(), NEW, OLD, 0.95)
    exact = binomtest(27, 40).proportion_ci(0.95, method="exact")
    assert (found.rate, found.items) == (27 / 40, 40)
    assert found.lower == pytest.approx(exact.low, abs=1e-9)
    assert found.upper == pytest.approx(exact.high, abs=1e-9)
    turned = win_rate(store.events(), OLD, NEW, 0.95)
    assert turned.rate == pytest.approx(13 / 40)
    assert (turned.lower, turned.upper) == pytest.approx((1 - found.upper, 1 - found.lower))


def test_a_vote_counts_for_the_side_it_was_given_to_wherever_that_side_stood(
    store: FeedbackStore, vote: Callable[..., Event]
) -> None:
    vote(1, "better")
    vote(2, "worse", turned=True)
    vote(3, "both bad")
    found = win_rate(store.events(), NEW, OLD, 0.95)
    assert (found.wins, found.losses, found.ties, found.rate) == (2, 0, 1, pytest.approx(2.5 / 3))


def test_a_changed_mind_counts_once_and_nobodys_vote_overwrites_anothers(
    store: FeedbackStore, vote: Callable[..., Event]
) -> None:
    vote(1, "worse", "ann")
    vote(1, "better", "ann", turned=False)
    vote(1, "worse", "bob")
    found = win_rate(store.events(), NEW, OLD, 0.95)
    assert (found.items, found.votes, found.reviewers, found.rate) == (1, 2, 2, 0.5)
    assert len(store.events()) == 3


def test_what_was_not_drawn_at_random_does_not_enter(store: FeedbackStore, vote: Callable[..., Event]) -> None:
    vote(1, "better", drawn_by="disagreement")
    found = win_rate(store.events(), NEW, OLD, 0.95)
    assert (found.items, found.rate, found.lower, found.upper) == (0, None, 0.0, 1.0)


def test_what_was_judged_by_disagreement_still_comes_at_random(
    store: FeedbackStore, vote: Callable[..., Event]
) -> None:
    vote(1, "better", "ann")
    vote(2, "better", "ann", drawn_by="disagreement")
    vote(3, "better", "bob")
    done = {queue: voted(store.events(), NEW, OLD, "ann", queue) for queue in ("random", "disagreement")}
    ids = [str(review_item(item).item_id) for item in (1, 2)]
    assert done == {"random": {ids[0]}, "disagreement": set(ids)}


def test_judgements_are_of_one_version_and_population(store: FeedbackStore) -> None:
    for item, outcome in ((1, "accept"), (2, "reject")):
        store.add(
            new_event(
                "judgement",
                about=review_item(item),
                answered=NEW,
                outcome=outcome,
                reviewer_id="ann",
                drawn_by="random",
            )
        )
    store.add(
        new_event(
            "judgement", about=review_item(1), answered=OLD, outcome="reject", reviewer_id="ann", drawn_by="random"
        )
    )
    judged = judged_table(store.events())
    frame = population_of(judged, NEW, "review")
    assert frame.select("example_id", "accepted").rows() == [("e1", True), ("e2", False)]
    assert population_of(judged, NEW, "captured").is_empty()


def test_agreement_is_krippendorffs_alpha(store: FeedbackStore, vote: Callable[..., Event]) -> None:
    # Two people, four items, nominal: they differ on one. By hand: the coincidence matrix has
    # o(b,b) = 4, o(w,w) = 2, o(b,w) = o(w,b) = 1; n = 8; alpha = 1 - 7 * 2 / (5 * 3 + 3 * 5).
    for item, ann, bob in ((1, "better", "better"), (2, "better", "better"), (3, "worse", "worse")):
        vote(item, ann, "ann")
        vote(item, bob, "bob")
    vote(4, "better", "ann")
    vote(4, "better", "bob", turned=True)  # better for the other side: they differ
    vote(5, "better", "ann")  # judged by one alone
    alpha, shared = agreement(store.events(), "vote")
    assert shared == 4
    assert alpha == pytest.approx(1 - 7 * 2 / 30)


def test_agreement_is_undefined_where_nothing_differs(store: FeedbackStore, vote: Callable[..., Event]) -> None:
    for item in (1, 2):
        for who in ("ann", "bob"):
            vote(item, "better", who)
    assert agreement(store.events(), "vote") == (None, 2)
