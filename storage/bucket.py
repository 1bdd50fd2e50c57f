"""Makes the bucket fit for us: it exists, and it expires what we no longer serve.

Everything here blocks; a coroutine calls it through `asyncio.to_thread`.
"""

import math
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import boto3.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from storage.errors import StorageError
from storage.settings import StorageSettings

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import LifecycleRuleOutputTypeDef, LifecycleRuleTypeDef

_MISSING = {"404", "NoSuchBucket"}
_DENIED = {
    "403",
    "AccessDenied",
    "AllAccessDisabled",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
}
_OURS_ALREADY = "BucketAlreadyOwnedByYou"
_NO_RULES = "NoSuchLifecycleConfiguration"
_DAY = timedelta(days=1)


class BucketUnavailableError(StorageError):
    """The bucket cannot be used as it is. The message tells an operator what to do."""


class BucketAccessDeniedError(BucketUnavailableError):
    """The credentials do not allow the call.

    Where somebody else takes care of the bucket (Terraform, say), it may be fine
    nevertheless: objects can be reached if `ObjectStore.check` says so.
    """


class BucketAdmin:
    """Administers the one bucket that the settings name."""

    def __init__(self, settings: StorageSettings) -> None:
        self._client = _client(settings)
        self._bucket = settings.s3_bucket
        self._region = settings.s3_region
        self._prefix = settings.s3_prefix
        self._max_age = settings.session_max_age

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def ensure_bucket(self) -> None:
        """Create the bucket unless it is there. May be repeated.

        Raises:
            BucketAccessDeniedError: We may not look, or may not create it.
            BucketUnavailableError: S3 does not answer, or the name belongs to a stranger.
        """
        with self._explained("reach"):
            try:
                self._client.head_bucket(Bucket=self._bucket)
            except ClientError as fault:
                if _code(fault) not in _MISSING:
                    raise
            else:
                return
        with self._explained("create"):
            try:
                self._create()
            except ClientError as fault:
                if _code(fault) != _OURS_ALREADY:  # Another process was faster.
                    raise

    def ensure_expiry_rule(self) -> None:
        """Have the bucket remove our objects once we no longer serve them. May be repeated.

        S3 counts whole days and sweeps when it likes, so bytes go some time *after* their
        session expired; what is served is decided by `Sessions`, to the second. Uploads
        that were never completed go after a day. Rules of others stay as they are; one that
        already does all this, by whatever name, is left alone.

        Raises:
            BucketAccessDeniedError: We may not read or change the rules.
            BucketUnavailableError: S3 does not answer, has no bucket, or refuses the rule.
        """
        rule = self._expiry_rule()
        with self._explained("set the expiry rule of"):
            present = self._rules()
            if any(_does_the_same(other, rule) for other in present):
                return
            kept: list[Any] = [other for other in present if other.get("ID") != rule.get("ID")]
            self._client.put_bucket_lifecycle_configuration(
                Bucket=self._bucket, LifecycleConfiguration={"Rules": [*kept, rule]}
            )

    def _create(self) -> None:
        # AWS refuses its first region's name here, and demands every other's.
        if self._region == "us-east-1":
            self._client.create_bucket(Bucket=self._bucket)
        else:
            where: Any = {"LocationConstraint": self._region}
            self._client.create_bucket(Bucket=self._bucket, CreateBucketConfiguration=where)

    def _rules(self) -> "list[LifecycleRuleOutputTypeDef]":
        try:
            answer = self._client.get_bucket_lifecycle_configuration(Bucket=self._bucket)
        except ClientError as fault:
            if _code(fault) == _NO_RULES:
                return []
            raise
        return answer.get("Rules", [])  # Some services answer with an empty list for none.

    def _expiry_rule(self) -> "LifecycleRuleTypeDef":
        return {
            # Named after the prefix: deployments may share a bucket, each below its own.
            "ID": f"code-command:{self._prefix}",
            "Status": "Enabled",
            "Filter": {"Prefix": self._prefix},
            "Expiration": {"Days": max(1, math.ceil(self._max_age / _DAY))},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
        }

    @contextmanager
    def _explained(self, what: str) -> Generator[None, None, None]:
        try:
            yield
        except ClientError as fault:
            code = _code(fault)
            if code in _DENIED:
                raise BucketAccessDeniedError(
                    f"S3 does not let us {what} bucket {self._bucket!r} ({code}): check "
                    "S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY and what they are allowed to do"
                ) from fault
            raise BucketUnavailableError(
                f"S3 would not {what} bucket {self._bucket!r} ({code}): check S3_BUCKET, "
                "S3_REGION and S3_ENDPOINT_URL"
            ) from fault
        except BotoCoreError as fault:
            raise BucketUnavailableError(
                f"S3 did not answer when asked to {what} bucket {self._bucket!r}: check that "
                "it runs at S3_ENDPOINT_URL and can be reached from here"
            ) from fault


def _client(settings: StorageSettings) -> "S3Client":
    secret = settings.s3_secret_access_key
    # A session of its own: the one that boto3 shares may not be used from several threads.
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.s3_endpoint_url,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key_id,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            connect_timeout=2,
            read_timeout=5,
            retries={"total_max_attempts": 2, "mode": "standard"},
            # Names such as `bucket.localhost` seldom resolve outside of AWS.
            s3={"addressing_style": "path" if settings.s3_endpoint_url else "auto"},
        ),
    )


def _code(fault: ClientError) -> str:
    return fault.response.get("Error", {}).get("Code", "unknown")


def _does_the_same(other: "LifecycleRuleOutputTypeDef", rule: "LifecycleRuleTypeDef") -> bool:
    effects = ("Status", "Filter", "Expiration", "AbortIncompleteMultipartUpload")
    return all(other.get(effect) == rule.get(effect) for effect in effects)
