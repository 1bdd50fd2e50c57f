"""Shared by all tests."""

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """`pytest.mark.anyio` tests run on asyncio, as all of our processes do."""
    return "asyncio"
