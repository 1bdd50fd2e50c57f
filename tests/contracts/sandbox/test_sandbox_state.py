"""What every engine's sandboxes promise of kept workspaces (librechat-contract 3.8)."""

import dataclasses
from collections.abc import Mapping

import pytest

from executor.left_behind import SnapshotOutcome
from executor.sandbox import Program, SandboxEngine, Snapshot, StateTerms
from tests.contracts.sandbox.lab import LIMITS, MIB, Ran, finish, pieces
from tests.executor.saved_workspaces import HOSTILE, file, folder, link, saved

pytestmark = pytest.mark.anyio

TERMS = StateTerms(max_bytes=MIB)


@dataclasses.dataclass(frozen=True)
class Kept:
    """One run, and the workspace that it left."""

    ran: Ran
    snapshot: Snapshot
    content: bytes


async def run(
    engine: SandboxEngine,
    code: str,
    before: bytes | None = None,
    *,
    inputs: Mapping[str, bytes] | None = None,
    terms: StateTerms = TERMS,
) -> Kept:
    """Run a script in a workspace that was saved before, if one is given."""
    sandbox = await engine.create()
    try:
        program = Program(language="bash", source=code.encode(), state=terms)
        await sandbox.prepare(program, LIMITS)
        if before is not None:
            await sandbox.restore(pieces(before))
        for name, content in (inputs or {}).items():
            await sandbox.put(name, pieces(content))
        ran = await finish(sandbox)
        snapshot = await sandbox.snapshot()
        content = b""
        if snapshot.chunks is not None:
            content = b"".join([chunk async for chunk in snapshot.chunks])
        return Kept(ran, snapshot, content)
    finally:
        await sandbox.destroy()


async def test_what_is_saved_is_there_again(engine: SandboxEngine) -> None:
    first = await run(
        engine,
        "mkdir -p a/b; echo 1 > a/one; ln -s a/one l; ln -s /nowhere dangling; chmod 600 a/one;"
        " mkfifo pipe; head -c 300000 /dev/zero > zeros; mkdir shut; echo 2 > shut/two;"
        " chmod 000 shut; touch $'\\xff'",
    )
    second = await run(
        engine,
        "cat l; stat -c %a a/one shut; chmod 700 shut; cat shut/two; readlink dangling;"
        " wc -c < zeros; test -d a/b && test ! -e pipe && test -e $'\\xff' && echo all",
        first.content,
    )

    assert first.snapshot.outcome is SnapshotOutcome.CHANGED
    assert len(first.content) == first.snapshot.size_bytes
    assert (first.snapshot.restored, second.snapshot.restored) == (False, True)
    assert second.ran.stdout == "1\n600\n0\n2\n/nowhere\n300000\nall\n"


async def test_an_unchanged_one_is_not_sent(engine: SandboxEngine) -> None:
    first = await run(engine, "mkdir a; echo 1 > a/one; ln -s a l", inputs={"i": b"1"})

    again = await run(
        engine, "cat a/one i; touch a/t; rm a/t", first.content, inputs={"i": b"1"}
    )
    fresh = await run(engine, "true")

    for kept in (again, fresh):
        assert kept.snapshot.outcome is SnapshotOutcome.UNCHANGED
        assert kept.content == b""
    assert again.ran.files == {}


@pytest.mark.parametrize(
    "change",
    [
        "echo 2 > one",
        "rm one",
        "chmod 600 one",
        "touch -d 2001-01-01 one",
        "mkdir d",
        "ln -s o l",
    ],
)
async def test_whatever_changes_is_noticed(engine: SandboxEngine, change: str) -> None:
    before = saved(file("one", b"1\n"))

    kept = await run(engine, change, before)

    assert kept.snapshot.outcome is SnapshotOutcome.CHANGED


async def test_one_that_is_too_large_is_not_sent(engine: SandboxEngine) -> None:
    by_bytes = await run(engine, f"head -c {MIB} /dev/zero > large")
    by_name = await run(engine, "truncate -s 50M sparse")
    by_number = await run(
        engine, "seq 1 10001 | xargs touch", terms=StateTerms(max_bytes=100 * MIB)
    )
    too_deep = await run(
        engine,
        "name=$(printf 'a%.0s' {1..250}); for i in {1..20}; do mkdir $name; cd $name; done",
    )

    assert by_bytes.snapshot.outcome is SnapshotOutcome.TOO_LARGE
    assert by_name.snapshot.outcome is SnapshotOutcome.TOO_LARGE
    assert by_number.snapshot.outcome is SnapshotOutcome.TOO_MANY
    assert too_deep.snapshot.outcome is SnapshotOutcome.UNREADABLE


@pytest.mark.docker
@pytest.mark.parametrize(
    "code",
    [
        "truncate -s 98M hole; for i in {1..3000}; do echo > $i; done",
        "truncate -s 90M /run/build/python-variables",
    ],
)
async def test_what_would_find_no_room_again_is_not_sent(
    real_engine: SandboxEngine, code: str
) -> None:
    """Holes take no room until they are written: no later run could begin with them."""
    kept = await run(real_engine, code, terms=StateTerms(max_bytes=200 * MIB, variables=True))

    assert kept.ran.execution.exit_code == 0
    assert kept.snapshot.outcome is SnapshotOutcome.TOO_LARGE


@pytest.mark.docker
async def test_a_run_that_leaves_no_room_does_not_shut_out_the_next(
    real_engine: SandboxEngine,
) -> None:
    terms = StateTerms(max_bytes=200 * MIB)
    full = await run(real_engine, "head -c 200M /dev/zero > a", terms=terms)

    # Larger than what the first one's own source took.
    code = "rm a; ls /mnt/data; echo 1 > c\n" + "#" * 9000
    freed = await run(real_engine, code, full.content, terms=terms)

    assert full.snapshot.outcome is SnapshotOutcome.CHANGED
    assert freed.ran.stdout == ""
    assert set(freed.ran.files) == {"c"}


async def test_inputs_take_the_place_of_what_is_there(engine: SandboxEngine) -> None:
    before = saved(
        *(file("a", b"old"), folder("b"), file("b/c", b"old"), file("d", b"old")),
        *(link("e", "/tmp"), link("f", "/tmp/forged")),
    )
    inputs = {"a": b"1", "b": b"2", "d/x": b"3", "e/forged": b"4", "f": b"5"}

    kept = await run(
        engine,
        "cat a b d/x e/forged f; test ! -e /tmp/forged && echo inside",
        before,
        inputs=inputs,
    )

    assert kept.ran.stdout == "12345inside\n"
    assert set(kept.ran.leftovers.unchanged) == set(inputs)


@pytest.mark.parametrize("problem", HOSTILE)
async def test_what_nobody_honest_has_saved_is_left_out(
    engine: SandboxEngine, problem: str
) -> None:
    kept = await run(engine, "ls -A; ls -A /tmp; echo 1 > new.txt", HOSTILE[problem])

    assert kept.snapshot.discarded
    assert not kept.snapshot.restored
    assert "forged" not in kept.ran.stdout
    assert set(kept.ran.files) == {"new.txt"}
    assert kept.snapshot.outcome is SnapshotOutcome.CHANGED
