"""The programs that are timed, and what each must answer."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.bench.client import Client, output_files
from tests.bench.reports import WrongAnswerError
from tests.bench.rows import Target, at_most, times_faster

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_END = b"IEND\xaeB`\x82"
CHART_NAME = "chart.png"
LEAST_CHART_BYTES = 5_000

_HELLO = 'print("hello", 6 * 7, "MARK")\n'

_PANDAS = """\
import io
import pandas as pd

CSV = '''city,month,temperature
Lund,1,-1
Lund,7,18
Oslo,1,-4
Oslo,7,17
Kyiv,1,-3
Kyiv,7,21
'''
table = pd.read_csv(io.StringIO(CSV))
print(table.groupby("city").temperature.mean())
print("MARK")
"""
_PANDAS_ANSWER = r"""city
Kyiv +9\.0
Lund +8\.5
Oslo +6\.5
Name: temperature, dtype: float64
"""

_CHART = f"""\
import matplotlib.pyplot as plt

months = range(1, 13)
plt.plot(months, [-1, 0, 3, 8, 13, 16, 18, 17, 13, 8, 4, 1], label="Lund")
plt.plot(months, [-4, -4, 0, 5, 11, 15, 17, 16, 11, 6, 1, -3], label="Oslo")
plt.title("Temperature")
plt.xlabel("month")
plt.legend()
plt.savefig("{CHART_NAME}")
print("MARK")
"""

_BASH = "echo hello $((6 * 7)) MARK\n"
_NODE = 'console.log("hello", 6 * 7, "MARK")\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One program, in both of the ways it is run."""

    name: str
    lang: str
    source: str
    """With `MARK` where each run has a word of its own."""
    answer: str
    """A regular expression of what it prints before that word."""
    interpreter: tuple[str, ...]
    """What the image's own interpreter is called with, the source being its last argument."""
    targets: tuple[Target, ...]
    makes_chart: bool = False

    def marked(self) -> tuple[str, str]:
        """Return the source with a word that no other run has, and that word."""
        mark = secrets.token_hex(4)
        return self.source.replace("MARK", mark), mark

    def require(self, stdout: str, mark: str) -> None:
        """Check what was printed.

        Raises:
            WrongAnswerError: It is not what the program prints.
        """
        if not re.fullmatch(f"{self.answer}{mark}\n", stdout):
            raise WrongAnswerError(f"{self.name} printed {stdout[:200]!r}")


PROGRAMS = (
    Program(
        name="hello",
        lang="py",
        source=_HELLO,
        answer="hello 42 ",
        interpreter=("python3", "-c"),
        targets=(at_most(12), times_faster(20)),
    ),
    Program(
        name="pandas",
        lang="py",
        source=_PANDAS,
        answer=_PANDAS_ANSWER,
        interpreter=("python3", "-c"),
        targets=(at_most(18), times_faster(50)),
    ),
    Program(
        name="chart",
        lang="py",
        source=_CHART,
        answer="",
        interpreter=("python3", "-c"),
        targets=(at_most(110), times_faster(16)),
        makes_chart=True,
    ),
    Program(
        name="bash",
        lang="bash",
        source=_BASH,
        answer="hello 42 ",
        interpreter=("bash", "-c"),
        targets=(at_most(20), times_faster(14)),
    ),
    Program(
        name="node",
        lang="node",
        source=_NODE,
        answer="hello 42 ",
        interpreter=("node", "-e"),
        targets=(at_most(60), times_faster(4.5)),
    ),
)

HELLO, PANDAS, CHART, BASH, NODE = PROGRAMS


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One right answer of the service."""

    took_ms: float
    wall_ms: float
    """How long the program itself ran, as the answer says."""
    server_timing: str
    download_ms: float = 0.0


def run_once(client: Client, program: Program) -> Timed:
    """Have the service run a program, and check the answer.

    Raises:
        WrongAnswerError: It is not what the program prints, or the chart is none.
        BenchError: There is no answer, or it is an error.
    """
    code, mark = program.marked()
    answer = client.exec(program.lang, code)
    said = answer.json()
    require_success(said)
    program.require(said["stdout"], mark)
    download_ms = _fetch_chart(client, said) if program.makes_chart else 0.0
    return Timed(
        took_ms=answer.took_ms,
        wall_ms=float(said["wall_time"] or 0),
        server_timing=answer.server_timing,
        download_ms=download_ms,
    )


def require_success(said: Any) -> None:
    """Check that a program ended well.

    Raises:
        WrongAnswerError: It did not; the message has the end of its complaint.
    """
    if said["code"] != 0 or said["signal"] or said["status"]:
        how = said["status"] or said["signal"] or said["code"]
        raise WrongAnswerError(f"it ended with {how}: {said['stderr'][-300:]!r}")


def require_chart(png: bytes) -> None:
    """Check that `png` is a whole picture.

    Raises:
        WrongAnswerError: It is not.
    """
    is_whole = png.startswith(PNG_START) and png.endswith(PNG_END)
    if not is_whole or len(png) < LEAST_CHART_BYTES:
        raise WrongAnswerError(f"the chart is no picture: {len(png)} bytes, {png[:16]!r}")


def _fetch_chart(client: Client, said: Any) -> float:
    files = output_files(said)
    if CHART_NAME not in files:
        raise WrongAnswerError(f"there is no chart among the files {sorted(files)}")
    downloaded = client.download(files[CHART_NAME])
    require_chart(downloaded.content())
    return downloaded.took_ms


Progress = Callable[[str], None]
"""Shows a person how far a case is."""
