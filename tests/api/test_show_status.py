"""`status`: what a person and a machine are shown of a fleet."""

import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from typing_extensions import override

from api import show_status
from api.celery_dispatch import connected_dispatcher
from api.own_status import API_KEY_PREFIX
from api.show_status import CLEAR, Fleet, show
from api.turns import QueueLimits
from executor.messages import QUEUE_NAME
from executor.signs_of_life import HEARTBEAT_KEY_PREFIX, ExecutorFigures, ExecutorStatus
from tests.api.broker import Valkey, running_valkey
from tests.api.service import NOWHERE, executor_status
from tests.executor.eventually import eventually


@pytest.fixture
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


def give_sign(valkey: Valkey, **more: Any) -> ExecutorStatus:
    status = executor_status().model_copy(update={"instance_id": "left-12345678", **more})
    with valkey.connect() as client:
        client.set(HEARTBEAT_KEY_PREFIX + status.instance_id, status.model_dump_json())
    return status


def shown(valkey: Valkey, *, as_json: bool = False) -> tuple[int, str]:
    stream = io.StringIO()
    code = show(Fleet(valkey.url, valkey.url), as_json=as_json, stream=stream)
    return code, stream.getvalue()


def test_each_executor_has_a_line_with_its_pool(valkey: Valkey) -> None:
    figures = ExecutorFigures(sandboxes_made=40, sandboxes_failed=3)
    give_sign(valkey, running=1, making_sandboxes=5, preloaded_sandboxes=1, figures=figures)
    with valkey.connect() as client:
        client.lpush(QUEUE_NAME, "a", "b")

    code, text = shown(valkey)

    head, row, *rest = text.splitlines()
    told = dict(zip(head.split(), row.split(), strict=True))
    assert code == 0
    assert told == {
        "executor": "left",
        "host": "host",
        "engine": "up",
        "runs": "1",
        "of": "4",
        "waiting": "2",
        "loaded": "1",
        "starting": "5",
        "held": "0",
        "removing": "0",
        "made": "40",
        "failed": "3",
    }
    assert "queue of the broker: 2" in rest


def test_what_is_wrong_with_one_is_told_and_nobody_can_run(valkey: Valkey) -> None:
    give_sign(valkey, engine="down", detail="no socket at /run/docker.sock")

    code, text = shown(valkey)

    assert code == 1
    assert "  left: no socket at /run/docker.sock" in text.splitlines()


def test_that_there_is_none_is_told_too(valkey: Valkey) -> None:
    code, text = shown(valkey)

    assert code == 1
    assert "no executor gives a sign of life" in text
    assert "no API gives a sign of life" in text


def test_a_machine_gets_all_of_it_as_json(valkey: Valkey) -> None:
    status = give_sign(valkey)

    code, text = shown(valkey, as_json=True)

    told = json.loads(text)
    assert code == 0
    assert told["ready"] is True
    assert told["queue_length"] == 0
    assert told["executors"] == [json.loads(status.model_dump_json())]


@pytest.mark.anyio
async def test_an_api_is_there_while_it_runs(valkey: Valkey) -> None:
    limits = QueueLimits(runs=10, runs_per_tenant=10, wait_s=10)
    with valkey.connect() as client:
        async with connected_dispatcher(
            broker_url=valkey.url, result_url=valkey.url, limits=limits
        ):
            await eventually(lambda: bool(client.keys(f"{API_KEY_PREFIX}*")))
            _, text = shown(valkey)
        left: Any = client.keys(f"{API_KEY_PREFIX}*")

    assert ": 0 sent, 0 wait" in text
    assert left == []


@pytest.mark.parametrize("as_json", [True, False])
def test_a_broker_that_is_away_is_one_line_without_its_password(as_json: bool) -> None:  # noqa: FBT001
    stream = io.StringIO()
    url = NOWHERE.replace("://", "://:a-password@")

    code = show(Fleet(url, url), as_json=as_json, stream=stream)

    assert code == 1
    assert "the broker does not answer" in stream.getvalue()
    assert stream.getvalue().count("\n") == 1
    assert "a-password" not in stream.getvalue()


class Terminal(io.StringIO):
    @override
    def isatty(self) -> bool:
        return True


def test_on_a_terminal_it_goes_on_until_it_is_told_to_end(
    valkey: Valkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_sign(valkey)
    terminal = Terminal()
    looks = iter([None, None])

    def sleep(_: float) -> None:
        if next(looks, "last") == "last":
            raise KeyboardInterrupt

    monkeypatch.setattr(show_status.time, "sleep", sleep)

    code = show(Fleet(valkey.url, valkey.url), as_json=False, stream=terminal)

    assert code == 0
    assert terminal.getvalue().count(CLEAR) == 3
