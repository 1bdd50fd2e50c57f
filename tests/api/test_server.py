"""`python -m api` as a process: how it starts, what it says, how it ends."""

import http.client
import json
import signal
import time
from contextlib import closing
from typing import Any

import pytest

from api.__main__ import make_server
from api.settings import WELL_KNOWN_KEY
from tests.api.server_process import NOTHING_THERE, launch, serving
from tests.api.service import KEY, make_service, make_settings


def ask(port: int, method: str, path: str) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        connection.request(method, path, headers={"X-API-Key": KEY})
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


class TestStarting:
    def test_it_serves_while_nothing_behind_it_is_there(self) -> None:
        with serving() as (_, port):
            status, body = ask(port, "GET", "/health")

        assert status == 503
        assert body["parts"] == {
            "storage": "down",
            "broker": "down",
            "executors": 0,
            "engine": "unknown",
        }

    @pytest.mark.parametrize(
        ("variables", "line"),
        [
            ({}, "CODE_API_KEY: is not set."),
            (
                {"CODE_API_KEY": WELL_KNOWN_KEY, "CODE_HOST": "0.0.0.0"},  # noqa: S104
                "CODE_API_KEY: the well-known key",
            ),
            ({"CODE_API_KEY": KEY, "CODE_PORT": "http"}, "CODE_PORT: must be a whole number"),
            ({"CODE_API_KEY": KEY, "AUDIT_LOG_DIR": "/dev/null/audit"}, "AUDIT_LOG_DIR: "),
        ],
        ids=["no key", "the well-known key for everybody", "a bad port", "no audit log"],
    )
    def test_bad_settings_end_it_with_one_line(
        self, variables: dict[str, str], line: str
    ) -> None:
        process = launch(**variables)

        _, said = process.communicate(timeout=30)

        assert process.returncode == 2
        assert said.startswith(line)
        assert said.count("\n") == 1

    def test_a_port_that_is_taken_ends_it(self) -> None:
        with serving() as (_, port):
            second = launch(**{**NOTHING_THERE, "CODE_PORT": str(port)})

            _, said = second.communicate(timeout=30)

        assert second.returncode != 0
        assert "address already in use" in said


class TestSaying:
    def test_slips_are_told_and_secrets_are_not(self) -> None:
        process = launch(**NOTHING_THERE, CODE_APIKEY="x", LOG_LEVEL="DEBUG")
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if "running on" in line:
                break
        process.terminate()
        said += process.communicate(timeout=30)[1]

        assert "CODE_APIKEY is set, but nothing reads it; did you mean CODE_API_KEY?" in said
        for secret in (KEY, "the-storage-secret", "the-broker-secret"):
            assert secret not in said


class TestEnding:
    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_a_signal_ends_it_in_good_order(self, number: signal.Signals) -> None:
        with serving() as (process, port):
            ask(port, "GET", "/health")
            told_at = time.monotonic()

            process.send_signal(number)
            _, said = process.communicate(timeout=30)

        assert process.returncode == 0
        assert time.monotonic() - told_at < 10
        assert "Traceback" not in said


class TestConnections:
    def test_they_outlive_the_pooled_sockets_of_clients(self) -> None:
        """Trap 42: more than 60 seconds."""
        server = make_server(make_service().app, make_settings())

        assert server.config.timeout_keep_alive > 60

    def test_one_carries_many_requests(self) -> None:
        with (
            serving() as (_, port),
            closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection,
        ):
            sockets: list[Any] = []
            for path in ("/nope", "/v1//exec", "/schema"):
                connection.request("GET", path, headers={"X-API-Key": KEY})
                connection.getresponse().read()
                sockets.append(connection.sock)

        assert sockets[0] is sockets[1] is sockets[2] is not None
