from collections import Counter

import pytest

from roleshift.training.encoding import EncodedExample
from roleshift.training.packing import best_fit, packed_batch, padded_batch, plan_steps

LENGTHS = [60, 10, 50, 40, 33, 7, 90, 100, 1]


def test_best_fit_keeps_every_item_once_and_within_capacity():
    packs = best_fit(LENGTHS, range(len(LENGTHS)), 100)
    assert sorted(i for pack in packs for i in pack) == list(range(len(LENGTHS)))
    assert all(sum(LENGTHS[i] for i in pack) <= 100 for pack in packs)


def test_best_fit_takes_the_fullest_pack_that_has_room():
    assert best_fit([60, 80, 20, 40], [0, 1, 2, 3], 100) == [(0, 3), (1, 2)]


def test_plan_covers_every_example_in_every_epoch_and_follows_from_the_seed():
    plan, per_epoch = plan_steps(LENGTHS, capacity=100, packs_per_step=2, epochs=3, max_steps=None, seed=1)
    again, _ = plan_steps(LENGTHS, capacity=100, packs_per_step=2, epochs=3, max_steps=None, seed=1)
    other, _ = plan_steps(LENGTHS, capacity=100, packs_per_step=2, epochs=3, max_steps=None, seed=2)
    assert plan == again != other
    assert Counter(i for step in plan for pack in step for i in pack) == dict.fromkeys(range(len(LENGTHS)), 3)
    assert Counter(i for step in plan[:per_epoch] for pack in step for i in pack) == dict.fromkeys(
        range(len(LENGTHS)), 1
    )


def test_max_steps_is_the_beginning_of_the_longer_plan():
    long, _ = plan_steps(LENGTHS, capacity=100, packs_per_step=1, epochs=1, max_steps=None, seed=1)
    short, _ = plan_steps(LENGTHS, capacity=100, packs_per_step=1, epochs=1, max_steps=2, seed=1)
    assert short == long[:2]


@pytest.fixture
def two() -> list[EncodedExample]:
    return [EncodedExample("a", (1, 2, 3), (4, 9)), EncodedExample("b", (5,), (6, 9))]


def test_packed_batch_restarts_positions_and_predicts_answers_alone(two):
    batch = packed_batch(two, (0, 1), 10, pad_id=0)
    assert batch.input_ids.tolist() == [[1, 2, 3, 4, 9, 5, 6, 9, 0, 0]]
    assert batch.position_ids.tolist() == [[0, 1, 2, 3, 4, 0, 1, 2, 0, 1]]
    assert batch.predicts.tolist() == [[False, False, True, True, False, True, True, False, False, False]]
    assert batch.targets.tolist() == [4, 9, 6, 9]
    assert batch.boundaries.tolist() == [0, 5, 8, 8, 8, 8, 8, 8, 8, 8, 8]


def test_boundaries_have_the_same_shape_for_every_packing(two):
    assert packed_batch(two, (0, 1), 10, 0).boundaries.shape == packed_batch(two, (1,), 10, 0).boundaries.shape


def test_padded_batch_labels_the_answer_and_its_stop_token(two):
    batch = padded_batch(two, (0, 1), pad_id=0)
    assert batch.input_ids.tolist() == [[1, 2, 3, 4, 9], [5, 6, 9, 0, 0]]
    assert batch.attention_mask.tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert batch.labels.tolist() == [[-100, -100, -100, 4, 9], [-100, 6, 9, -100, -100]]
