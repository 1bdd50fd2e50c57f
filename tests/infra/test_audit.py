"""`audit` says what is known to be vulnerable, and never that nothing is where nobody knows."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from infra.local.audit import LISTS, PIP_AUDIT, report_audit
from infra.local.config import CHECKOUT
from infra.local.console import Console

STAND_IN = """\
import pathlib, sys
path = pathlib.Path(sys.argv[sys.argv.index("--requirement") + 1])
answers = pathlib.Path(__file__).with_name("answers")
name = path.name if (answers / path.name).exists() else "first"
print((answers / name).read_text())
"""

VULNERABLE: dict[str, Any] = {
    "name": "idna",
    "version": "3.6",
    "vulns": [
        {"id": "PYSEC-2024-60", "fix_versions": ["3.7"], "aliases": [], "description": ""}
    ],
}
UNFIXED: dict[str, Any] = {
    "name": "celery",
    "version": "5.7.0",
    "vulns": [{"id": "PYSEC-1", "fix_versions": []}],
}
FINE: dict[str, Any] = {"name": "redis", "version": "8.1.0", "vulns": []}
UNKNOWN = {"name": "uvicorn", "skip_reason": "Dependency not found"}


class StandIn:
    """A pip-audit whose answers are given; what it is told is what the real one takes."""

    def __init__(self, folder: Path) -> None:
        self._answers = folder / "answers"
        self._answers.mkdir()
        program = folder / "pip_audit.py"
        program.write_text(STAND_IN, encoding="utf-8")
        self.command = (sys.executable, str(program))
        self.answers("first", VULNERABLE)
        for name in LISTS:
            self.answers(Path(name).name, FINE)

    def answers(self, name: str, *packages: dict[str, Any]) -> None:
        self.says(name, json.dumps({"dependencies": packages, "fixes": []}))

    def says(self, name: str, text: str) -> None:
        (self._answers / name).write_text(text, encoding="utf-8")


@pytest.fixture
def pip_audit(tmp_path: Path) -> StandIn:
    return StandIn(tmp_path)


def told(pip_audit: StandIn, capsys: pytest.CaptureFixture[str]) -> list[str]:
    report_audit(Console(), pip_audit.command)
    return [line.partition("audit: ")[2] for line in capsys.readouterr().out.splitlines()]


def test_each_list_is_told_in_a_line(
    pip_audit: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(pip_audit, capsys) == [
        "requirements/local.txt: 1 packages, no known vulnerability",
        "sandbox/packages/python.lock: 1 packages, no known vulnerability",
    ]


def test_what_is_vulnerable_is_told_with_what_mends_it_and_how_much_is_not_known(
    pip_audit: StandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    pip_audit.answers("local.txt", VULNERABLE, UNFIXED, FINE, UNKNOWN)

    assert told(pip_audit, capsys)[0] == (
        "requirements/local.txt: 3 packages, idna 3.6: PYSEC-2024-60 (fixed in 3.7); "
        "celery 5.7.0: PYSEC-1 (no fix yet) (1 not checked)"
    )


@pytest.mark.parametrize(
    "answer", [FINE, UNKNOWN], ids=["tells of none", "does not know the package"]
)
def test_an_index_that_knows_nothing_is_not_taken_to_say_that_there_is_nothing(
    pip_audit: StandIn, capsys: pytest.CaptureFixture[str], answer: dict[str, Any]
) -> None:
    pip_audit.answers("first", answer)

    (line,) = told(pip_audit, capsys)
    assert line.startswith("not checked: the package index does not tell of vulnerabilities")


@pytest.mark.parametrize("text", ["", "no JSON", "[]", "{}", "null"])
def test_a_list_without_an_answer_is_not_checked(
    pip_audit: StandIn, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    pip_audit.says("python.lock", text)

    first, second = told(pip_audit, capsys)
    assert first.endswith("no known vulnerability")
    assert second.startswith("sandbox/packages/python.lock: not checked: pip-audit failed")


def test_without_a_network_the_real_one_is_told_as_not_checked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # Nobody listens there.
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))  # Where it keeps what it was once told.

    report_audit(Console(), PIP_AUDIT)

    (line,) = capsys.readouterr().out.splitlines()
    assert "audit: not checked: " in line


def test_the_lists_that_are_looked_at_are_there() -> None:
    assert all((CHECKOUT / name).is_file() for name in LISTS)
