"""What one run of the bench found, and how it is kept as JSON."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.rows import Row

FORMAT = 1


class BenchError(Exception):
    """A case cannot be measured; the message says why."""


class WrongAnswerError(BenchError):
    """The service answered, but not what the program says. No figure counts beside that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseReport:
    """How one case went."""

    name: str
    rows: tuple[Row, ...] = ()
    problem: str = ""
    """Why there are no rows, or not all; empty where all went well."""
    took_s: float = 0.0
    commit: str = ""
    measured_at: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it for the file."""
        return {
            "name": self.name,
            "problem": self.problem,
            "took_s": round(self.took_s, 1),
            "commit": self.commit,
            "measured_at": self.measured_at,
            "rows": [row.as_json() for row in self.rows],
        }

    @classmethod
    def from_json(cls, kept: Mapping[str, Any]) -> "CaseReport":
        """Read back what `as_json` wrote."""
        return cls(
            name=kept["name"],
            rows=tuple(Row.from_json(row) for row in kept["rows"]),
            problem=kept["problem"],
            took_s=kept["took_s"],
            commit=kept["commit"],
            measured_at=kept["measured_at"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All cases with one engine on one machine."""

    engine: str
    is_short: bool = False
    machine: Mapping[str, str] = field(default_factory=dict[str, str])
    """Facts about it, by name, as `machine.facts` gives them."""
    cases: tuple[CaseReport, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be measured, and why."""
        return tuple(f"{case.name}: {case.problem}" for case in self.cases if case.problem)

    def updated(self, newer: "Report") -> "Report":
        """Return this report with the cases that `newer` has in place of the old ones.

        Raises:
            ValueError: They are of different engines.
        """
        if newer.engine != self.engine:
            raise ValueError(f"{newer.engine} is not {self.engine}")
        replaced = {case.name: case for case in newer.cases}
        kept = [replaced.pop(case.name, case) for case in self.cases]
        return Report(
            engine=newer.engine,
            is_short=newer.is_short,
            machine=newer.machine,
            cases=(*kept, *replaced.values()),
        )

    def write(self, path: Path) -> None:
        """Keep it at `path`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text() + "\n", encoding="utf-8")

    def text(self) -> str:
        """Return the JSON: indented, but the raw samples in one line each."""
        whole = {
            "format": FORMAT,
            "engine": self.engine,
            "short": self.is_short,
            "machine": dict(self.machine),
            "cases": [case.as_json() for case in self.cases],
        }
        return _with_short_lists(json.dumps(whole, indent=1, ensure_ascii=False))

    @classmethod
    def read(cls, path: Path) -> "Report":
        """Read what `write` wrote.

        Raises:
            ValueError: It is of another version of this program.
        """
        kept = json.loads(path.read_text(encoding="utf-8"))
        if kept.get("format") != FORMAT:
            raise ValueError(f"{path.name} has format {kept.get('format')}, not {FORMAT}")
        return cls(
            engine=kept["engine"],
            is_short=kept["short"],
            machine=kept["machine"],
            cases=tuple(CaseReport.from_json(case) for case in kept["cases"]),
        )


def _with_short_lists(text: str) -> str:
    """Put the numbers of each list of samples into one line."""
    lines: list[str] = []
    collected: list[str] | None = None
    for line in text.splitlines():
        if line.endswith('"samples": ['):
            collected = [line]
        elif collected is None:
            lines.append(line)
        else:
            collected.append((" " if line.strip()[0].isdigit() else "") + line.strip())
            if line.strip().startswith("]"):
                lines.append("".join(collected).replace("[ ", "["))
                collected = None
    return "\n".join(lines)
