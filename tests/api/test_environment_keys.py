"""`CODE_API_KEYS`: keys of the environment, some with limits of their own."""

import json
from typing import Any

import pytest
from pydantic import SecretStr

from api.environment_keys import read_keys
from api.keyring import KeyOwner, Keyring
from api.settings import ApiSettings
from executor.messages import MemoryClass
from storage.configuration import VARIABLES, ConfigurationError, load_settings
from tests.api.broker import Valkey
from tests.api.rate_limited import limited, refused
from tests.api.service import make_client, make_service, make_settings

KEY = "0123456789abcdef"
ACME: dict[str, Any] = {"tenant": "acme", "key": f"a{KEY}"}


def owners(*entries: dict[str, Any]) -> list[KeyOwner | None]:
    """Say whose the key of each entry is."""
    keyring = Keyring(read_keys(json.dumps(entries)))
    return [keyring.owner(entry["key"]) for entry in entries]


def settings_with(*entries: dict[str, Any]) -> ApiSettings:
    return make_settings().model_copy(update={"code_api_keys": SecretStr(json.dumps(entries))})


def refusal(monkeypatch: pytest.MonkeyPatch, value: Any) -> str:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    text = value if isinstance(value, str) else json.dumps(value)
    monkeypatch.setenv("CODE_API_KEYS", text)
    with pytest.raises(ConfigurationError) as refused:
        load_settings(ApiSettings)
    return str(refused.value)


class TestForms:
    def test_pairs_and_a_list_say_the_same(self) -> None:
        more = {"tenant": "other", "key": f"c=d{KEY}"}

        assert read_keys(json.dumps([ACME, more])) == read_keys(f"acme=a{KEY}, other=c=d{KEY},")

    @pytest.mark.parametrize("text", ["", " , ", "[]", " [ ]\n"])
    def test_none_is_none(self, text: str) -> None:
        assert read_keys(text) == ()

    def test_a_key_of_the_list_may_have_limits_and_memory_of_its_own(self) -> None:
        limits = {"exec": "200/30s", "upload": "off"}

        plain, given = owners(
            ACME, {**ACME, "key": f"b{KEY}", "limits": limits, "memory_class": "large"}
        )

        assert plain == KeyOwner(tenant="acme", label="key:acme")
        assert given is not None
        assert (given.tenant, given.rates, given.memory_class) == (
            "acme",
            limits,
            MemoryClass.LARGE,
        )


class TestSlips:
    @pytest.mark.parametrize(
        ("value", "problem"),
        [
            ([{**ACME, "limits": {"exec": "many"}}], "entry 1: a rate is written as"),
            ([ACME, {**ACME, "limits": {"runs": "1/s"}}], "entry 2: limits are for exec,"),
            ([{**ACME, "memory_class": "huge"}], "entry 1: memory_class: Input should be"),
            ([{**ACME, "tenant": "../x"}], "entry 1: a tenant is 1 to 64"),
            ([{"tenant": "acme"}], "entry 1: key: Field required"),
            ([{**ACME, f"x{KEY}": "acme"}], "entry 1: Extra inputs"),
            ([f"acme={KEY}"], "entry 1: Input should be an object"),
            (f'[{{"key": "{KEY}"', "Invalid JSON"),
            ([{**ACME, "key": "short"}], "a key needs at least 16 characters"),
            ([{**ACME, "key": f"{KEY} {KEY}"}], "keys are printable ASCII"),
            ([ACME, {**ACME, "tenant": "b"}], "the tenants 'acme' and 'b' have the same"),
            ([ACME, {**ACME, "memory_class": "large"}], "a key of the tenant 'acme' is there"),
        ],
    )
    def test_they_are_one_line_that_names_the_variable_and_shows_no_key(
        self, monkeypatch: pytest.MonkeyPatch, value: Any, problem: str
    ) -> None:
        text = refusal(monkeypatch, value)

        assert text.startswith("CODE_API_KEYS: ")
        assert problem in text
        assert KEY not in text
        assert "\n" not in text


class TestInUse:
    def test_runs_have_the_memory_of_the_key(self) -> None:
        entry = {**ACME, "memory_class": "large"}
        service = make_service(settings_with(entry))

        make_client(service, ACME["key"]).post("/exec", json={"lang": "py", "code": "1"})

        assert service.dispatcher.request.memory_class is MemoryClass.LARGE
        assert service.dispatcher.request.tenant == "acme"

    @pytest.mark.anyio
    async def test_a_key_with_a_rate_of_its_own_is_counted_alone(self, valkey: Valkey) -> None:
        quick = {**ACME, "key": f"b{KEY}", "limits": {"exec": "3/1m"}}
        async with limited(valkey, settings_with(ACME, quick), exec="1/1m") as api:
            usual = await api.statuses(2, key=ACME["key"])
            own = await api.statuses(4, key=quick["key"])

        assert (refused(usual), refused(own)) == (1, 1)
