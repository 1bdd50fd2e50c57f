"""How many sandboxes should wait, as a matter of figures."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.pool_demand import (
    HELD_S,
    WINDOW_S,
    Average,
    Demand,
    Group,
    Wanted,
    group_of,
    needed,
)


def demand(*, least: int = 2, most: int = 8) -> Demand:
    """Making takes 1 s, and preloading 1 s more."""
    demand = Demand(least=least, most=most)
    demand.creation_s = Average(1.0)
    demand.preloading_s = Average(1.0)
    return demand


def poisson_at_most(count: int, mean: float) -> float:
    """The probability that `count` or fewer come where `mean` come on average."""
    return sum(
        math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) for k in range(count + 1)
    )


class TestGroups:
    @pytest.mark.parametrize(
        ("language", "group"),
        [
            ("py", Group.PYTHON),
            ("bash", Group.OTHER),
            ("java", Group.OTHER),
            ("klingon", Group.OTHER),
        ],
    )
    def test_python_alone_profits_from_preloading(self, language: str, group: Group) -> None:
        assert group_of(language) is group


class TestNeeded:
    def test_where_nobody_comes_none_is(self) -> None:
        assert needed(0, making_s=100) == 0

    @pytest.mark.parametrize("arrivals", [1, 2, 3, 5, 10, 20, 50, 100, 400])
    @pytest.mark.parametrize("making_s", [0.1, 0.3, 1, 3])
    def test_19_programs_of_20_find_one(self, arrivals: int, making_s: float) -> None:
        mean = arrivals / WINDOW_S * making_s

        assert poisson_at_most(needed(arrivals, making_s), mean) >= 0.95

    def test_at_a_high_rate_it_is_little_more_than_the_average(self) -> None:
        assert needed(2000, making_s=1) == 120


class TestWanted:
    def test_while_nobody_comes_the_least_wait_all_preloaded(self) -> None:
        assert demand().wanted(0) == Wanted(waiting=2, preloaded=2, kept=2)

    def test_more_wait_the_more_come(self) -> None:
        several = demand()
        sizes = []
        for _ in range(30):
            several.arrived(Group.PYTHON, 0)
            sizes.append(several.wanted(0).waiting)

        assert sizes == sorted(sizes)
        assert (sizes[0], sizes[-1]) == (2, 7)

    def test_but_never_more_than_the_most(self) -> None:
        crowded = demand(most=5)
        for _ in range(1000):
            crowded.arrived(Group.PYTHON, 0)

        assert crowded.wanted(0).waiting == 5

    def test_more_wait_the_longer_one_takes_to_make(self) -> None:
        quick, slow = demand(), demand()
        slow.preloading_s = Average(5)
        for each in (quick, slow):
            for _ in range(10):
                each.arrived(Group.PYTHON, 0)

        assert slow.wanted(0).waiting > quick.wanted(0).waiting

    def test_where_none_is_to_wait_none_does_whoever_comes(self) -> None:
        cold = demand(least=0)
        for _ in range(100):
            cold.arrived(Group.PYTHON, 0)

        assert cold.wanted(0) == Wanted(waiting=0, preloaded=0, kept=0)

    def test_what_other_languages_take_is_not_preloaded(self) -> None:
        mixed = demand()
        for _ in range(5):
            mixed.arrived(Group.PYTHON, 0)
            mixed.arrived(Group.OTHER, 0)

        assert mixed.wanted(0) == Wanted(waiting=4, preloaded=2, kept=4)

    def test_where_only_other_languages_come_one_is_preloaded_still(self) -> None:
        other = demand()
        for _ in range(100):
            other.arrived(Group.OTHER, 0)

        assert other.wanted(0) == Wanted(waiting=8, preloaded=1, kept=8)

    @given(
        arrivals=st.lists(st.tuples(st.sampled_from(Group), st.floats(0, 300)), max_size=200),
        least=st.integers(1, 10),
        more=st.integers(0, 10),
    )
    def test_its_figures_fit_each_other_whoever_comes(
        self, arrivals: list[tuple[Group, float]], least: int, more: int
    ) -> None:
        any_demand = demand(least=least, most=least + more)
        for group, now in sorted(arrivals, key=lambda arrival: arrival[1]):
            any_demand.arrived(group, now)
            wanted = any_demand.wanted(now)

            assert least <= wanted.waiting <= wanted.kept <= least + more
            assert 1 <= wanted.preloaded <= wanted.waiting


class TestTime:
    def test_who_came_long_ago_does_not_count(self) -> None:
        once = demand()
        for _ in range(30):
            once.arrived(Group.PYTHON, 0)

        assert once.wanted(WINDOW_S - 0.01).waiting == 7
        assert once.wanted(WINDOW_S).waiting == 2

    def test_what_was_wanted_is_kept_for_a_while(self) -> None:
        once = demand()
        for _ in range(30):
            once.arrived(Group.PYTHON, 0)

        assert once.wanted(0).kept == 7
        assert once.wanted(HELD_S - 0.01).kept == 7
        assert once.wanted(HELD_S).kept == 2

    def test_a_lesser_rush_later_keeps_as_many_as_it_needed(self) -> None:
        twice = demand()
        for _ in range(30):
            twice.arrived(Group.PYTHON, 0)
        assert twice.wanted(0).kept == 7
        for _ in range(10):
            twice.arrived(Group.PYTHON, 100)
        assert twice.wanted(100).waiting == 3

        assert twice.wanted(HELD_S).kept == 3
        assert twice.wanted(100 + HELD_S).kept == 2


class TestAverage:
    def test_it_comes_to_what_is_measured(self) -> None:
        average = Average(10)
        for _ in range(50):
            average.add(1)

        assert average.value == pytest.approx(1, abs=0.01)

    def test_one_figure_that_is_far_out_moves_it_a_fifth_of_the_way(self) -> None:
        average = Average(1)
        average.add(11)

        assert average.value == pytest.approx(3)
