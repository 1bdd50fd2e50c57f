from pathlib import Path

import pytest

from infra.local.config import load_config
from infra.local.errors import BadSettingError

EVERYWHERE = "0.0.0.0"  # noqa: S104 - configured here, never bound


def test_without_settings_it_listens_on_loopback() -> None:
    config = load_config({})

    assert (config.host, config.port) == ("127.0.0.1", 8095)
    assert config.work_dir == Path("/tmp/code_command")
    assert config.sandbox_image == "code-sandbox:latest"
    assert config.is_loopback


def test_the_environment_overrides_the_defaults_and_options_the_environment() -> None:
    environment = {"CODE_HOST": "10.0.0.1", "CODE_PORT": "9000", "CODE_WORK_DIR": "/srv/code"}

    assert load_config(environment).port == 9000
    assert load_config(environment).work_dir == Path("/srv/code")

    config = load_config(environment, host=EVERYWHERE, port=9001)

    assert (config.host, config.port) == (EVERYWHERE, 9001)


def test_an_empty_variable_counts_as_unset() -> None:
    config = load_config({"CODE_HOST": "", "CODE_PORT": "", "CODE_WORK_DIR": ""})

    assert config.local_url == "http://127.0.0.1:8095"
    assert config.work_dir == Path("/tmp/code_command")


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8095.0", "http", "٣"])
def test_a_port_that_is_none_is_refused_by_name(port: str) -> None:
    with pytest.raises(BadSettingError, match="CODE_PORT"):
        load_config({"CODE_PORT": port})


def test_the_sandbox_image_has_all_languages_or_few() -> None:
    assert load_config({}).sandbox_languages == "all"
    assert load_config({"SANDBOX_LANGUAGES": "small"}).sandbox_languages == "small"
    with pytest.raises(BadSettingError, match="SANDBOX_LANGUAGES must be all or small"):
        load_config({"SANDBOX_LANGUAGES": "py,go"})


def test_a_relative_work_folder_is_refused_by_name() -> None:
    with pytest.raises(BadSettingError, match="CODE_WORK_DIR"):
        load_config({"CODE_WORK_DIR": "data"})


@pytest.mark.parametrize(
    ("host", "is_loopback", "url"),
    [
        ("127.0.0.1", True, "http://127.0.0.1:8095"),
        ("127.0.0.2", True, "http://127.0.0.2:8095"),
        ("localhost", True, "http://localhost:8095"),
        ("::1", True, "http://[::1]:8095"),
        (EVERYWHERE, False, "http://127.0.0.1:8095"),
        ("::", False, "http://[::1]:8095"),
        ("192.168.1.5", False, "http://192.168.1.5:8095"),
        ("box.example.org", False, "http://box.example.org:8095"),
    ],
)
def test_the_host_decides_who_can_reach_it(host: str, *, is_loopback: bool, url: str) -> None:
    config = load_config({}, host=host)

    assert config.is_loopback is is_loopback
    assert config.local_url == url


@pytest.mark.parametrize("name", ["CODE_API_KEY", "CODE_API_KEYS"])
def test_a_configured_key_replaces_the_generated_one(name: str) -> None:
    assert load_config({name: "a=1234567890123456"}).has_own_keys
    assert not load_config({}).has_own_keys


@pytest.mark.parametrize("name", ["S3_ENDPOINT_URL", "S3_ACCESS_KEY_ID"])
def test_a_configured_object_store_replaces_ours(name: str) -> None:
    assert load_config({name: "x"}).has_own_storage
    assert not load_config({"S3_BUCKET": "x"}).has_own_storage


def test_a_configured_broker_replaces_ours() -> None:
    assert load_config({"BROKER_URL": "redis://cache:6379/0"}).has_own_broker
    assert not load_config({}).has_own_broker


def test_settings_are_not_shown_when_the_configuration_is() -> None:
    assert "hunter2" not in repr(load_config({"CODE_API_KEY": "hunter2hunter2hunter2"}))
