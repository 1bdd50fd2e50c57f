"""What clients may ask how often, counted in a real Valkey (librechat-contract 6.2)."""

from contextlib import closing

import pytest
from litestar.routes import HTTPRoute

from api.caller import Caller
from api.rate_limits import RATE_BUCKET, RateLimitedError
from api.rates import BUCKETS
from tests.api.broker import Valkey
from tests.api.rate_limited import (
    DOWNLOAD,
    EXEC,
    HEADERS,
    LIST,
    UPLOAD,
    Limited,
    limited,
    refused,
)
from tests.api.service import OTHER_KEY, UNKNOWN_ID, make_service

pytestmark = pytest.mark.anyio


class TestDefaults:
    @pytest.mark.parametrize(
        ("route", "requests", "window_s"),
        [(EXEC, 20, 30), (UPLOAD, 30, 300), (DOWNLOAD, 60, 60), (LIST, 120, 60)],
    )
    async def test_they_are_the_contracts(
        self, valkey: Valkey, route: tuple[str, str], requests: int, window_s: int
    ) -> None:
        async with limited(valkey) as api:
            before = await api.statuses(requests, route)
            after = await api.ask(route)

        assert refused(before) == 0
        assert after.status_code == 429
        assert after.headers["ratelimit-limit"] == str(requests)
        assert window_s - 20 <= int(after.headers["ratelimit-reset"]) <= window_s


class TestBuckets:
    async def test_each_is_counted_apart(self, valkey: Valkey) -> None:
        rates = dict.fromkeys(("exec", "upload", "download", "list"), "1/1m")
        async with limited(valkey, **rates) as api:
            for route in (EXEC, UPLOAD, DOWNLOAD, LIST):
                assert refused(await api.statuses(2, route)) == 1

    async def test_asking_about_a_download_counts_as_one(self, valkey: Valkey) -> None:
        async with limited(valkey, download="1/1m") as api:
            await api.ask(DOWNLOAD)

            assert (await api.ask(("HEAD", DOWNLOAD[1]))).status_code == 429

    async def test_a_route_is_the_same_wherever_it_is_served(self, valkey: Valkey) -> None:
        async with limited(valkey, exec="2/1m") as api:
            served = [await api.ask(("POST", path)) for path in ("/exec", "/v1/exec")]

            assert [answer.status_code for answer in served] == [200, 200]
            assert (await api.ask(("POST", "/v1//exec"))).status_code == 429

    @pytest.mark.parametrize(
        "route",
        [
            ("GET", "/health"),
            ("DELETE", f"/sessions/{UNKNOWN_ID}"),
            ("OPTIONS", "/upload"),
            ("GET", "/nothing/here"),
        ],
    )
    async def test_other_routes_are_not_counted(
        self, valkey: Valkey, route: tuple[str, str]
    ) -> None:
        rates = dict.fromkeys(("exec", "upload", "download", "list"), "1/1m")
        async with limited(valkey, **rates) as api:
            answers = [await api.ask(route) for _ in range(5)]

        assert refused(answer.status_code for answer in answers) == 0
        assert not any(name in answer.headers for answer in answers for name in HEADERS)

    async def test_nothing_is_counted_where_it_is_off(self, valkey: Valkey) -> None:
        async with limited(valkey, exec="off") as api:
            answers = [await api.ask() for _ in range(30)]

        assert refused(answer.status_code for answer in answers) == 0
        assert not any(name in answer.headers for answer in answers for name in HEADERS)


class TestRoutes:
    def test_each_names_the_contracts_bucket(self) -> None:
        named: dict[tuple[str, str], str | None] = {}
        for route in make_service().app.routes:
            if isinstance(route, HTTPRoute):
                for handler in route.route_handlers:
                    bucket = handler.opt.get(RATE_BUCKET)
                    named |= {(verb, route.path): bucket for verb in handler.http_methods}

        asked = {route: bucket_of(*route) for route in named if route[0] != "OPTIONS"}
        assert named.items() >= asked.items()
        assert set(asked.values()) == {*BUCKETS, None}


