"""What the environment may say about storage."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from storage.settings import StorageSettings

NAMES = (
    "S3_ENDPOINT_URL",
    "S3_BUCKET",
    "S3_REGION",
    "S3_ACCESS_KEY_ID",
    "S3_SECRET_ACCESS_KEY",
    "S3_PREFIX",
    "SESSION_MAX_AGE_HOURS",
    "MAX_UPLOAD_SIZE",
)


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)


def test_the_defaults_are_those_of_the_original() -> None:
    settings = StorageSettings()

    assert settings.session_max_age == timedelta(hours=24)
    assert settings.max_upload_size == 52_428_800
    assert settings.s3_bucket == "code-command"
    assert settings.s3_prefix == "sessions/"
    assert settings.s3_endpoint_url is None


def test_every_variable_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "S3_ENDPOINT_URL": "http://127.0.0.1:8333",
        "S3_BUCKET": "files",
        "S3_REGION": "eu-central-1",
        "S3_ACCESS_KEY_ID": "some-key",
        "S3_SECRET_ACCESS_KEY": "some-secret",
        "S3_PREFIX": "team/sessions/",
        "SESSION_MAX_AGE_HOURS": "0.5",
        "MAX_UPLOAD_SIZE": "1000",
    }.items():
        monkeypatch.setenv(name, value)

    settings = StorageSettings()

    assert settings.s3_endpoint_url == "http://127.0.0.1:8333"
    assert settings.s3_bucket == "files"
    assert settings.s3_region == "eu-central-1"
    assert settings.s3_access_key_id == "some-key"
    assert settings.s3_secret_access_key is not None
    assert settings.s3_secret_access_key.get_secret_value() == "some-secret"
    assert settings.s3_prefix == "team/sessions/"
    assert settings.session_max_age == timedelta(minutes=30)
    assert settings.max_upload_size == 1000


def test_an_empty_variable_counts_as_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ENDPOINT_URL", "")

    assert StorageSettings().s3_endpoint_url is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("S3_ENDPOINT_URL", "127.0.0.1:8333"),
        ("S3_ENDPOINT_URL", "ftp://files"),
        ("S3_BUCKET", "Not_A_Bucket"),
        ("S3_REGION", "somewhere else"),
        ("S3_PREFIX", "sessions"),
        ("S3_PREFIX", "/"),
        ("S3_PREFIX", "/sessions/"),
        ("S3_PREFIX", "../"),
        ("SESSION_MAX_AGE_HOURS", "0"),
        ("SESSION_MAX_AGE_HOURS", "inf"),
        ("MAX_UPLOAD_SIZE", "0"),
        ("MAX_UPLOAD_SIZE", "50MB"),
    ],
)
def test_a_bad_value_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(ValidationError) as raised:
        StorageSettings()

    assert [error["loc"] for error in raised.value.errors()] == [(name.lower(),)]


@pytest.mark.parametrize("name", ["S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY"])
def test_half_of_the_credentials_is_refused_without_showing_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "half-of-it")

    with pytest.raises(ValidationError, match="go together") as raised:
        StorageSettings()

    assert "half-of-it" not in str(raised.value)


def test_the_secret_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S3_ACCESS_KEY_ID", "some-key")
    monkeypatch.setenv("S3_SECRET_ACCESS_KEY", "not-to-be-seen")

    assert "not-to-be-seen" not in repr(StorageSettings())
