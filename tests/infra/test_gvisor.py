"""Making gVisor known to a Docker engine, and saying how."""

import json
import os

import pytest

from infra.local import gvisor
from infra.local.errors import EngineError

SOMEBODYS = '{"log-driver": "journald", "runtimes": {"crun": {"path": "/usr/bin/crun"}}}'


@pytest.mark.parametrize("before", ["", "{}", SOMEBODYS])
def test_it_is_added_and_the_rest_stays(before: str) -> None:
    after = json.loads(gvisor.with_runtime(before, "/usr/bin/runsc"))

    added = after["runtimes"].pop("runsc")
    assert added == {
        "path": "/usr/bin/runsc",
        "runtimeArgs": ["--platform=ptrace", "--network=none"],
    }
    assert after == {"runtimes": {}, **json.loads(before or "{}")}


def test_a_name_that_the_engine_would_forget_is_kept() -> None:
    after = json.loads(gvisor.with_runtime("", "/usr/bin/runsc", keep=True))

    assert after["runtimes"][gvisor.FORGOTTEN] == {"path": "runc"}


def test_one_that_is_there_is_somebodys_and_stays_as_it_is() -> None:
    theirs = {"runtimes": {"runsc": {"path": "/opt/runsc", "runtimeArgs": []}}}

    assert json.loads(gvisor.with_runtime(json.dumps(theirs), "/usr/bin/runsc")) == theirs


@pytest.mark.parametrize("before", ["[]", "{", '{"runtimes": 1}'])
def test_a_file_that_cannot_be_read_is_left_alone(before: str) -> None:
    with pytest.raises(EngineError, match="not a JSON object"):
        gvisor.with_runtime(before, "/usr/bin/runsc")


def test_an_engine_elsewhere_is_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "tcp://far:2376")

    assert "tcp://far:2376 is not this machine's own" in gvisor.obstacle()


def test_without_root_it_cannot_be_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    assert "only root may change" in gvisor.obstacle()


def test_what_a_person_is_told_to_write_is_what_is_written_for_them() -> None:
    told = next(line for line in gvisor.how_to_add("runsc").splitlines() if "{" in line)

    assert json.loads(told) == json.loads(gvisor.with_runtime("", "/usr/bin/runsc"))


@pytest.mark.docker
def test_an_engine_knows_its_default_runtime_and_none_of_any_name() -> None:
    assert gvisor.knows("runc")
    assert not gvisor.knows("no-such-runtime")
