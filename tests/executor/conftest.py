"""Shared by the tests of the executor."""

from collections.abc import AsyncGenerator

import pytest

from tests.executor.workbench import Workbench, workbench


@pytest.fixture
async def bench(anyio_backend: str) -> AsyncGenerator[Workbench]:
    assert anyio_backend == "asyncio"
    async with workbench() as bench:
        yield bench
