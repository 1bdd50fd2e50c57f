"""The bucket's administration, on moto; `tests/live` asks a real server too."""

import secrets
import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

import boto3.session
import pytest
from moto.server import ThreadedMotoServer
from pydantic import SecretStr

from storage.bucket import BucketAdmin, BucketUnavailableError
from storage.settings import StorageSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOREIGN_RULE: dict[str, Any] = {
    "ID": "somebody else's logs",
    "Status": "Enabled",
    "Filter": {"Prefix": "logs/"},
    "Expiration": {"Days": 90},
}


@pytest.fixture(scope="module")
def endpoint_url() -> Generator[str, None, None]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def settings(endpoint_url: str) -> StorageSettings:
    """Of a bucket that does not exist yet."""
    return StorageSettings(
        s3_endpoint_url=endpoint_url,
        s3_bucket=f"bucket-{secrets.token_hex(8)}",
        s3_access_key_id="some-key",
        s3_secret_access_key=SecretStr("some-secret"),
    )


@pytest.fixture
def client(endpoint_url: str) -> "Generator[S3Client, None, None]":
    client = boto3.session.Session().client(
        "s3",
        endpoint_url=endpoint_url,
        region_name="us-east-1",
        aws_access_key_id="some-key",
        aws_secret_access_key="some-secret",
    )
    yield client
    client.close()


class _EmptyList(BaseHTTPRequestHandler):
    """Has no rules, and takes any."""

    protocol_version = "HTTP/1.1"
    given: ClassVar[list[bytes]] = []

    def do_GET(self) -> None:
        self._answer(b"<LifecycleConfiguration/>")

    def do_PUT(self) -> None:
        self.given.append(self.rfile.read(int(self.headers["Content-Length"])))
        self._answer(b"")

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def empty_list_url() -> Generator[str, None, None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _EmptyList) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def rules_of(client: "S3Client", settings: StorageSettings) -> list[Any]:
    answer = client.get_bucket_lifecycle_configuration(Bucket=settings.s3_bucket)
    return list(answer["Rules"])


def set_rules(client: "S3Client", settings: StorageSettings, *rules: Any) -> None:
    client.put_bucket_lifecycle_configuration(
        Bucket=settings.s3_bucket, LifecycleConfiguration={"Rules": list(rules)}
    )


def prepare(settings: StorageSettings) -> None:
    admin = BucketAdmin(settings)
    admin.ensure_bucket()
    admin.ensure_expiry_rule()
    admin.close()


class TestEnsureBucket:
    def test_a_missing_bucket_is_created(
        self, settings: StorageSettings, client: "S3Client"
    ) -> None:
        BucketAdmin(settings).ensure_bucket()

        assert settings.s3_bucket in [
            bucket.get("Name") for bucket in client.list_buckets()["Buckets"]
        ]

    def test_it_may_be_repeated_and_keeps_what_is_there(
        self, settings: StorageSettings, client: "S3Client"
    ) -> None:
        BucketAdmin(settings).ensure_bucket()
        client.put_object(Bucket=settings.s3_bucket, Key="sessions/a", Body=b"abc")

        BucketAdmin(settings).ensure_bucket()

        answer = client.get_object(Bucket=settings.s3_bucket, Key="sessions/a")
        assert answer["Body"].read() == b"abc"

    def test_it_is_created_in_the_region_that_is_set(
        self, settings: StorageSettings, client: "S3Client"
    ) -> None:
        BucketAdmin(settings.model_copy(update={"s3_region": "eu-central-1"})).ensure_bucket()

        where = client.get_bucket_location(Bucket=settings.s3_bucket)
        assert where["LocationConstraint"] == "eu-central-1"

    def test_a_service_that_is_gone_is_reported_within_seconds_with_what_to_do(
        self, settings: StorageSettings
    ) -> None:
        gone = settings.model_copy(update={"s3_endpoint_url": "http://127.0.0.1:1"})
        started = time.monotonic()

        with pytest.raises(BucketUnavailableError, match="S3_ENDPOINT_URL"):
            BucketAdmin(gone).ensure_bucket()

        assert time.monotonic() - started < 10


class TestEnsureExpiryRule:
    def test_objects_below_our_prefix_and_unfinished_uploads_expire(
        self, settings: StorageSettings, client: "S3Client"
    ) -> None:
        prepare(settings)

        assert rules_of(client, settings) == [
            {
                "ID": "code-command:sessions/",
                "Status": "Enabled",
                "Filter": {"Prefix": "sessions/"},
                "Expiration": {"Days": 1},
                "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            }
        ]

    @pytest.mark.parametrize(
        ("hours", "days"), [(0.01, 1), (24, 1), (24.01, 2), (36, 2), (72, 3)]
    )
    def test_days_are_rounded_up_so_that_nothing_goes_while_it_is_served(
        self, settings: StorageSettings, client: "S3Client", hours: float, days: int
    ) -> None:
        prepare(settings.model_copy(update={"session_max_age_hours": hours}))

        assert rules_of(client, settings)[0]["Expiration"] == {"Days": days}

    def test_a_changed_age_changes_our_rule_and_no_other(
        self, settings: StorageSettings, client: "S3Client"
    ) -> None:
        prepare(settings)
        set_rules(client, settings, FOREIGN_RULE, *rules_of(client, settings))

        prepare(settings.model_copy(update={"session_max_age_hours": 48}))

        foreign, ours = rules_of(client, settings)
        assert foreign == FOREIGN_RULE
        assert ours["Expiration"] == {"Days": 2}

    def test_deployments_that_share_a_bucket_keep_a_rule_each(
        self, settings: StorageSettings, client: "S3Client"
    ) -> None:
        prepare(settings)
        prepare(settings.model_copy(update={"s3_prefix": "team/"}))

        prefixes = [rule["Filter"]["Prefix"] for rule in rules_of(client, settings)]
        assert prefixes == ["sessions/", "team/"]

    def test_an_equal_rule_of_another_name_is_enough(
        self, settings: StorageSettings, client: "S3Client"
    ) -> None:
        """Terraform names its rules as it likes, and would undo a second one."""
        prepare(settings)
        terraforms = rules_of(client, settings)[0] | {"ID": "set-by-terraform"}
        set_rules(client, settings, terraforms)

        prepare(settings)

        assert rules_of(client, settings) == [terraforms]

    def test_a_disabled_rule_is_not_enough(
        self, settings: StorageSettings, client: "S3Client"
    ) -> None:
        prepare(settings)
        set_rules(client, settings, rules_of(client, settings)[0] | {"Status": "Disabled"})

        prepare(settings)

        assert [rule["Status"] for rule in rules_of(client, settings)] == ["Enabled"]

    def test_a_missing_bucket_is_reported_with_what_to_do(
        self, settings: StorageSettings
    ) -> None:
        with pytest.raises(BucketUnavailableError, match=r"NoSuchBucket.*S3_BUCKET"):
            BucketAdmin(settings).ensure_expiry_rule()

    def test_a_service_that_has_an_empty_list_of_rules_is_given_ours(
        self, settings: StorageSettings, empty_list_url: str
    ) -> None:
        """Amazon has an error instead."""
        admin = BucketAdmin(settings.model_copy(update={"s3_endpoint_url": empty_list_url}))

        admin.ensure_expiry_rule()
        admin.close()

        (given,) = _EmptyList.given
        assert b"<ID>code-command:sessions/</ID>" in given
