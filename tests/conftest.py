"""Shared by all tests."""

import pytest

pytest_plugins = ("tests.live.shared_service",)
"""Fixtures for every folder below: a service that each folder's own conftest imported would be
started once a folder."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """`pytest.mark.anyio` tests run on asyncio, as all of our processes do."""
    return "asyncio"
