"""The health probes of the service image, run as its containers run them."""

import subprocess
import sys
from pathlib import Path

import pytest

from infra.images import probes
from tests.api.server_process import serving

API = Path(probes.__file__).with_name("probe_api.py")


def probe(port: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-I", str(API), *arguments),
        env={"CODE_PORT": str(port)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def test_an_api_without_the_parts_behind_it_is_unhealthy_and_alive() -> None:
    with serving() as (_, port):
        asked, asked_if_alive = probe(port), probe(port, "--alive")

    assert (asked.returncode, asked_if_alive.returncode) == (1, 0)
    assert '"storage":"down"' in asked.stdout
    assert asked_if_alive.stdout == asked.stdout


@pytest.mark.parametrize("arguments", [(), ("--alive",)])
def test_one_that_does_not_answer_is_neither(arguments: tuple[str, ...]) -> None:
    with serving() as (_, port):
        pass

    assert probe(port, *arguments).returncode == 1
