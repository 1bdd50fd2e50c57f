"""What infra/compose.yaml promises, read from the file itself."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.images.build import STAND_INS, service_image_name
from storage.configuration import VARIABLES

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "infra" / "compose.yaml"
TEXT = COMPOSE_FILE.read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]

OURS = ("api", "executor", "engine")
STORES = ("minio", "seaweedfs")

INTERPOLATION = re.compile(r"(?<!\$)\$\{(?P<name>\w+)(?P<rule>:[-?])?(?P<rest>[^}]*)\}")
SECRET_NAME = re.compile(r"KEY$|KEYS$|KEY_ID$|PASSWORD|SECRET|TOKEN")

NOT_HANDED_ON = {
    "CODE_WORK_DIR": "one machine without compose keeps its data there",
    "CODEAPI_JWT_PUBLIC_KEYS_DIR": "a folder of the host; CODEAPI_JWT_JWKS_JSON serves as well",
    "LOCAL_MODE": "inside a container nobody is on loopback",
    "RESULT_BACKEND_URL": "the broker keeps the results",
    "SANDBOX_ENGINE": "the executor's container has the host's Docker engine and is not root",
    "SANDBOX_IMAGES_DIR": "only the other engine has one",
    "SANDBOX_LANGUAGES": "the image is built beforehand, by `./code-command build`",
    "SHARED_ASSETS_PATH": "a folder of the host, mounted where the executor looks",
}


def environment_of(service: str) -> dict[str, str | None]:
    return SERVICES[service].get("environment", {})


def networks_of(service: str) -> set[str]:
    return set(SERVICES[service].get("networks", ()))


def image_of(service: str) -> str:
    """The image's name when nobody overrides it."""
    match = INTERPOLATION.fullmatch(SERVICES[service]["image"])
    assert match is not None
    assert match["rule"] == ":-"
    return match["rest"]


def test_the_stack_has_an_api_an_executor_a_broker_and_a_choice_of_object_stores() -> None:
    assert set(SERVICES) == {*OURS, "valkey", *STORES}
    assert [SERVICES[store]["profiles"] for store in STORES] == [["minio"], ["seaweedfs"]]
    assert all("s3" in SERVICES[store]["networks"]["back"]["aliases"] for store in STORES)


@pytest.mark.parametrize("service", SERVICES)
def test_no_secret_has_a_default(service: str) -> None:
    for name, value in environment_of(service).items():
        if SECRET_NAME.search(name):
            given = INTERPOLATION.fullmatch(value or "")
            assert value is None or (given is not None and given["rule"] == ":?"), name


def test_no_interpolated_secret_has_a_default_anywhere_in_the_file() -> None:
    for found in INTERPOLATION.finditer(TEXT):
        if SECRET_NAME.search(found["name"]):
            assert found["rule"] == ":?", found[0]
            assert "./code-command init" in found["rest"]


