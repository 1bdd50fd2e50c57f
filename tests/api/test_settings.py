"""What the environment may say, and what it is told when it is wrong."""

from pathlib import Path

import pytest

from api.settings import WELL_KNOWN_KEY, ApiSettings
from executor.settings import ExecutorSettings
from storage.configuration import (
    VARIABLES,
    ConfigurationError,
    load_settings,
    unknown_variables,
)

KEY = "0123456789abcdef"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def load(monkeypatch: pytest.MonkeyPatch, **variables: str) -> ApiSettings:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return load_settings(ApiSettings)


def refusal(monkeypatch: pytest.MonkeyPatch, **variables: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(monkeypatch, **variables)
    return str(refused.value)


class TestKeys:
    def test_without_one_the_service_does_not_start(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        text = refusal(monkeypatch)

        assert text.startswith("CODE_API_KEY: is not set.")
        assert "openssl rand" in text

    def test_the_one_key_is_the_default_tenants(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = load(monkeypatch, CODE_API_KEY=KEY)

        assert [(key.tenant, key.secret.get_secret_value()) for key in settings.api_keys] == [
            ("default", KEY)
        ]

    def test_tenants_have_keys_of_their_own(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = load(
            monkeypatch,
            CODE_API_KEY=KEY,
            CODE_API_KEYS=f"acme=a{KEY}, acme=b{KEY},other=c=d{KEY},",
        )

        assert [(key.tenant, key.secret.get_secret_value()) for key in settings.api_keys] == [
            ("default", KEY),
            ("acme", f"a{KEY}"),
            ("acme", f"b{KEY}"),
            ("other", f"c=d{KEY}"),
        ]

    @pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
    def test_the_well_known_one_works_on_loopback(
        self, monkeypatch: pytest.MonkeyPatch, host: str
    ) -> None:
        assert load(monkeypatch, CODE_HOST=host, CODE_API_KEY=WELL_KNOWN_KEY).code_host == host

    @pytest.mark.parametrize(
        "host",
        ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.x"],  # noqa: S104 - refused
    )
    @pytest.mark.parametrize("variable", ["CODE_API_KEY", "CODE_API_KEYS"])
    def test_and_nowhere_else(
        self, monkeypatch: pytest.MonkeyPatch, host: str, variable: str
    ) -> None:
        value = WELL_KNOWN_KEY if variable == "CODE_API_KEY" else f"acme={WELL_KNOWN_KEY}"

        text = refusal(monkeypatch, CODE_HOST=host, **{variable: value})

        assert text.startswith(f"{variable}: ")
        assert host in text
        assert "openssl rand" in text

    @pytest.mark.parametrize(
        ("variable", "value", "problem"),
        [
            ("CODE_API_KEY", "short", "CODE_API_KEY: a key needs at least 16 characters"),
            ("CODE_API_KEY", f"{KEY} {KEY}", "CODE_API_KEY: keys are printable ASCII"),
            ("CODE_API_KEY", f"{KEY},x", "CODE_API_KEY: keys are printable ASCII"),
            ("CODE_API_KEY", f"{KEY}ü", "CODE_API_KEY: keys are printable ASCII"),
            ("CODE_API_KEYS", "acme=short", "CODE_API_KEYS: a key needs at least 16"),
            ("CODE_API_KEYS", KEY, "CODE_API_KEYS: must read"),
            ("CODE_API_KEYS", f"={KEY}", "CODE_API_KEYS: must read"),
            ("CODE_API_KEYS", f"../x={KEY}", "CODE_API_KEYS: must read"),
            ("CODE_API_KEYS", f"a={KEY},b={KEY}", "CODE_API_KEYS: the tenants 'a' and 'b'"),
        ],
    )
    def test_bad_ones_are_refused_without_being_shown(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, problem: str
    ) -> None:
        text = refusal(monkeypatch, **{variable: value})

        assert text.startswith(problem)
        assert KEY not in text
        assert "\n" not in text

    def test_settings_do_not_show_them(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = load(monkeypatch, CODE_API_KEY=KEY, BROKER_URL="redis://:password@host/0")

        assert KEY not in repr(settings)
        assert "password" not in repr(settings)


class TestValues:
    def test_the_defaults(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = load(monkeypatch, CODE_API_KEY=KEY)

        assert (settings.code_host, settings.code_port) == ("127.0.0.1", 8095)
        assert settings.run_timeout_s == 180
        assert settings.max_upload_size == 52_428_800

    @pytest.mark.parametrize(
        ("variable", "value", "shown"),
        [
            ("CODE_PORT", "eighty", "'eighty'"),
            ("CODE_PORT", "70000", "70000"),
            ("CODE_EXEC_TIMEOUT", "-1", "-1"),
            ("QUEUE_TIMEOUT", "soon", "'soon'"),
            ("MAX_UPLOAD_SIZE", "50MB", "'50MB'"),
            ("SESSION_MAX_AGE_HOURS", "0", "0"),
            ("LOG_LEVEL", "LOUD", "'LOUD'"),
            ("CORS_ORIGINS", "http://a b", "'http://a b'"),
            ("CODE_PORT", "x" * 10_000, "…"),
        ],
    )
    def test_a_bad_one_is_one_line_that_names_it(
        self, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, shown: str
    ) -> None:
        text = refusal(monkeypatch, CODE_API_KEY=KEY, **{variable: value})

        assert text.startswith(f"{variable}: ")
        assert shown in text
        assert len(text) < 300
        assert "\n" not in text

    def test_every_bad_one_has_its_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        text = refusal(monkeypatch, CODE_PORT="x", QUEUE_TIMEOUT="y", CODE_API_KEY=KEY)

        assert [line.partition(":")[0] for line in text.splitlines()] == [
            "CODE_PORT",
            "QUEUE_TIMEOUT",
        ]

    def test_empty_is_unset(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert load(monkeypatch, CODE_API_KEY=KEY, CODE_PORT="", CODE_API_KEYS="").code_port

    def test_results_go_where_the_broker_is(self, monkeypatch: pytest.MonkeyPatch) -> None:
        settings = load(monkeypatch, CODE_API_KEY=KEY, BROKER_URL="redis://one/3")

        assert settings.result_url == "redis://one/3"

    def test_with_another_broker_they_need_a_place_of_their_own(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        broker = {"CODE_API_KEY": KEY, "BROKER_URL": "amqp://guest:secret@mq//"}

        text = refusal(monkeypatch, **broker)
        settings = load(monkeypatch, **broker, RESULT_BACKEND_URL="redis://two/0")

        assert text.startswith("RESULT_BACKEND_URL: ")
        assert "secret" not in text
        assert settings.result_url == "redis://two/0"

    @pytest.mark.parametrize(
        ("value", "origins"),
        [
            ("3000", ["http://localhost:3000", "https://localhost:3000"]),
            ("a.example", ["http://a.example", "https://a.example"]),
            ("https://a.example:8443", ["https://a.example:8443"]),
            ("*", ["*"]),
            (
                "localhost:3080, 3000",
                [
                    "http://localhost:3080",
                    "https://localhost:3080",
                    "http://localhost:3000",
                    "https://localhost:3000",
                ],
            ),
        ],
    )
    def test_origins_may_be_short(
        self, monkeypatch: pytest.MonkeyPatch, value: str, origins: list[str]
    ) -> None:
        assert (
            load(monkeypatch, CODE_API_KEY=KEY, CORS_ORIGINS=value).allowed_origins == origins
        )


class TestUnknownVariables:
    def test_what_looks_like_ours_is_reported_with_the_nearest_name(self) -> None:
        environment = {
            "CODE_APIKEY": "x",
            "SANDBOX_POOLSIZE": "2",
            "CODE_PORT": "1",
            "HOME": "/",
        }

        found = unknown_variables(environment)

        assert [str(variable) for variable in found] == [
            "CODE_APIKEY is set, but nothing reads it; did you mean CODE_API_KEY?",
            "SANDBOX_POOLSIZE is set, but nothing reads it; did you mean SANDBOX_POOL_SIZE?",
        ]

    def test_what_resembles_nothing_is_reported_alone(self) -> None:
        (found,) = unknown_variables({"S3_QQQQQQQQQ": ""})

        assert found.nearest is None
        assert str(found) == "S3_QQQQQQQQQ is set, but nothing reads it"

    def test_the_list_of_variables_is_what_the_models_read(self) -> None:
        fields = {*ApiSettings.model_fields, *ExecutorSettings.model_fields}

        assert {name.upper() for name in fields} | {
            "CODE_WORK_DIR",
            "SANDBOX_LANGUAGES",
        } == VARIABLES

    def test_none_is_read_behind_the_models_backs(self) -> None:
        root = Path(__file__).parents[2]
        # The commands beside the API know a variable or two, and are no part of it.
        commands = {root / "api" / name for name in ("manage_keys.py", "show_status.py")}
        for source in {*(root / "api").rglob("*.py")} - commands:
            assert "os.environ" not in source.read_text()
            assert "getenv" not in source.read_text()
