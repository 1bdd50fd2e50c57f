"""`GET /health` says which part is down."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient

from api.dispatch import Readiness
from api.health import HealthCheck
from tests.api.service import FailingStore, FakeDispatcher, Service, executor_status

Client = TestClient[Litestar]

UP = executor_status()
DOWN = executor_status("down")
EMPTY = UP.model_copy(update={"ready_sandboxes": 0})


def readiness(*executors: Any, broker_up: bool = True) -> Readiness:
    return Readiness(broker_up=broker_up, executors=executors)


class TestAnswers:
    def test_all_is_well(self, client: Client) -> None:
        answer = client.get("/health")

        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ok",
            "parts": {"storage": "up", "broker": "up", "executors": 1, "engine": "up"},
        }

    def test_storage_is_down(self, client: Client, service: Service) -> None:
        service.store.is_down = True

        answer = client.get("/health")

        assert answer.status_code == 503
        assert answer.json()["status"] == "down"
        assert answer.json()["parts"]["storage"] == "down"
        assert answer.json()["parts"]["broker"] == "up"

    @pytest.mark.parametrize(
        ("state", "status", "said", "parts"),
        [
            (readiness(broker_up=False), 503, "down", {"broker": "down", "executors": 0}),
            (readiness(), 503, "down", {"executors": 0, "engine": "unknown"}),
            (readiness(DOWN), 503, "down", {"executors": 1, "engine": "down"}),
            (readiness(DOWN, UP), 200, "degraded", {"executors": 2, "engine": "up"}),
        ],
        ids=["no broker", "no executor", "no engine", "one engine of two"],
    )
    def test_runs_cannot_be_served(  # noqa: PLR0913, PLR0917 - a table of four columns
        self,
        client: Client,
        service: Service,
        state: Readiness,
        status: int,
        said: str,
        parts: dict[str, Any],
    ) -> None:
        service.dispatcher.state = state

        answer = client.get("/health")

        assert answer.status_code == status
        assert answer.json()["status"] == said
        assert parts.items() <= answer.json()["parts"].items()

    def test_it_tells_nobody_more_than_that(self, client: Client, service: Service) -> None:
        secret = DOWN.model_copy(update={"detail": "no socket at /secret", "host": "secret"})
        service.dispatcher.state = readiness(secret)

        assert "secret" not in client.get("/health").text


class TestReady:
    def test_each_part_has_its_state(self, client: Client) -> None:
        answer = client.get("/ready")

        assert answer.status_code == 200
        assert answer.json() == {
            "status": "ready",
            "checks": {
                "storage": "up",
                "broker": "up",
                "executors": "ok",
                "sandboxes": "ok",
                "queue": "ok",
            },
        }

    @pytest.mark.parametrize(
        ("state", "status", "checks"),
        [
            (readiness(broker_up=False), 503, {"broker": "down"}),
            (readiness(), 503, {"executors": "none gives a sign of life"}),
            (readiness(DOWN), 503, {"executors": "no engine answers"}),
            (readiness(DOWN, UP), 200, {"executors": "some engines are down"}),
            (readiness(EMPTY), 200, {"sandboxes": "none waiting"}),
            (replace(readiness(UP), waiting=3), 200, {"queue": "runs wait"}),
        ],
        ids=["no broker", "no executor", "no engine", "one of two", "empty pool", "queue"],
    )
    def test_what_is_wrong_is_named(
        self,
        client: Client,
        service: Service,
        state: Readiness,
        status: int,
        checks: dict[str, str],
    ) -> None:
        service.dispatcher.state = state

        answer = client.get("/ready")

        assert answer.status_code == status
        assert answer.json()["status"] == ("ready" if status == 200 else "not ready")
        assert checks.items() <= answer.json()["checks"].items()

    def test_storage_is_down(self, client: Client, service: Service) -> None:
        service.store.is_down = True

        answer = client.get("/ready")

        assert answer.status_code == 503
        assert answer.json()["checks"]["storage"] == "down"

    def test_it_needs_no_key_and_names_no_host(self, client: Client, service: Service) -> None:
        secret = DOWN.model_copy(update={"detail": "no socket at /secret", "host": "secret"})
        service.dispatcher.state = readiness(secret)
        del client.headers["X-API-Key"]

        answer = client.get("/ready")

        assert answer.status_code == 503
        assert "secret" not in answer.text


@pytest.mark.anyio
class TestAsking:
    async def test_many_probes_ask_storage_once(self) -> None:
        store = FailingStore()
        check = HealthCheck(store, FakeDispatcher())

        await asyncio.gather(*(check.ask() for _ in range(20)))

        assert store.checks == 1

    async def test_the_service_is_seen_to_come_back(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.health.STORAGE_CACHE_S", 0)
        store = FailingStore()
        check = HealthCheck(store, FakeDispatcher())
        store.is_down = True
        assert (await check.ask()).status == "down"

        store.is_down = False

        assert (await check.ask()).status == "ok"

    async def test_storage_that_hangs_is_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("api.health.STORAGE_TIMEOUT_S", 0.01)
        store = FailingStore()

        async def hang() -> None:
            await asyncio.Event().wait()

        monkeypatch.setattr(store, "check", hang)

        answer = await HealthCheck(store, FakeDispatcher()).ask()

        assert answer.parts.storage == "down"
