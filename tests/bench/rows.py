"""What a case brings: rows of figures, each with its baseline and its targets."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from tests.bench.samples import TIMES, median, percentile, rounded, shown


class Unit(StrEnum):
    """What a row counts."""

    MS = "ms"
    RATE = "runs/s"
    THROUGHPUT = "MB/s"
    SIZE = "MB"
    COUNT = ""


class Of(StrEnum):
    """What a target is about."""

    FIGURE = "figure"
    """The median of ours."""
    SPEEDUP = "speedup"
    """How many times ours goes into the baseline."""
    SHARE = "share"
    """How many times the baseline goes into ours."""


class Bound(StrEnum):
    """Which side of the limit is good."""

    AT_MOST = "at most"
    AT_LEAST = "at least"


@dataclass(frozen=True, slots=True)
class Target:
    """What a row should reach."""

    of: Of
    bound: Bound
    limit: float

    def text(self, unit: Unit) -> str:
        """Write it as the tables do."""
        sign = "≤" if self.bound is Bound.AT_MOST else "≥"
        limit = shown(self.limit)
        match self.of:
            case Of.FIGURE:
                return f"{sign} {limit} {unit.value}".strip()
            case Of.SPEEDUP:
                return f"{sign} {limit}{TIMES} faster"
            case Of.SHARE:
                return f"{sign} {limit}{TIMES} the baseline"


def at_most(limit: float) -> Target:
    """Our figure is to be `limit` or less."""
    return Target(Of.FIGURE, Bound.AT_MOST, limit)


def at_least(limit: float) -> Target:
    """Our figure is to be `limit` or more."""
    return Target(Of.FIGURE, Bound.AT_LEAST, limit)


def times_faster(limit: float) -> Target:
    """The baseline is to be at least `limit` times ours."""
    return Target(Of.SPEEDUP, Bound.AT_LEAST, limit)


def at_most_times(limit: float) -> Target:
    """Ours is to be at most `limit` times the baseline."""
    return Target(Of.SHARE, Bound.AT_MOST, limit)


def at_least_times(limit: float) -> Target:
    """Ours is to be at least `limit` times the baseline."""
    return Target(Of.SHARE, Bound.AT_LEAST, limit)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table: what was measured, beside what it is held against.

    The samples are kept raw; every other figure is worked out from them.
    """

    name: str
    unit: Unit
    ours: tuple[float, ...]
    baseline: tuple[float, ...] = ()
    baseline_name: str = ""
    targets: tuple[Target, ...] = ()
    remarks: Mapping[str, str] = field(default_factory=dict[str, str])
    """What helps to read the figure, such as how much of it is the program's own time."""

    @property
    def figure(self) -> float:
        """The median of ours."""
        return median(self.ours)

    @property
    def baseline_figure(self) -> float | None:
        """The median of the baseline; `None` where there is none."""
        return median(self.baseline) if self.baseline else None

    def value_of(self, target: Target) -> float | None:
        """Return what is held against the limit; `None` where the baseline is missing."""
        if target.of is Of.FIGURE:
            return self.figure
        beside = self.baseline_figure
        if not beside or not self.figure:
            return None
        return beside / self.figure if target.of is Of.SPEEDUP else self.figure / beside

    def meets(self, target: Target) -> bool | None:
        """Say whether the target is met; `None` where that cannot be said."""
        value = self.value_of(target)
        if value is None:
            return None
        if target.bound is Bound.AT_MOST:
            return value <= target.limit
        return value >= target.limit

    def as_json(self) -> dict[str, Any]:
        """Return it for the report, with the figures that readers look for worked out."""
        return {
            "name": self.name,
            "unit": self.unit.value,
            "ours": _series(self.ours),
            "baseline": {"name": self.baseline_name, **_series(self.baseline)}
            if self.baseline
            else None,
            "targets": [
                {
                    "of": target.of.value,
                    "bound": target.bound.value,
                    "limit": target.limit,
                    "value": _kept(self.value_of(target)),
                    "met": self.meets(target),
                }
                for target in self.targets
            ],
            "remarks": dict(self.remarks),
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "Row":
        """Read back what `as_json` wrote; what can be worked out is worked out again."""
        baseline: Mapping[str, Any] = kept["baseline"] or {"samples": (), "name": ""}
        return cls(
            name=kept["name"],
            unit=Unit(kept["unit"]),
            ours=tuple(kept["ours"]["samples"]),
            baseline=tuple(baseline["samples"]),
            baseline_name=baseline["name"],
            targets=tuple(
                Target(Of(target["of"]), Bound(target["bound"]), target["limit"])
                for target in kept["targets"]
            ),
            remarks=kept["remarks"],
        )


def _series(values: tuple[float, ...]) -> dict[str, Any]:
    return {
        "n": len(values),
        "p50": rounded(median(values)),
        "p95": rounded(percentile(values, 0.95)),
        "samples": [round(value, 3) for value in values],
    }


def _kept(value: float | None) -> float | None:
    return None if value is None else rounded(value)
