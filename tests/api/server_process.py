"""`python -m api`, as a process."""

import os
import re
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from tests.api.service import KEY

ROOT = Path(__file__).parents[2]

NOTHING_THERE = {
    "CODE_API_KEY": KEY,
    "CODE_PORT": "0",
    "S3_ENDPOINT_URL": "http://127.0.0.1:1",
    "S3_ACCESS_KEY_ID": "id",
    "S3_SECRET_ACCESS_KEY": "the-storage-secret",
    "BROKER_URL": "redis://:the-broker-secret@127.0.0.1:1/0",
}


def launch(**variables: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "api"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], **variables},
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(**variables: str) -> Generator[tuple["subprocess.Popen[str]", int], None, None]:
    """Run the server; give its process, and the port that it says it listens on."""
    process = launch(**{**NOTHING_THERE, **variables})
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r"running on http://127\.0\.0\.1:(\d+)", line):
                yield process, int(found.group(1))
                break
        else:
            raise AssertionError("it does not say where it listens")
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
