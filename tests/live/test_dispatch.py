"""Runs go to real Celery workers over a real Valkey, and come back or are accounted for."""

import asyncio
import time
from collections.abc import Generator
from contextlib import closing

import pytest

from api.celery_dispatch import CeleryDispatcher
from api.dispatch import (
    BrokerUnavailableError,
    DispatchError,
    ExecutorLostError,
    ExecutorsUnavailableError,
    RunTimedOutError,
)
from executor.messages import RunReport, RunRequest
from executor.reports import CLAIM_PREFIX
from tests.api.broker import Valkey, Worker, running_valkey, running_worker
from tests.executor.eventually import eventually
from tests.live.dispatching import (
    be_impatient,
    begun,
    connected,
    make_request,
    noted,
    stdout_of,
)
from tests.live.rabbitmq import USER, VIRTUAL_HOSTS, emptied, running_rabbitmq

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    be_impatient(monkeypatch)


# Marked as tests with Docker are: what they need is installed for those alone.
BROKERS = ["valkey", pytest.param("rabbitmq", marks=pytest.mark.docker)]


@pytest.fixture(scope="module")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Generator[str, None, None]:
    with running_rabbitmq(tmp_path_factory.mktemp("rabbitmq") / "broker") as url:
        yield url


def other_broker(request: pytest.FixtureRequest, virtual_host: str) -> str | None:
    if request.param != "rabbitmq":
        return None
    return request.getfixturevalue("rabbitmq") + virtual_host


@pytest.fixture(scope="module", params=BROKERS)
def valkey(request: pytest.FixtureRequest) -> Generator[Valkey, None, None]:
    """Has the results; and carries the runs, unless RabbitMQ does."""
    with running_valkey(other_broker(request, "shared")) as valkey:
        yield valkey


@pytest.fixture(params=BROKERS)
def own_servers(request: pytest.FixtureRequest) -> Generator[Valkey, None, None]:
    """The same, with nobody else on it."""
    other = other_broker(request, "own")
    if other is not None:
        emptied(other)
    with running_valkey(other) as valkey:
        yield valkey


@pytest.fixture
def own_valkey() -> Generator[Valkey, None, None]:
    """A server that a test may treat badly; it is the broker as well."""
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture(scope="module")
def _worker(valkey: Valkey) -> Generator[Worker, None, None]:
    with running_worker(valkey, "one") as worker:
        yield worker