def test_only_the_api_publishes_a_port_and_on_loopback_unless_told_otherwise() -> None:
    assert [name for name in SERVICES if "ports" in SERVICES[name]] == ["api"]
    assert SERVICES["api"]["ports"] == ["${CODE_HOST:-127.0.0.1}:${CODE_PORT:-8095}:8095"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_service_has_a_health_check_and_comes_back_after_a_crash(service: str) -> None:
    check = SERVICES[service]["healthcheck"]

    assert check["test"]
    assert {"interval", "timeout", "retries", "start_period"} <= set(check)
    assert SERVICES[service]["restart"] == "unless-stopped"


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_can_fill_the_disk_with_its_log(service: str) -> None:
    assert SERVICES[service]["logging"]["driver"] == "json-file"
    assert {"max-size", "max-file"} <= set(SERVICES[service]["logging"]["options"])


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_has_a_capability_or_can_gain_one(service: str) -> None:
    assert SERVICES[service]["cap_drop"] == ["ALL"]
    assert SERVICES[service]["security_opt"] == ["no-new-privileges:true"]
    assert (
        SERVICES[service]
        .keys()
        .isdisjoint({"privileged", "cap_add", "devices", "pid", "ipc", "userns_mode"})
    )
    assert SERVICES[service].get("network_mode", "none") == "none"


@pytest.mark.parametrize("service", SERVICES)
def test_no_service_can_take_all_memory_or_processes(service: str) -> None:
    assert re.fullmatch(r"[1-9]\d*[mg]", SERVICES[service]["mem_limit"])
    assert 0 < SERVICES[service]["pids_limit"] <= 512


@pytest.mark.parametrize("service", [name for name in SERVICES if name != "minio"])
def test_every_root_file_system_that_we_could_try_is_read_only(service: str) -> None:
    assert SERVICES[service]["read_only"] is True


def test_our_image_runs_as_nobody_of_the_host() -> None:
    dockerfile = (ROOT / "infra/images/Dockerfile").read_text(encoding="utf-8")

    assert re.findall(r"^USER (\d+):(\d+)$", dockerfile, re.MULTILINE) == [("10001", "10001")]
    assert all("user" not in SERVICES[service] for service in OURS)


def sources(service: str) -> list[str]:
    mounts: list[Any] = SERVICES[service].get("volumes", [])
    return [mount["source"] if isinstance(mount, dict) else mount for mount in mounts]


def test_only_the_engine_proxy_reaches_the_engine_and_only_by_its_group() -> None:
    with_socket = [
        name for name in SERVICES if any("DOCKER_SOCKET" in s for s in sources(name))
    ]

    assert with_socket == ["engine"]
    assert [name for name in SERVICES if "group_add" in SERVICES[name]] == ["engine"]
    assert len(SERVICES["engine"]["group_add"]) == 1
    assert "DOCKER_GID" in SERVICES["engine"]["group_add"][0]


def test_the_engine_proxy_has_no_network_and_no_secret() -> None:
    assert SERVICES["engine"]["network_mode"] == "none"
    assert not any(SECRET_NAME.search(name) for name in environment_of("engine"))
    assert not {"BROKER_URL", "S3_ENDPOINT_URL"} & set(environment_of("engine"))


def test_the_executor_alone_has_the_proxy_s_socket() -> None:
    with_it = {name for name in SERVICES if "engine-socket:/run/engine" in sources(name)}

    assert with_it == {"engine", "executor"}
    assert environment_of("executor")["DOCKER_HOST"] == "unix:///run/engine/docker.sock"


def test_the_proxy_judges_by_the_settings_that_the_executor_has() -> None:
    assert environment_of("engine").items() <= environment_of("executor").items()


def test_storage_broker_and_executor_are_on_the_internal_network_alone() -> None:
    assert COMPOSE["networks"]["back"]["internal"] is True
    assert networks_of("api") == {"front", "back"}
    others = set(SERVICES) - {"api", "engine"}
    assert all(networks_of(name) == {"back"} for name in others)


def test_the_executor_has_a_fixed_id_by_which_it_finds_its_leftovers() -> None:
    assert environment_of("executor")["CODE_EXECUTOR_ID"] == "${CODE_EXECUTOR_ID:-compose}"
    assert SERVICES["executor"]["hostname"] == "executor"


def test_the_api_and_the_executor_are_one_image_of_this_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]

    assert {image_of(service) for service in OURS} == {service_image_name()}
    assert service_image_name() == f"code-command:{version}"
    dockerfile = (ROOT / "infra/images/Dockerfile").read_text(encoding="utf-8")
    assert f'image.version="{version}"' in dockerfile


@pytest.mark.parametrize("service", SERVICES)
def test_every_image_is_pinned_to_a_release_and_can_be_replaced(service: str) -> None:
    _, _, tag = image_of(service).rpartition(":")

    assert re.search(r"\d+\.\d+|\d{4}-\d\d-\d\d", tag)


def test_a_stand_in_has_the_name_that_compose_asks_for() -> None:
    assert {stand_in.name for stand_in in STAND_INS} == {
        image_of("valkey"),
        image_of("seaweedfs"),
    }


def test_every_setting_of_the_product_can_be_made_here() -> None:
    handed_on = {name for service in OURS for name in environment_of(service)}

    assert handed_on - VARIABLES == {"DOCKER_HOST"}
    assert VARIABLES - handed_on == set(NOT_HANDED_ON)


def test_only_keys_and_stored_files_outlive_their_container() -> None:
    mounted = {
        mount.partition(":")[0]
        for name in SERVICES
        for mount in SERVICES[name].get("volumes", [])
        if isinstance(mount, str)
    }

    kept = {"api-keys", "minio-data", "seaweedfs-data"}
    assert mounted == set(COMPOSE["volumes"]) == {*kept, "engine-socket"}
