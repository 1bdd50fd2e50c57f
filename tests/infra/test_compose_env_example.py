"""`.env.example` says what can be set, and says it right."""

import re
from pathlib import Path

import pytest

from api.settings import ApiSettings
from executor.settings import ExecutorSettings
from storage.configuration import VARIABLES
from storage.settings import StorageSettings

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / ".env.example").read_text(encoding="utf-8")
LINES = re.findall(r"^#? ?([A-Z][A-Z0-9_]+)=(.*)$", TEXT, re.MULTILINE)

ONLY_COMPOSE = {
    "BROKER_PASSWORD",
    "COMPOSE_PROFILES",
    "DOCKER_GID",
    "DOCKER_SOCKET",
    "MINIO_IMAGE",
    "SEAWEEDFS_IMAGE",
    "SERVICE_IMAGE",
    "VALKEY_IMAGE",
}
KEY = "a-key-of-this-test-alone"


def test_every_variable_is_listed_once() -> None:
    names = [name for name, _ in LINES]

    assert len(names) == len(set(names))
    assert set(names) == VARIABLES | ONLY_COMPOSE


def test_everything_is_commented_out_so_that_a_copy_changes_nothing() -> None:
    assert re.findall(r"^[^#\s].*$", TEXT, re.MULTILINE) == []


def test_no_secret_has_a_value() -> None:
    secrets = {
        name: value for name, value in LINES if re.search(r"KEYS?$|KEY_ID$|PASSWORD", name)
    }

    assert secrets
    assert set(secrets.values()) == {""}


@pytest.mark.parametrize("model", [StorageSettings, ApiSettings, ExecutorSettings])
def test_the_values_shown_are_the_defaults(
    model: type[StorageSettings], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODE_API_KEY", KEY)
    defaults = model()
    shown = {name: value for name, value in LINES if name in VARIABLES and value}
    for name, value in shown.items():
        monkeypatch.setenv(name, value)

    assert shown
    assert model() == defaults
