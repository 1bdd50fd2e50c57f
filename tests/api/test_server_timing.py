"""What clients are told of the steps of a run, and what the way to an executor took."""

import re
import time
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.journey import Journey
from executor.messages import Failed, FailureKind, RunReport, StepTimes
from tests.api.service import DONE, make_client, make_service, make_settings

RUN = {"lang": "py", "code": "print(1)"}

METRIC = re.compile(r"([a-z]+);dur=(\d+\.\d\d)")


def told(answer: httpx.Response) -> Mapping[str, float]:
    """Read the header: every part of it must be a name and a time."""
    parts = answer.headers["server-timing"].split(", ")
    found = [METRIC.fullmatch(part) for part in parts]
    return {match[1]: float(match[2]) for match in found if match is not None}


def timed_client(**more: Any) -> TestClient[Litestar]:
    return make_client(make_service(make_settings(server_timing=True, **more)))


class TestHeader:
    def test_it_names_every_step_in_its_order(self) -> None:
        answer = timed_client().post("/exec", json=RUN)

        assert list(told(answer)) == [
            *("admit", "resolve", "turn", "send", "queue", "open", "claim", "prepare"),
            *("inputs", "run", "program", "outputs", "record", "reply", "answer", "total"),
        ]

    def test_steps_of_the_api_add_up_to_no_more_than_the_total(self) -> None:
        steps = told(timed_client().post("/exec", json=RUN))

        assert 0 < steps["admit"] + steps["resolve"] + steps["answer"] <= steps["total"]

    def test_a_run_that_failed_has_it_too(self) -> None:
        service = make_service(make_settings(server_timing=True))
        service.dispatcher.outcome = lambda _: Failed(kind=FailureKind.SANDBOX_LOST)

        answer = make_client(service).post("/exec", json=RUN)

        assert answer.status_code == 502
        assert "claim" in told(answer)

    def test_there_is_none_by_default(self) -> None:
        answer = make_client(make_service()).post("/exec", json=RUN)

        assert answer.status_code == 200
        assert "server-timing" not in answer.headers

    @pytest.mark.parametrize("path", ["/health", "/files/AAAAAAAAAAAAAAAAAAAAA"])
    def test_there_is_none_where_nothing_is_run(self, path: str) -> None:
        assert "server-timing" not in timed_client().get(path).headers

    def test_there_is_none_for_who_is_not_let_in(self) -> None:
        client = timed_client()
        client.headers["X-API-Key"] = "another"

        answer = client.post("/exec", json=RUN)

        assert answer.status_code == 401
        assert "server-timing" not in answer.headers


def report(begun_at: float | None, **steps: float) -> RunReport:
    return RunReport(run_id="r", result=DONE, begun_at=begun_at, steps=StepTimes(**steps))


class TestJourney:
    def test_what_the_executor_did_not_measure_was_the_way(self) -> None:
        journey = Journey()
        journey.sent()
        time.sleep(0.05)

        steps = journey.told_in(report(time.time() - 0.02, run=10)).steps

        assert steps.run == 10
        assert steps.queue > 20
        assert steps.reply > 5

    def test_the_wait_for_a_turn_is_a_step_before_it(self) -> None:
        journey = Journey(turn_ms=1234)
        journey.sent()

        steps = journey.told_in(report(time.time(), run=10)).steps

        assert steps.turn == 1234
        assert steps.send + steps.queue + steps.reply < 1234

    @pytest.mark.parametrize("off_by_s", [-1e6, 1e6])
    def test_a_clock_that_goes_wrong_makes_no_step_longer_than_what_passed(
        self, off_by_s: float
    ) -> None:
        began = time.perf_counter()
        journey = Journey()
        journey.sent()

        steps = journey.told_in(report(time.time() + off_by_s)).steps
        passed_ms = (time.perf_counter() - began) * 1000

        assert min(steps.send, steps.queue, steps.reply) >= 0
        assert steps.send + steps.queue + steps.reply <= passed_ms

    def test_an_executor_that_is_quicker_than_the_news_of_sending_is_no_contradiction(
        self,
    ) -> None:
        journey = Journey()
        journey.sent()

        steps = journey.told_in(report(time.time() - 1, run=60_000)).steps

        assert (steps.send, steps.queue, steps.reply) == (0, 0, 0)

    def test_an_older_executor_says_nothing(self) -> None:
        journey = Journey()
        journey.sent()

        steps = journey.told_in(report(None)).steps

        assert steps.queue == 0
        assert steps.reply > 0
