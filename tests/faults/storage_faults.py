"""Faults of the object store that take long: what was answered is gathered on the side."""

import os
import signal
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.faults.aftermath import comes_back_whole
from tests.faults.outages import answers_by_route
from tests.faults.small_disk import fill_disk, small_disk
from tests.live.running_service import RunningService, running_service
from tests.live.running_service_caller import Caller, StoredFile

MAKE_A_FILE = {"lang": "bash", "code": "head -c 3000000 /dev/urandom > x.bin"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crowded:
    """A service whose disk was full for a while, and what it answered meanwhile."""

    caller: Caller
    kept: StoredFile
    upload: httpx.Response
    run_with_files: httpx.Response
    run_without: httpx.Response
    download: httpx.Response


@contextmanager
def crowded_service(folder: Path) -> Generator[Crowded, None, None]:
    """Run a service on a disk of its own, and fill that for as long as a few answers take."""
    with (
        small_disk(folder, size_bytes=128 << 20) as disk,
        running_service(disk / "work", {"SANDBOX_POOL_SIZE": "1"}) as service,
        comes_back_whole(service) as caller,
    ):
        kept = caller.upload("kept.bin", bytes(1 << 20))
        filler = fill_disk(disk)
        answers = {
            "upload": caller.http.post("/upload", files={"file": ("a", os.urandom(8 << 20))}),
            "run_with_files": caller.http.post("/exec", json=MAKE_A_FILE),
            "run_without": caller.http.post("/exec", json={"lang": "py", "code": "print(1)"}),
            "download": caller.http.get(kept.path),
        }
        filler.unlink()
        yield Crowded(caller=caller, kept=kept, **answers)


class StandingStill:
    """A service whose object store accepts connections and answers nothing, and its answers."""

    def __init__(self, service: RunningService, caller: Caller) -> None:
        self.service = service
        self.caller = caller
        notes = caller.upload("notes.txt", b"kept")
        self.asked = answers_by_route(caller, notes)
        weed = service.child("weed")
        assert weed is not None
        self._weed = weed
        os.kill(weed, signal.SIGSTOP)
        self._clients = ThreadPoolExecutor(len(self.asked))
        self.answers = {text: self._clients.submit(ask) for text, ask in self.asked.items()}

    def go_on(self) -> None:
        """End the standstill. Safe to repeat."""
        os.kill(self._weed, signal.SIGCONT)
        self._clients.shutdown()
