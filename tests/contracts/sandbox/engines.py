"""Docker engines that a test has for itself: its own owner, its own shared files."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from executor.docker_engine import DockerEngine
from executor.policy import SandboxPolicy
from executor.sandbox import Program, Sandbox
from executor.settings import ExecutorSettings
from executor.shared_assets import pack
from tests.contracts.sandbox.lab import LIMITS, run_in


def unpacked_images_folder() -> Path:
    """Where executors keep images unpacked; shared with them, since it takes half a minute."""
    return ExecutorSettings().sandbox_images_dir


@asynccontextmanager
async def running_engine(
    owner: str, assets: Path, policy: SandboxPolicy
) -> AsyncGenerator[DockerEngine]:
    """An engine, closed with the block."""
    engine = DockerEngine(policy, owner=owner, assets=pack(assets))
    yield engine
    await engine.close()


async def bash(sandbox: Sandbox, code: str) -> str:
    """Run a script; return what it says."""
    program = Program(language="bash", source=code.encode())
    return (await run_in(sandbox, program, LIMITS, {})).stdout