@pytest.mark.usefixtures("_worker")
class TestOneExecutor:
    async def test_a_run_comes_back_with_its_report(self, valkey: Valkey) -> None:
        request = make_request("echo", "a", "b")

        async with connected(valkey) as dispatcher:
            report = await dispatcher.run(request)

        assert report.run_id == request.run_id
        assert stdout_of(report) == "ab"

    async def test_nothing_of_it_stays_but_that_it_was_begun(self, valkey: Valkey) -> None:
        request = make_request()

        async with connected(valkey) as dispatcher:
            await dispatcher.run(request)
            # Results are taken one after the other, so the first one is gone by now.
            await dispatcher.run(make_request())

        with closing(valkey.connect()) as client:
            assert client.keys(f"*{request.run_id}*") == [f"{CLAIM_PREFIX}{request.run_id}"]

    async def test_many_runs_at_once_get_their_own_reports(self, valkey: Valkey) -> None:
        async with connected(valkey) as dispatcher:
            reports = await asyncio.gather(
                *(dispatcher.run(make_request("echo", str(number))) for number in range(60))
            )

        assert [stdout_of(report) for report in reports] == [str(n) for n in range(60)]

    async def test_the_readiness_names_it(self, valkey: Valkey) -> None:
        async with connected(valkey) as dispatcher:
            await dispatcher.run(make_request())
            await until_state(dispatcher, broker_up=True)
            readiness = await dispatcher.readiness()

        assert [status.instance_id for status in readiness.executors] == ["one"]

    async def test_a_report_is_not_missed_when_the_subscription_breaks(
        self, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Pub/sub loses what is sent meanwhile; the keys are read after every subscription."""
        monkeypatch.setattr("api.run_results.CATCH_UP_INTERVAL_S", 3600)
        async with connected(valkey) as dispatcher:
            running = asyncio.create_task(dispatcher.run(make_request("wait for go", "still")))
            await begun(valkey)
            with closing(valkey.connect()) as client:
                client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
                client.rpush("go", "now")
            async with asyncio.timeout(10):
                report = await running

        assert stdout_of(report) == "still"

    async def test_a_report_is_not_missed_when_nothing_is_heard_at_all(
        self, valkey: Valkey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A slow timer reads the keys as well."""
        monkeypatch.setattr("api.run_results.KEY_PATTERN", "another-channel-*")
        monkeypatch.setattr("api.run_results.CATCH_UP_INTERVAL_S", 0.1)

        async with connected(valkey) as dispatcher:
            report = await dispatcher.run(make_request("echo", "read"))

        assert stdout_of(report) == "read"

    async def test_a_bug_in_the_task_is_an_error(self, valkey: Valkey) -> None:
        async with connected(valkey) as dispatcher:
            with pytest.raises(DispatchError, match="FAILURE"):
                await dispatcher.run(make_request("raise"))


class TestCancelling:
    async def test_an_abandoned_run_is_called_off(self, valkey: Valkey) -> None:
        with running_worker(valkey, "cancelling"):
            async with connected(valkey) as dispatcher:
                request = make_request("wait")
                running = asyncio.create_task(dispatcher.run(request))
                while (await begun(valkey))[0] != request.run_id:
                    pass

                running.cancel()

                with pytest.raises(asyncio.CancelledError):
                    await running
                assert await noted(valkey, "cancelled") == request.run_id

    async def test_a_run_past_its_deadline_is_called_off_too(self, own_servers: Valkey) -> None:
        with running_worker(own_servers, "slow"):
            async with connected(own_servers) as dispatcher:
                request = make_request("wait", wait_s=0.5)

                with pytest.raises(RunTimedOutError):
                    await dispatcher.run(request)

                assert await noted(own_servers, "cancelled") == request.run_id


class TestLosingAnExecutor:
    async def test_its_run_is_sent_to_another_one_once(self, own_servers: Valkey) -> None:
        with running_worker(own_servers, "first") as first:
            async with connected(own_servers) as dispatcher:
                request = make_request("wait")
                running = asyncio.create_task(dispatcher.run(request))
                first_id, _ = await begun(own_servers)
                with running_worker(own_servers, "second") as second:
                    first.kill()

                    second_id, instance_id = await begun(own_servers)

                    assert first_id == request.run_id
                    assert second_id != request.run_id
                    assert instance_id == "second"
                    second.kill()
                    with pytest.raises(ExecutorLostError):
                        await running

    async def test_the_second_attempt_may_well_succeed(self, own_servers: Valkey) -> None:
        report = await run_twice(own_servers, make_request("wait for go", "ok"))

        assert stdout_of(report) == "ok"

    async def test_the_second_attempt_says_of_which_run_it_is(
        self, own_servers: Valkey
    ) -> None:
        """By that it is given what the first one had reserved (`executor.state_locks`)."""
        request = make_request("wait for go, say what was first")

        report = await run_twice(own_servers, request)

        assert stdout_of(report) == request.run_id


async def run_twice(servers: Valkey, request: RunRequest) -> RunReport:
    """Have a run lose its first executor, and end in a second one."""
    with running_worker(servers, "first") as first:
        async with connected(servers) as dispatcher:
            running = asyncio.create_task(dispatcher.run(request))
            await begun(servers)
            first.kill()
            with running_worker(servers, "second"):
                await begun(servers)
                with closing(servers.connect()) as client:
                    client.rpush("go", "now")
                return await running


class TestNoExecutor:
    async def test_runs_are_refused_at_once(
        self, own_valkey: Valkey, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("api.celery_dispatch.NOBODY_GRACE_S", 0.3)
        async with connected(own_valkey) as dispatcher:
            await asyncio.sleep(0.4)
            began_at = time.monotonic()

            with pytest.raises(ExecutorsUnavailableError):
                await dispatcher.run(make_request())

        assert time.monotonic() - began_at < 0.2

    async def test_a_run_waits_for_one_that_restarts(self, own_servers: Valkey) -> None:
        async with connected(own_servers) as dispatcher:
            running = asyncio.create_task(dispatcher.run(make_request("echo", "late")))
            with running_worker(own_servers, "late"):
                report = await running

        assert stdout_of(report) == "late"


class TestLosingTheBroker:
    async def test_it_is_noticed_and_its_return_as_well(self, own_valkey: Valkey) -> None:
        async with connected(own_valkey) as dispatcher:
            with running_worker(own_valkey, "one"):
                await dispatcher.run(make_request())

                own_valkey.kill()
                began_at = time.monotonic()
                with pytest.raises(ExecutorsUnavailableError):
                    await dispatcher.run(make_request())
                refused_after_s = time.monotonic() - began_at
                await until_state(dispatcher, broker_up=False)

            own_valkey.start()
            # Celery's worker may end when it loses its broker (kombu 5.7, with a message not
            # yet acknowledged); whoever supervises it starts it again.
            with running_worker(own_valkey, "restarted"):
                await until_state(dispatcher, broker_up=True)
                report = await dispatcher.run(make_request("echo", "again"))

        assert refused_after_s < 5
        assert stdout_of(report) == "again"

    async def test_one_that_hangs_is_down_and_keeps_nobody_waiting(
        self, own_valkey: Valkey
    ) -> None:
        with running_worker(own_valkey, "one"):
            async with connected(own_valkey) as dispatcher:
                await dispatcher.run(make_request())

                with own_valkey.frozen():
                    began_at = time.monotonic()
                    with pytest.raises(ExecutorsUnavailableError):
                        await dispatcher.run(make_request())
                    refused_after_s = time.monotonic() - began_at
                    await until_state(dispatcher, broker_up=False)

                await until_state(dispatcher, broker_up=True)
                report = await dispatcher.run(make_request("echo", "again"))

        assert refused_after_s < 5
        assert stdout_of(report) == "again"

    @pytest.mark.docker
    @pytest.mark.parametrize(
        "refusal",
        [
            (f":{USER}@", ":another@", "ACCESS_REFUSED"),
            (f"/{VIRTUAL_HOSTS[0]}", "/no-such-host", "vhost no-such-host not found"),
        ],
        ids=["password", "virtual host"],
    )
    async def test_one_that_refuses_us_is_down_and_the_log_says_why(
        self,
        rabbitmq: str,
        own_valkey: Valkey,
        caplog: pytest.LogCaptureFixture,
        refusal: tuple[str, str, str],
    ) -> None:
        right, wrong, reason = refusal
        own_valkey.other_broker_url = (rabbitmq + VIRTUAL_HOSTS[0]).replace(right, wrong)

        async with connected(own_valkey) as dispatcher:
            with pytest.raises(BrokerUnavailableError):
                await dispatcher.run(make_request())
            await eventually(lambda: reason in caplog.text)
            state = await dispatcher.readiness()

        assert not state.broker_up
        assert state.broker_errors >= 1
        assert "Traceback" not in caplog.text

    async def test_one_that_was_never_there_is_no_reason_not_to_start(self) -> None:
        nowhere = Valkey(port=1)

        async with connected(nowhere) as dispatcher:
            assert not (await dispatcher.readiness()).broker_up
            with pytest.raises(ExecutorsUnavailableError):
                await dispatcher.run(make_request())


async def until_state(dispatcher: CeleryDispatcher, *, broker_up: bool) -> None:
    async with asyncio.timeout(30):
        while True:  # What is noticed on a timer has no event to wait for.
            readiness = await dispatcher.readiness()
            if readiness.broker_up == broker_up and bool(readiness.executors) == broker_up:
                return
            await asyncio.sleep(0.02)
