"""The workspace that a run finds and leaves for the next (librechat-contract 3.8)."""

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from executor.left_behind import Snapshot, SnapshotOutcome
from executor.messages import RunRequest
from executor.sandbox import Sandbox, SandboxLostError, StateTerms
from executor.state_locks import StateLock, StateLocks, StateUnlockableError
from sandbox.supervisor.saved_entries import MAX_ENTRIES
from storage.errors import StorageUnavailableError
from storage.states import States

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptState:
    """What became of a run's workspace."""

    reused: bool
    """Whether the program found that of an earlier run."""
    remarks: tuple[str, ...] = ()
    """What its user has to know: it is not saved, for instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOfRun:
    """A saved workspace, reserved for one run."""

    keeper: "StateKeeper"
    request: RunRequest
    name: str
    lock: StateLock

    async def open(self, stack: AsyncExitStack) -> AsyncIterator[bytes] | None:
        """Open what an earlier run has saved; `None` if there is nothing.

        Raises:
            StorageUnavailableError: Safe to try again.
        """
        return await stack.enter_async_context(
            self.keeper.states.open(self.request.tenant, self.name)
        )

    async def save(self, sandbox: Sandbox) -> KeptState:
        """Save what the program has left, if it changed anything.

        What storage refuses, or a sandbox that breaks now, does not undo what the program did:
        the former workspace stays, and the user is told.

        Raises:
            StateFencedError: Another run has it now.
        """
        try:
            snapshot = await sandbox.snapshot()
        except SandboxLostError as fault:
            _log.warning("run %s: its workspace is lost: %s", self.request.run_id, fault)
            snapshot = Snapshot(outcome=SnapshotOutcome.LOST)
        remarks = [_DISCARDED] if snapshot.discarded else []
        problem = await self._stored(snapshot)
        if problem is not None:
            remarks.append(f"the workspace was not saved: {problem}. {_AS_IT_WAS}")
        return KeptState(reused=snapshot.restored, remarks=tuple(remarks))

    async def _stored(self, snapshot: Snapshot) -> str | None:
        """Store it, if it is to be; say why it is not."""
        if snapshot.outcome is SnapshotOutcome.UNCHANGED:
            return None
        if snapshot.chunks is None:
            return self._problems()[snapshot.outcome]
        try:
            await self.lock.confirm()
            await self.keeper.states.save(
                self.request.tenant,
                self.name,
                snapshot.chunks,
                max_bytes=self.keeper.terms.max_bytes,
            )
        except tuple(_PROBLEMS) as fault:
            _log.warning("run %s: its workspace is lost: %s", self.request.run_id, fault)
            return _PROBLEMS[type(fault)]
        return None

    def _problems(self) -> dict[SnapshotOutcome, str]:
        return {
            SnapshotOutcome.TOO_LARGE: (
                f"it is larger than {self.keeper.terms.max_bytes} bytes; remove some files"
            ),
            SnapshotOutcome.TOO_MANY: (
                f"it has more than {MAX_ENTRIES} files and folders; remove some"
            ),
            SnapshotOutcome.UNREADABLE: "it cannot be read: its folders are too deep",
            SnapshotOutcome.LOST: _BROKE,
        }


_BROKE = "its sandbox broke"
_PROBLEMS: dict[type[Exception], str] = {
    StorageUnavailableError: "storage failed",
    SandboxLostError: _BROKE,
    StateUnlockableError: "nobody can say whether another run has it",
}
_AS_IT_WAS = "The next run finds it as it was before this one"
_DISCARDED = (
    "the saved workspace could not be read, and was left out: this run began with an empty one"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class StateKeeper:
    """Reserves workspaces for runs."""

    states: States
    locks: StateLocks
    terms: StateTerms
    """For all of them alike."""

    @asynccontextmanager
    async def held_for(self, request: RunRequest) -> AsyncGenerator[StateOfRun | None]:
        """Reserve the workspace that a run wants until the block ends; `None`: it wants none.

        Raises:
            StateBusyError: Another run has it.
            StateUnlockableError: Nobody knows.
        """
        if request.state is None:
            yield None
            return
        async with self.locks.hold(
            request.tenant,
            request.state,
            run_id=request.run_id,
            first_run_id=request.first_run_id,
        ) as lock:
            yield StateOfRun(keeper=self, request=request, name=request.state, lock=lock)
