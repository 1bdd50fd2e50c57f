"""How a figure stands to its baseline and its targets."""

import pytest

from tests.bench.rows import (
    Row,
    Target,
    Unit,
    at_least,
    at_least_times,
    at_most,
    at_most_times,
    times_faster,
)


def row(*targets: Target, ours: tuple[float, ...], baseline: tuple[float, ...] = ()) -> Row:
    return Row(
        name="hello",
        unit=Unit.MS,
        ours=ours,
        baseline=baseline,
        baseline_name="fresh",
        targets=targets,
        remarks={"program": "5 ms"},
    )


@pytest.mark.parametrize(
    ("target", "meets"),
    [
        (at_most(10), True),
        (at_most(9.9), False),
        (at_least(10), True),
        (at_least(10.1), False),
        (times_faster(20), True),
        (times_faster(20.1), False),
        (at_most_times(0.05), True),
        (at_most_times(0.049), False),
        (at_least_times(0.05), True),
        (at_least_times(0.051), False),
    ],
)
def test_a_target_is_held_against_medians(target: Target, *, meets: bool) -> None:
    measured = row(target, ours=(10, 1, 500), baseline=(200, 200, 1000))

    assert measured.meets(target) is meets


def test_a_target_by_a_baseline_that_is_missing_is_neither_met_nor_missed() -> None:
    target = times_faster(20)

    assert row(target, ours=(10,)).meets(target) is None


@pytest.mark.parametrize(
    ("target", "text"),
    [
        (at_most(12), "≤ 12 ms"),
        (at_least(25), "≥ 25 ms"),
        (times_faster(4.5), "≥ 4.5\u00d7 faster"),
        (at_most_times(1.3), "≤ 1.3\u00d7 the baseline"),
    ],
)
def test_a_target_is_written_with_its_unit(target: Target, text: str) -> None:
    assert target.text(Unit.MS) == text


def test_a_row_is_read_back_as_it_was_written() -> None:
    written = row(at_most(12), times_faster(20), ours=(10.5, 11), baseline=(250.25,))

    assert Row.from_json(written.as_json()) == written


def test_so_is_one_without_a_baseline() -> None:
    written = row(at_most(12), ours=(10.5,))

    assert Row.from_json(written.as_json()).baseline_figure is None


def test_what_is_kept_says_whether_targets_are_met() -> None:
    kept = row(at_most(12), times_faster(20), ours=(10, 12, 14), baseline=(200,)).as_json()

    assert kept["ours"] == {"n": 3, "p50": 12, "p95": 13.8, "samples": [10, 12, 14]}
    assert [(target["value"], target["met"]) for target in kept["targets"]] == [
        (12, True),
        (16.7, False),
    ]
