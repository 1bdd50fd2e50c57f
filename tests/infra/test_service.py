"""What the API and the executor are told by `up`."""

import io
import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from infra.local.config import Config, load_config
from infra.local.console import Console
from infra.local.errors import BadSettingError
from infra.local.service import api_spec, check_settings, executor_spec, shared_environment
from infra.local.work_dir import WorkDir, open_work_dir

KEY = "0123456789abcdef0123456789abcdef"
EVERYWHERE = "0.0.0.0"  # noqa: S104 - configured here, never bound


@pytest.fixture
def work_dir(tmp_path: Path) -> WorkDir:
    return open_work_dir(tmp_path / "work")


def api_of(config: Config, work_dir: WorkDir, api_key: str | None = KEY) -> Mapping[str, str]:
    shared = shared_environment(config, work_dir)
    return api_spec(shared, work_dir, config, api_key).environment


def executor_of(config: Config, work_dir: WorkDir) -> Mapping[str, str]:
    return executor_spec(shared_environment(config, work_dir), work_dir).environment


def check(environment: dict[str, str], work_dir: WorkDir, *, host: str | None = None) -> str:
    config = load_config(environment, host=host)
    key = None if config.has_own_keys else KEY
    said = io.StringIO()
    check_settings(executor_of(config, work_dir), api_of(config, work_dir, key), Console(said))
    return said.getvalue()


class TestEnvironment:
    def test_everything_that_the_user_has_set_passes_through(self, work_dir: WorkDir) -> None:
        config = load_config({"CPU_LIMIT": "2", "DOCKER_HOST": "tcp://box:2376"})

        for told in (api_of(config, work_dir), executor_of(config, work_dir)):
            assert told["CPU_LIMIT"] == "2"
            assert told["DOCKER_HOST"] == "tcp://box:2376"

    def test_the_api_gets_address_and_key(self, work_dir: WorkDir) -> None:
        config = load_config({"CODE_PORT": "9000"}, host=EVERYWHERE, port=9001)
        told = api_of(config, work_dir)

        assert (told["CODE_HOST"], told["CODE_PORT"]) == (EVERYWHERE, "9001")
        assert told["CODE_API_KEY"] == KEY

    def test_the_executor_gets_no_key_of_the_api(self, work_dir: WorkDir) -> None:
        """It handles strangers' programs, and needs none."""
        config = load_config({"CODE_API_KEY": KEY, "CODE_API_KEYS": f"a={KEY}"})

        assert KEY not in " ".join(executor_of(config, work_dir).values())

    def test_leftovers_are_known_by_an_id_that_stays(self, work_dir: WorkDir) -> None:
        first = executor_of(load_config({}), work_dir)["CODE_EXECUTOR_ID"]

        assert executor_of(load_config({}), work_dir)["CODE_EXECUTOR_ID"] == first
        named = load_config({"CODE_EXECUTOR_ID": "host-7"})
        assert executor_of(named, work_dir)["CODE_EXECUTOR_ID"] == "host-7"

    def test_a_proxy_is_not_asked_for_our_own_servers(self, work_dir: WorkDir) -> None:
        proxied = {"HTTP_PROXY": "http://proxy:3128", "NO_PROXY": "example.org"}
        told = api_of(load_config(proxied), work_dir)

        assert told["NO_PROXY"] == "example.org,127.0.0.1,::1,localhost"
        assert told["no_proxy"] == "127.0.0.1,::1,localhost"


class TestChecking:
    def test_the_defaults_are_good(self, work_dir: WorkDir) -> None:
        assert check({}, work_dir) == ""

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("CPU_LIMIT", "half"),
            ("MEMORY_LIMIT", "256m"),
            ("SANDBOX_POOL_SIZE", "-1"),
            ("MAX_UPLOAD_SIZE", "0"),
            ("SESSION_MAX_AGE_HOURS", "never"),
            ("CODE_API_KEYS", "no-tenant"),
            ("CODE_API_KEY", "short"),
        ],
    )
    def test_a_bad_value_is_refused_by_name(
        self, work_dir: WorkDir, name: str, value: str
    ) -> None:
        with pytest.raises(BadSettingError, match=name):
            check({name: value}, work_dir)

    def test_the_well_known_key_is_for_loopback_only(self, work_dir: WorkDir) -> None:
        known = {"CODE_API_KEY": "code-command-dev-key"}

        check(known, work_dir)
        with pytest.raises(BadSettingError, match="loopback"):
            check(known, work_dir, host=EVERYWHERE)

    def test_a_slip_of_the_pen_is_noted(self, work_dir: WorkDir) -> None:
        assert "did you mean SANDBOX_IMAGE?" in check({"SANDBOX_IMGE": "x"}, work_dir)

    def test_our_own_environment_is_as_before(self, work_dir: WorkDir) -> None:
        before = dict(os.environ)

        with pytest.raises(BadSettingError):
            check({"CPU_LIMIT": "half"}, work_dir)

        assert dict(os.environ) == before
