"""The arithmetic behind every figure."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.samples import median, percentile, rounded, shown

VALUES = st.lists(st.floats(0.001, 1e6), min_size=1, max_size=50)


@given(VALUES)
def test_the_median_is_the_value_in_the_middle(values: list[float]) -> None:
    assert median(values) == pytest.approx(statistics.median(values))


@given(VALUES, st.floats(0, 1))
def test_a_percentile_lies_within_the_values(values: list[float], share: float) -> None:
    found = percentile(values, share)

    assert min(values) <= found <= max(values) or found == pytest.approx(min(values))


def test_percentiles_between_two_values_are_interpolated() -> None:
    assert percentile([10, 20], 0.5) == 15
    assert percentile([10, 20, 30, 40, 50], 0.95) == pytest.approx(48)
    assert percentile([7], 0.95) == 7


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], -0.1), ([1.0], 1.1)])
def test_what_cannot_be_worked_out_is_refused(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match=r"no values|not a share"):
        percentile(values, share)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (99.96, "100"),
        (235.7, "236"),
        (1234.5, "1234"),
        (-3.14159, "-3.14"),
    ],
)
def test_figures_have_three_digits(value: float, text: str) -> None:
    assert shown(value) == text


def test_rounding_keeps_what_is_whole() -> None:
    assert rounded(20_000.4) == 20_000
