"""Runs that keep their workspace, and what may go wrong with that."""

from collections.abc import AsyncGenerator, Iterator

import pytest

from executor.messages import Failed, FailureKind, Finished, RunReport
from executor.run import RunTakenError
from executor.state_locks import KEY_PREFIX, StateLocks
from tests.api.broker import Valkey, running_valkey
from tests.executor.workbench import TENANT, Workbench, request, workbench

pytestmark = pytest.mark.anyio

STATE = "5" * 64
KEY = f"{TENANT}/states/{STATE}"


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with running_valkey() as valkey:
        yield valkey


@pytest.fixture
async def bench(valkey: Valkey) -> AsyncGenerator[Workbench]:
    async with workbench() as bench:
        bench.locks = StateLocks(valkey.url)
        yield bench
        await bench.locks.close()


async def report(bench: Workbench, code: str, **changes: object) -> RunReport:
    wanted = request(code).model_copy(update={"state": STATE, **changes})
    return await bench.report(wanted)


async def run(bench: Workbench, code: str) -> Finished:
    result = (await report(bench, code)).result
    assert isinstance(result, Finished), result
    return result


async def failure(bench: Workbench, code: str) -> FailureKind:
    result = (await report(bench, code)).result
    assert isinstance(result, Failed), result
    return result.kind


async def test_a_run_finds_what_the_one_before_has_left(bench: Workbench) -> None:
    first = await run(bench, "echo 1 > a")
    second = await run(bench, "cat a")

    assert (first.state_reused, second.state_reused) == (False, True)
    assert second.stdout == "1\n"
    assert second.files == ()


async def test_a_run_that_keeps_none_touches_none(bench: Workbench) -> None:
    await run(bench, "echo 1 > a")
    bench.store.forget()

    plain = await bench.run("ls")

    assert (plain.stdout, plain.state_reused) == ("script.sh\n", None)
    assert bench.store.calls == []


async def test_an_unchanged_one_is_not_stored(bench: Workbench) -> None:
    await run(bench, "echo 1 > a")
    bench.store.forget()

    await run(bench, "cat a")

    assert bench.store.calls == [("open", KEY)]


async def test_one_that_another_run_has_is_busy_and_nothing_is_begun(
    bench: Workbench, valkey: Valkey
) -> None:
    locks = StateLocks(valkey.url)
    before = len(bench.engine.made)
    async with locks.hold(TENANT, STATE, run_id="other"):
        kind = await failure(bench, "echo 1 > a")
    await locks.close()

    assert kind is FailureKind.STATE_BUSY
    assert len(bench.engine.made) == before
    assert (await run(bench, "ls")).state_reused is False


async def test_one_that_nobody_can_reserve_is_not_begun(bench: Workbench) -> None:
    await bench.locks.close()
    bench.locks = StateLocks("redis://127.0.0.1:1")

    assert await failure(bench, "echo 1") is FailureKind.STATE_UNLOCKABLE


async def test_storage_that_fails_on_the_way_in_is_an_error(bench: Workbench) -> None:
    bench.store.opening_faults = True

    assert await failure(bench, "echo 1") is FailureKind.STORAGE_UNAVAILABLE


async def test_storage_that_fails_on_the_way_out_leaves_the_former_one(
    bench: Workbench,
) -> None:
    await run(bench, "ln -s x l")
    bench.store.forget()
    bench.store.puts_until_fault = 0

    result = await run(bench, "rm l; echo done")
    bench.store.puts_until_fault = None

    assert result.stdout == "done\n"
    assert "[sandbox] the workspace was not saved: storage failed." in result.stderr
    assert (await run(bench, "readlink l")).stdout == "x\n"


async def test_a_sandbox_that_breaks_at_the_end_leaves_the_former_one(
    bench: Workbench,
) -> None:
    await run(bench, "ln -s x l")
    bench.engine.next_breaks_in = ["snapshot"]

    result = await run(bench, "rm l; echo done")

    assert result.stdout == "done\n"
    assert "[sandbox] the workspace was not saved: its sandbox broke." in result.stderr
    assert (await run(bench, "readlink l")).stdout == "x\n"


async def test_one_over_the_cap_is_told_and_not_stored(bench: Workbench) -> None:
    result = await run(bench, "head -c 2000000 /dev/zero > large")

    assert result.exit_code == 0
    assert "it is larger than 1048576 bytes" in result.stderr
    assert (await run(bench, "ls")).state_reused is False


async def test_one_that_another_run_has_taken_meanwhile_is_not_stored(
    bench: Workbench, valkey: Valkey
) -> None:
    with valkey.connect() as client:
        code = (
            f"exec 3<>/dev/tcp/127.0.0.1/{valkey.port};"
            f" printf 'SET {KEY_PREFIX}{TENANT}:{STATE} thief\\r\\n' >&3; read <&3; echo 1 > a"
        )
        kind = await failure(bench, code)
        client.flushall()

    assert kind is FailureKind.STATE_FENCED
    assert (await run(bench, "ls")).state_reused is False


async def test_a_message_that_comes_twice_does_not_take_it_from_itself(
    bench: Workbench,
) -> None:
    async def not_ours() -> bool:
        return False

    wanted = request("echo 1").model_copy(update={"state": STATE})
    with pytest.raises(RunTakenError):
        await bench.runner.run(wanted, is_ours=not_ours())
