"""Cases 58 and 59: a flood is answered, and holds up nobody but itself.

What is compared is the order in which programs began, by the clock that all sandboxes share.
"""

import asyncio
import os
import re
import time
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import httpx
import pytest

from tests.live.running_service import TENANTS, RunningService
from tests.live.running_service_altered import lone_api

pytestmark = [pytest.mark.docker, pytest.mark.anyio]

MANY = 200

SLOTS = 2 * (os.cpu_count() or 1)
"""Programs that run at once, as shipped."""

OUT = SLOTS + SLOTS // 2
"""Runs that the executor has, or that lie ready for it."""

LIMIT, LIMIT_PER_TENANT = 60, 40

PATIENCE_S = 300
"""On processors that others use as well."""

FLOOD = 140
OTHERS = MANY - FLOOD

FULL_OF_TENANT = (429, "rate_limited")
FULL = (503, "microvm_launch_throttled")


class Answer(NamedTuple):
    """What came of one run."""

    number: int
    """Which it was to print."""
    tenant: str
    http: httpx.Response

    @property
    def is_refused(self) -> bool:
        return self.http.is_error

    @property
    def began_ns(self) -> int:
        """When its program began; it must have printed its own number."""
        number, began_ns = self.http.json()["stdout"].split()
        assert int(number) == self.number
        return int(began_ns)


class Client:
    """One tenant's: asks for many runs at once."""

    def __init__(self, http: httpx.AsyncClient, tenant: str) -> None:
        self._http = http
        self._tenant = tenant

    async def run(self, number: int, *, user: str) -> Answer:
        program = {"lang": "py", "code": f"import time; print({number}, time.time_ns())"}
        answer = await self._http.post("/exec", json=program, headers={"User-Id": user})
        return Answer(number, self._tenant, answer)

    def ask_for(self, numbers: Iterable[int], *, user: str) -> list[asyncio.Task[Answer]]:
        return [asyncio.create_task(self.run(number, user=user)) for number in numbers]


@asynccontextmanager
async def client_of(
    service: RunningService, tenant: str, address: str = ""
) -> AsyncGenerator[Client, None]:
    async with httpx.AsyncClient(
        base_url=address or service.address,
        headers={"X-API-Key": service.keys[tenant]},
        limits=httpx.Limits(max_connections=None),
        timeout=PATIENCE_S,
        trust_env=False,
    ) as http:
        yield Client(http, tenant)


@pytest.fixture
def narrow(target: RunningService) -> Iterator[httpx.Client]:
    """An API beside the target's own, with the same executor, in which few may wait."""
    settings = {
        "QUEUE_LIMIT": str(LIMIT),
        "QUEUE_LIMIT_PER_TENANT": str(LIMIT_PER_TENANT),
        "QUEUE_TIMEOUT": str(PATIENCE_S),
        "METRICS": "open",
    }
    with lone_api(target, settings) as http:
        yield http


@pytest.mark.case(58)
async def test_beyond_the_limits_runs_are_refused_and_none_is_lost(
    target: RunningService, narrow: httpx.Client
) -> None:
    address = str(narrow.base_url)
    async with (
        client_of(target, TENANTS[0], address) as first,
        client_of(target, TENANTS[1], address) as second,
    ):
        flood = first.ask_for(range(FLOOD), user="flood")
        for earliest in asyncio.as_completed(flood):
            if (await earliest).is_refused:
                break  # As many of the flood wait as may.
        others = second.ask_for(range(FLOOD, MANY), user="other")
        answers = await asyncio.gather(*flood, *others)

    refused = Counter(refusal(answer.http) for answer in answers if answer.is_refused)
    assert refused.keys() == {FULL_OF_TENANT, FULL}
    assert metrics(narrow, "tenant_queue_full") == refused[FULL_OF_TENANT]
    assert metrics(narrow, "queue_full") == refused[FULL]
    served = sorted(
        (answer for answer in answers if not answer.is_refused), key=lambda run: run.began_ns
    )
    assert len(served) >= LIMIT
    # From the first to the last of the second tenant's, both had runs waiting.
    tenants = [answer.tenant for answer in served]
    last = len(tenants) - tenants[::-1].index(TENANTS[1])
    shared = Counter(tenants[tenants.index(TENANTS[1]) : last])
    assert abs(shared[TENANTS[0]] - shared[TENANTS[1]]) <= OUT
    assert shared[TENANTS[1]] >= LIMIT // 3


@pytest.mark.case(59)
async def test_a_single_run_is_next_after_a_flood(target: RunningService) -> None:
    async with (
        client_of(target, TENANTS[0]) as first,
        client_of(target, TENANTS[1]) as second,
    ):
        flood = first.ask_for(range(MANY), user="flood")
        await asyncio.wait(flood, return_when=asyncio.FIRST_COMPLETED)
        asked_ns = time.time_ns()
        singles = await asyncio.gather(
            second.run(MANY, user="single"), first.run(MANY + 1, user="single")
        )
        before = [task.result().began_ns for task in flood if task.done()]
        for task in flood:
            task.cancel()

    assert len(before) < MANY // 2, "the flood was over"
    for single in singles:
        overtaken_by = sum(asked_ns < began_ns < single.began_ns for began_ns in before)
        assert overtaken_by <= 2 * OUT, single.tenant


def refusal(answer: httpx.Response) -> tuple[int, str]:
    """Return status and error; it must say when to come again, as the contract has it."""
    wait_s = int(answer.headers["Retry-After"])
    assert wait_s > 0
    if answer.status_code == FULL_OF_TENANT[0]:
        assert answer.json()["retry_after_seconds"] == wait_s
        assert answer.headers["RateLimit-Limit"] == str(LIMIT_PER_TENANT)
        assert answer.headers["RateLimit-Remaining"] == "0"
    return answer.status_code, answer.json()["error"]


def metrics(http: httpx.Client, outcome: str) -> float:
    """Return how many Python runs ended so."""
    labels = f'language="py",outcome="{outcome}",tenant_class="key"'
    sample = rf"code_command_runs_total{{{labels}}}"
    found = re.search(rf"^{re.escape(sample)} (\S+)$", http.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0
