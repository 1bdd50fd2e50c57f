"""A workspace on disk, and what a program would do to it."""

from pathlib import Path
from typing import Any

from sandbox.supervisor.job import Limits
from sandbox.supervisor.skips import SkipReason
from sandbox.supervisor.workspace import Collection, Workspace

LIMITS = Limits(
    wall_time_s=10,
    stdout_bytes=1000,
    stderr_bytes=1000,
    file_bytes=10_000,
    total_bytes=40_000,
    files=50,
    depth=10,
    path_chars=256,
    open_files=100,
)


class Folder:
    """A workspace with what a program would do to it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.workspace = Workspace(str(root))

    def put(self, name: str, content: bytes = b"input", *, read_only: bool = False) -> None:
        file = self.workspace.begin_input(name, read_only=read_only)
        file.write(content)
        file.finish()

    def write(self, name: str, content: bytes = b"new") -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def collect(self, **changes: Any) -> Collection:
        return self.workspace.collect(LIMITS._replace(**changes))

    def skipped(self, **changes: Any) -> dict[str, SkipReason]:
        """What is not kept, and why."""
        return dict(self.collect(**changes).skips.named)

    def outputs(self) -> list[str]:
        return [output.name for output in self.collect().outputs]
