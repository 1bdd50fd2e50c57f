"""`GET /metrics`: what it counts, and for whom."""

import asyncio
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from litestar import Litestar
from litestar.testing import TestClient
from prometheus_client.parser import text_string_to_metric_families

from api.dispatch import (
    BrokerUnavailableError,
    DispatchError,
    ExecutorLostError,
    ExecutorsUnavailableError,
    QueueFullError,
    Readiness,
    TenantQueueFullError,
)
from api.outcomes import language_group
from executor.messages import (
    Delivery,
    Failed,
    FailureKind,
    Finished,
    RunRequest,
    Stopped,
)
from executor.signs_of_life import ExecutorFigures, ExecutorStatus
from sandbox.supervisor.languages import LANGUAGES
from storage.errors import StorageUnavailableError
from storage.observed import ObservedObjectStore
from tests.api.service import (
    DONE,
    KEY,
    OTHER_TENANT,
    FailingStore,
    Service,
    executor_status,
    make_client,
    make_service,
    make_settings,
)

Client = TestClient[Litestar]


class Samples(dict[tuple[str, frozenset[str]], float]):
    """Figures by name and by the values of their labels, in any order."""

    def of(self, name: str, *labels: str) -> float:
        return self[name, frozenset(labels)]


def named_status(instance_id: str, **more: Any) -> ExecutorStatus:
    return executor_status().model_copy(update={"instance_id": instance_id, **more})


def measuring(access: str = "key") -> Service:
    return make_service(make_settings(metrics=access))


def run(client: Client, code: str = "print(1)", lang: str = "py") -> Any:
    return client.post("/exec", json={"lang": lang, "code": code})


def samples(client: Client) -> Samples:
    """Read the figures as Prometheus does."""
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
    return Samples(
        ((sample.name, frozenset(sample.labels.values())), sample.value)
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    )


class TestAccess:
    def test_there_is_none_by_default(self) -> None:
        assert make_client(make_service()).get("/metrics").status_code == 404

    def test_whoever_has_a_key_may_read_it(self) -> None:
        client = make_client(measuring())
        assert client.get("/metrics").status_code == 200

        client.headers["X-API-Key"] = "another"
        assert client.get("/metrics").status_code == 401

    def test_a_scraper_may_send_the_key_as_its_user_name(self) -> None:
        with TestClient(measuring().app) as client:
            assert client.get("/metrics", auth=(KEY, "")).status_code == 200

    def test_everybody_may_where_it_is_open(self) -> None:
        with TestClient(measuring("open").app) as client:
            assert client.get("/metrics").status_code == 200
            assert run(client).status_code == 401


