"""What requests hold in memory is counted, limited, and let go of."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import ExitStack

import pytest

from api.answer import RETRY_AFTER_S
from api.errors import ApiError
from api.held_bodies import HeldBodies
from tests.api.service import OTHER_KEY, Connection, Service, make_service, pieces

pytestmark = pytest.mark.anyio


def refusal(bodies: HeldBodies, tenant: str, size_bytes: int) -> int:
    """Return the status of who holds so much more, for a moment; 0 if they may."""
    with bodies.hold(tenant) as held:
        try:
            held.add(size_bytes)
        except ApiError as refused:
            answer = refused.answer
            return answer.status if answer.retry_after_s == RETRY_AFTER_S else -1
    return 0


class TestCount:
    def test_a_tenant_has_its_share_and_nobody_elses(self) -> None:
        bodies = HeldBodies(most_bytes=100, most_of_tenant=60)
        with bodies.hold("a") as one, bodies.hold("a") as another:
            one.add(40)
            another.add(20)

            assert refusal(bodies, "a", 1) == 429
            assert refusal(bodies, "b", 40) == 0
            assert refusal(bodies, "b", 41) == 503

    def test_what_is_let_go_of_is_free_again(self) -> None:
        bodies = HeldBodies(most_bytes=100, most_of_tenant=60)
        with bodies.hold("a") as held:
            held.add(60)
            held.keep(10)

            assert refusal(bodies, "a", 50) == 0
            assert refusal(bodies, "a", 51) == 429
        assert bodies.held_bytes == 0

    def test_what_is_kept_may_be_more_than_has_come(self) -> None:
        bodies = HeldBodies(most_bytes=100, most_of_tenant=60)
        with bodies.hold("a") as held:
            held.add(15)
            held.keep(60)

            assert bodies.held_bytes == 60
            with pytest.raises(ApiError):
                held.keep(61)
            assert bodies.held_bytes == 60

    def test_who_is_refused_holds_what_was_counted_until_the_end(self) -> None:
        bodies = HeldBodies(most_bytes=100, most_of_tenant=60)
        with ExitStack() as stack:
            held = stack.enter_context(bodies.hold("a"))
            held.add(50)
            with pytest.raises(ApiError):
                held.add(20)

            assert bodies.held_bytes == 50
        assert bodies.held_bytes == 0


class TestRequests:
    @pytest.fixture
    def bodies(self) -> HeldBodies:
        return HeldBodies(most_bytes=3_000_000, most_of_tenant=2_000_000)

    @pytest.fixture
    def service(self, bodies: HeldBodies) -> Service:
        return make_service(bodies=bodies)

    @pytest.mark.parametrize(
        "path", ["/exec", "/exec/programmatic", "/exec/programmatic/cancel"]
    )
    async def test_bodies_that_are_on_their_way_count(
        self, service: Service, bodies: HeldBodies, path: str
    ) -> None:
        has_come, has_more = asyncio.Event(), asyncio.Event()

        async def stalls() -> AsyncIterator[bytes]:
            yield b'{"lang": "py", "x": "' + b"#" * 1_500_000
            has_come.set()  # Asked for more, the service has counted this.
            await has_more.wait()
            yield b'"'

        first = Connection(service.app, "POST", path)
        asking = asyncio.create_task(first.ask(stalls()))
        await has_come.wait()
        body = b'{"x": "' + b"#" * 1_000_000 + b'"}'
        refused = Connection(service.app, "POST", path)
        await refused.ask(pieces(body))
        other = Connection(service.app, "POST", path, key=OTHER_KEY)
        await other.ask(pieces(body))
        has_more.set()
        await asking

        assert refused.status == 429
        assert other.status == 400
        assert first.status == 400
        assert bodies.held_bytes == 0

    async def test_of_a_run_no_more_than_its_program_counts_while_it_waits(
        self, service: Service, bodies: HeldBodies
    ) -> None:
        over = asyncio.Event()
        service.dispatcher.outcome = lambda _: over
        code = "#" * 100_000
        body = json.dumps({"lang": "py", "code": code, "x": "#" * 1_500_000}).encode()
        connection = Connection(service.app, "POST", "/exec")

        asking = asyncio.create_task(connection.ask(pieces(body)))
        await service.dispatcher.began.wait()
        held_bytes = bodies.held_bytes
        over.set()
        await asking

        assert len(code) <= held_bytes < len(code) + 1000
        assert connection.status == 200
        assert bodies.held_bytes == 0