class TestWhoIsCounted:
    async def test_a_client_that_means_another_server_is_not(self, valkey: Valkey) -> None:
        async with limited(valkey, exec="1/1m") as api:
            profile = {"X_CodeAPI_Expected_Profile": "stateful"}

            assert await api.statuses(3, EXEC, **profile) == [409] * 3
            assert await api.statuses(2) == [200, 429]

    async def test_users_do_not_use_up_each_others(self, valkey: Valkey) -> None:
        async with limited(valkey, exec="2/1m") as api:
            assert await api.statuses(3, User_Id="ann") == [200, 200, 429]
            assert await api.statuses(3, User_Id="bob") == [200, 200, 429]
            assert await api.statuses(3) == [200, 200, 429]

    async def test_neither_do_tenants(self, valkey: Valkey) -> None:
        async with limited(valkey, exec="2/1m") as api:
            assert await api.statuses(3, User_Id="ann") == [200, 200, 429]
            assert await api.statuses(2, User_Id="ann", key=OTHER_KEY) == [200, 200]

    async def test_who_only_says_who_they_are_uses_up_nobodys_who_proves_it(
        self, valkey: Valkey
    ) -> None:
        async with limited(valkey, exec="1/1m") as api:
            says = Caller(tenant="acme", user="ann")
            proves = Caller(tenant="acme", user="ann", user_is_proven=True)
            await api.limits.take(says, "exec")

            assert await api.limits.take(proves, "exec")

    async def test_wrong_keys_are_refused_uncounted(self, valkey: Valkey) -> None:
        async with limited(valkey, exec="1/1m") as api:
            assert await api.statuses(5, key="not-a-key-of-anybody") == [401] * 5
            assert await api.statuses(2) == [200, 429]

    async def test_users_are_stored_under_a_digest_of_bounded_length(
        self, valkey: Valkey
    ) -> None:
        async with limited(valkey) as api:
            caller = Caller(
                tenant="acme", user="ann@example.org" + "\udcff" * 9999, user_is_proven=True
            )
            await api.limits.take(caller, "exec")

        with closing(valkey.connect()) as client:
            (key,) = client.keys()
        assert "ann" not in str(key)
        assert len(str(key)) < 128

    async def test_a_keys_own_rates_go_before_the_servers(self, valkey: Valkey) -> None:
        async with limited(valkey, exec="5/1m", list="1/1m") as api:
            few = Caller(tenant="few", user="ann", rates={"exec": "1/1m"})
            many = Caller(tenant="many", user="ann", rates={"exec": "off"})

            assert await took(api, few, "exec", 3) == [True, False, False]
            assert await took(api, many, "exec", 9) == [True] * 9
            assert await took(api, few, "list", 2) == [True, False]


def bucket_of(verb: str, path: str) -> str | None:
    """What a request counts as (librechat-contract 6.2); deletions are not in its table."""
    parts = path.removeprefix("/v1").split("/")[1:]
    if verb == "DELETE" or (parts[0] == "sessions" and "objects" not in parts):
        return None
    if parts[-1] == "cancel":
        return "list"  # Of our choice: as cheap, and as often asked for.
    if parts[-1] == "programmatic":
        return None  # Counted once its body is read: continuations are free, ours by 6.2.
    listed = {"files": "list", "sessions": "list"}
    return {**listed, **{name: name for name in BUCKETS[:3]}}.get(parts[0])


async def took(api: Limited, caller: Caller, bucket: str, count: int) -> list[bool]:
    """Ask so often in the name of `caller`; return which were let in."""
    outcomes: list[bool] = []
    for _ in range(count):
        try:
            await api.limits.take(caller, bucket)
        except RateLimitedError:
            outcomes.append(False)
        else:
            outcomes.append(True)
    return outcomes