class TestRuns:
    @pytest.mark.parametrize(
        ("ending", "outcome"),
        [
            ({"exit_code": 0}, "succeeded"),
            ({"exit_code": 3}, "failed"),
            ({"exit_code": None, "signal": "SIGSEGV"}, "killed"),
            ({"exit_code": None, "stopped": Stopped.TIME}, "time_limit"),
            ({"exit_code": None, "stopped": Stopped.STDOUT}, "output_limit"),
            ({"exit_code": None, "stopped": Stopped.MEMORY}, "memory_limit"),
        ],
    )
    def test_they_are_counted_by_how_they_ended(
        self, ending: dict[str, Any], outcome: str
    ) -> None:
        service = measuring()
        service.dispatcher.outcome = lambda _: Finished(
            stdout="", stderr="", wall_time_ms=1, **ending
        )
        client = make_client(service)

        run(client)
        run(client)

        assert samples(client).of("code_command_runs_total", outcome, "py", "key") == 2

    @pytest.mark.parametrize("kind", FailureKind)
    def test_so_are_those_without_a_result(self, kind: FailureKind) -> None:
        service = measuring()
        service.dispatcher.outcome = lambda _: Failed(kind=kind)
        client = make_client(service)

        run(client)

        assert samples(client).of("code_command_runs_total", kind.value, "py", "key") == 1

    @pytest.mark.parametrize(
        ("fault", "outcome"),
        [
            (ExecutorsUnavailableError, "no_executor"),
            (ExecutorLostError, "executor_lost"),
            (QueueFullError, "queue_full"),
            (partial(TenantQueueFullError, limit=200), "tenant_queue_full"),
            (DispatchError, "no_report"),
            (RuntimeError, "error"),
        ],
    )
    def test_so_are_those_that_do_not_come_back(
        self, fault: Callable[[str], Exception], outcome: str
    ) -> None:
        service = measuring()
        service.dispatcher.outcome = _raising(fault)
        client = make_client(service)

        run(client)

        assert samples(client).of("code_command_runs_total", outcome, "py", "key") == 1

    def test_requests_that_are_no_runs_are_not(self) -> None:
        client = make_client(measuring())

        client.post("/exec", json={"lang": "no-such-language", "code": ""})

        assert not [name for name, _ in samples(client) if name == "code_command_runs_total"]

    def test_those_under_way_are_shown(self) -> None:
        service = measuring()
        over = asyncio.Event()
        service.dispatcher.outcome = lambda _: over
        with make_client(service) as client, client.portal() as portal:
            running = portal.start_task_soon(lambda: asyncio.to_thread(run, client))
            portal.call(service.dispatcher.began.wait)

            waiting = samples(client).of("code_command_runs_waiting")
            portal.call(over.set)
            running.result()

            assert waiting == 1
            assert samples(client).of("code_command_runs_waiting") == 0

    def test_those_that_wait_for_their_turn_are_shown(self) -> None:
        service = measuring()
        service.dispatcher.state = replace(
            service.dispatcher.state, waiting=7, oldest_wait_s=1.5, queue_length=2
        )

        found = samples(make_client(service))

        assert found.of("code_command_runs_queued") == 7
        assert found.of("code_command_runs_queued_oldest_seconds") == 1.5
        assert found.of("code_command_broker_queue_length") == 2


class TestSteps:
    def test_each_is_counted_by_the_group_of_the_language(self) -> None:
        client = make_client(measuring())
        run(client)
        run(client, lang="cpp")

        found = samples(client)

        for step in ("admit", "queue", "claim", "run", "program", "outputs", "answer"):
            for group in ("python", "compiled"):
                name = "code_command_run_step_seconds_count"
                assert found.of(name, step, group) == 1, step

    def test_there_are_few_groups(self) -> None:
        assert {language_group(name) for name in LANGUAGES} == {"python", "compiled", "other"}


class TestExecutors:
    def test_their_slots_and_sandboxes_are_added_up(self) -> None:
        service = measuring()
        service.dispatcher.state = service.dispatcher.state.__class__(
            broker_up=True, executors=(executor_status(), executor_status("down"))
        )

        found = samples(make_client(service))

        assert found.of("code_command_executors", "up") == 1
        assert found.of("code_command_executors", "down") == 1

    def test_each_has_its_pool_its_slots_and_its_counts(self) -> None:
        service = measuring()
        counted = ExecutorFigures(sandboxes_made=40, sandboxes_removed=38, storage_errors=2)
        one = named_status("left-12345678", figures=counted, running=1, left_sandboxes=3)
        service.dispatcher.state = Readiness(
            broker_up=True, executors=(one, named_status("right-12345678"))
        )

        found = samples(make_client(service))

        assert found.of("code_command_sandboxes", "left", "ready") == 2
        assert found.of("code_command_sandboxes", "left", "busy") == 1
        assert found.of("code_command_sandboxes", "left", "left") == 3
        assert found.of("code_command_slots", "right", "capacity") == 4
        assert found.of("code_command_executor_sandboxes_made_total", "left") == 40
        assert found.of("code_command_executor_sandboxes_removed_total", "left") == 38
        assert found.of("code_command_executor_storage_errors_total", "left") == 2
        assert found.of("code_command_executor_sandboxes_made_total", "right") == 0

    def test_one_that_has_just_restarted_is_told_once(self) -> None:
        """Two lines of the same labels would make Prometheus refuse all of them."""
        service = measuring()
        instances = (named_status("one-aaaaaaaa"), named_status("one-bbbbbbbb"))
        service.dispatcher.state = Readiness(broker_up=True, executors=instances)

        text = make_client(service).get("/metrics").text

        assert text.count('code_command_slots{executor="one",state="capacity"} 8.0') == 1


