"""`python -m executor.try_oci`: whether this host can make sandboxes with its OCI runtime.

Makes one and removes it, with the settings of an executor. What is prepared for that, the
unpacked image above all, is there for the executor then. Exits with 0, or with 1 after saying
on standard output why not, in one line.
"""

import asyncio
import logging
import sys

from executor.engines import make_engine
from executor.sandbox import SandboxUnavailableError
from executor.settings import ExecutorSettings
from executor.shared_assets import pack_files
from storage.configuration import load_settings


def main() -> int:
    """Try; return the exit code."""
    logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
    settings = load_settings(ExecutorSettings).model_copy(update={"sandbox_engine": "oci"})
    try:
        asyncio.run(_make_one(settings))
    except SandboxUnavailableError as fault:
        print(fault)  # noqa: T201 - what it is for
        return 1
    return 0


async def _make_one(settings: ExecutorSettings) -> None:
    engine = make_engine(settings, pack_files({}))
    try:
        sandbox = await engine.create()
        await sandbox.destroy()
    finally:
        await engine.close()


if __name__ == "__main__":
    sys.exit(main())
