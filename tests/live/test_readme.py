"""README.md's own commands, run as a reader would, give README.md's own answers."""

import json
import os
import re
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import pytest

from infra.local.config import CHECKOUT, DEFAULT_HOST, DEFAULT_PORT, DEFAULT_WORK_DIR
from tests.live.running_service import RunningService, running_service
from tests.live.running_service_caller import Caller

pytestmark = pytest.mark.docker

README = (CHECKOUT / "README.md").read_text(encoding="utf-8")

ADDRESS = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
KEY_FILE = f"{DEFAULT_WORK_DIR}/secrets/api-key"
"""What the README names, and what is replaced by the running service's."""

ID = re.compile(r"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{21}(?![A-Za-z0-9_-])")
TOKEN = re.compile(r'(?<="continuation_token": ")[^"]+')
END = "--- end of a block ---"
SHELL_TIMEOUT_S = 120


class Fence(NamedTuple):
    """A fenced block of the README."""

    language: str
    text: str


class Example(NamedTuple):
    """A block of shell and the block that shows its answer."""

    commands: str
    answer: str


def fences() -> list[Fence]:
    found = re.findall(r"^```(\w*)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
    return [Fence(language, text) for language, text in found]


def examples() -> list[Example]:
    """Return every block that calls curl, with the answer that follows it."""
    return [
        Example(block.text, answer.text)
        for block, answer in pairwise(fences())
        if block.language == "sh" and "curl " in block.text
    ]


def run_in_one_shell(blocks: list[str], folder: Path) -> list[str]:
    """Run the blocks one after the other; return what each has printed."""
    script = "set -eu\n" + "".join(f"{block}\necho\necho '{END}'\n" for block in blocks)
    done = subprocess.run(
        ("sh",),
        input=script,
        cwd=folder,
        env={**os.environ, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        timeout=SHELL_TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout.split(END)[: len(blocks)]


def comparable(answers: list[str]) -> list[str]:
    """Write answers so that two runs of the same commands look the same.

    Ids are numbered in the order of their appearance, over all answers: one that is named
    again must be the same again. Times become 0. The order of keys stays.
    """
    numbers: dict[str, str] = {}

    def numbered(match: re.Match[str]) -> str:
        return numbers.setdefault(match[0], f"id {len(numbers) + 1}")

    return [
        TOKEN.sub(
            "", re.sub(r'("wall_time": )\d+', r"\g<1>0", ID.sub(numbered, _tidied(answer)))
        )
        for answer in answers
    ]


def _tidied(answer: str) -> str:
    try:
        return json.dumps(json.loads(answer))
    except ValueError:
        return answer.strip()


def test_the_readme_has_examples_each_followed_by_its_answer() -> None:
    shown = [block for block in fences() if block.language == "sh" and "curl " in block.text]

    assert shown
    assert len(examples()) == len(shown)
    for _, answer in pairwise(fences()):
        assert answer.language in {"", "bash", "json", "python", "sh", "text", "yaml"}


def test_its_examples_give_its_answers(
    service: RunningService, caller: Caller, tmp_path: Path
) -> None:
    key_file = tmp_path / "api-key"
    key_file.write_text(f"{caller.key}\n", encoding="ascii")
    folder = tmp_path / "reader"
    folder.mkdir()
    commands = [
        example.commands.replace(ADDRESS, service.address).replace(KEY_FILE, str(key_file))
        for example in examples()
    ]

    answers = run_in_one_shell(commands, folder)

    assert comparable(answers) == comparable([example.answer for example in examples()])


def test_what_up_prints_is_what_it_shows(tmp_path: Path) -> None:
    """Line by line, in order; times, versions and places may differ, and more may be said."""
    with running_service(tmp_path / "work", {"SANDBOX_ENGINE": ""}) as service:
        output = service.output
    started = next(
        index for index, block in enumerate(fences()) if block.text == "./code-command up\n"
    )
    shown = [_shape(line) for line in fences()[started + 1].text.splitlines() if line]

    said = iter([_shape(line) for line in output.splitlines()])

    assert shown
    assert [line for line in shown if line not in said] == []


def _shape(line: str) -> str:
    line = re.sub(r"^\[ *[\d.]+s\]", "[time]", line)
    line = re.sub(r"^  (address|API key|logs) .*", r"  \1", line)
    return re.sub(r"(Docker engine) \S+", r"\1", line)