class TestRefusals:
    def test_they_are_counted_by_why(self) -> None:
        service = measuring("open")
        client = make_client(service)
        client.post("/exec", json={"lang": "no-such-language", "code": ""})
        client.post("/exec", json={"lang": "py", "code": "1"}, headers={"X-API-Key": "no"})

        found = samples(client)

        assert found.of("code_command_refusals_total", "invalid") == 1
        assert found.of("code_command_refusals_total", "credentials") == 1
        assert found.of("code_command_requests_total", "/exec", "401") == 1

    def test_those_of_a_route_that_does_not_exist_have_no_label_of_its_name(self) -> None:
        client = make_client(measuring())
        client.get("/made-up-by-a-scanner")

        text = client.get("/metrics").text

        assert "made-up" not in text
        assert 'code_command_requests_total{route="unknown",status="404"} 1.0' in text


class TestWhatWasLost:
    def test_files_that_were_not_kept_or_not_taken_are_counted(self) -> None:
        service = measuring()
        service.dispatcher.outcome = lambda _: DONE.model_copy(
            update={"skipped_count": 30, "delivery": Delivery(attempted=5, delivered=3)}
        )
        client = make_client(service)
        run(client)

        found = samples(client)

        assert found.of("code_command_files_skipped_total") == 30
        assert found.of("code_command_files_undelivered_total") == 2

    def test_what_is_asked_for_after_its_time_is_counted(self) -> None:
        service = measuring()
        client = make_client(service)
        entry = asyncio.run(service.store_file("old.csv"))
        service.clock.advance(timedelta(hours=25))

        assert client.get(f"/files/{entry.storage_session_id}").status_code == 404

        assert samples(client).of("code_command_expired_total") == 1


class TestWhatItStandsOn:
    def test_storage_and_broker_are_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("api.health.STORAGE_CACHE_S", 0)
        service = measuring()
        client = make_client(service)
        before = samples(client)
        service.store.is_down = True
        service.dispatcher.state = Readiness(broker_up=False, executors=(), broker_errors=3)

        found = samples(client)

        assert before.of("code_command_storage_up") == 1
        assert before.of("code_command_broker_up") == 1
        assert found.of("code_command_storage_up") == 0
        assert found.of("code_command_broker_up") == 0
        assert found.of("code_command_broker_watch_errors_total") == 3

    def test_a_run_that_the_broker_does_not_take_is_counted(self) -> None:
        service = measuring()
        service.dispatcher.outcome = _raising(BrokerUnavailableError)
        client = make_client(service)
        run(client)

        found = samples(client)

        assert found.of("code_command_broker_send_errors_total") == 1
        assert found.of("code_command_runs_total", "no_broker", "py", "key") == 1

    def test_failures_of_storage_are_counted_by_what_was_asked(self) -> None:
        store = FailingStore()
        observed = ObservedObjectStore(store, around=lambda _: nullcontext())
        service = make_service(make_settings(metrics="key"), storage_errors=observed.errors)
        store.is_down = True
        with pytest.raises(StorageUnavailableError):
            asyncio.run(observed.read("key", max_bytes=1))

        found = samples(make_client(service))

        assert found.of("code_command_storage_errors_total", "read") == 1


def test_nobody_is_named_and_nothing_of_what_they_do() -> None:
    service = measuring()
    client = make_client(service)
    client.headers["User-Id"] = "somebody-known"
    run(client, code="print('a-secret-thing')")

    text = client.get("/metrics").text

    request = service.dispatcher.request
    for hidden in ("somebody-known", "a-secret", OTHER_TENANT, request.session_id, KEY):
        assert hidden not in text
    assert "tenant" not in text.replace("tenant_class", "")
    assert "default" not in text


def _raising(fault: Callable[[str], Exception]) -> Callable[[RunRequest], Any]:
    def outcome(_: RunRequest) -> Any:
        raise fault("no report")

    return outcome
