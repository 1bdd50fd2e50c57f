"""Every error a client can see, in one table.

The domain raises its own errors and knows nothing of HTTP; this module alone decides what each
one means to a client. `error` is the contract's word, which clients compare (librechat-contract
2.0); `message` says what to do. What is not in the table is a bug, and leaves as a bare 500.
"""

from collections.abc import Mapping
from typing import NamedTuple

from litestar.status_codes import (
    HTTP_400_BAD_REQUEST,
    HTTP_401_UNAUTHORIZED,
    HTTP_403_FORBIDDEN,
    HTTP_404_NOT_FOUND,
    HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    HTTP_422_UNPROCESSABLE_ENTITY,
    HTTP_500_INTERNAL_SERVER_ERROR,
    HTTP_502_BAD_GATEWAY,
    HTTP_503_SERVICE_UNAVAILABLE,
    HTTP_504_GATEWAY_TIMEOUT,
)

from api.auth_errors import (
    ForeignPageError,
    KeyInvalidError,
    KeyMissingError,
    TokenInvalidError,
    TokenMissingError,
    TokensMisconfiguredError,
)
from api.dispatch import (
    DispatchError,
    ExecutorLostError,
    ExecutorsUnavailableError,
    QueueFullError,
    RunTimedOutError,
)
from executor.messages import FailureKind
from storage.errors import (
    ObjectNotFoundError,
    ObjectTooLargeError,
    SessionNotFoundError,
    StorageUnavailableError,
    StoredFileNotFoundError,
)

STORAGE_FAILURE = "storage_failure"
"""Route option: the contract's `error` for this route when storage does not answer."""

HTTP_499_CLIENT_CLOSED_REQUEST = 499
"""Nobody reads it; it is what nginx logs for a client that left."""

RETRY_AFTER_S = 5
"""About what an executor, the broker or S3 needs to come back."""


class Answer(NamedTuple):
    """How one error is told to a client."""

    status: int
    error: str
    message: str | None = None
    details: str | None = None
    retry_after_s: int | None = None
    more: Mapping[str, str | int] = {}
    """Further fields of the body."""

    @property
    def body(self) -> dict[str, str | int]:
        """The fields that the client is sent."""
        texts = {"error": self.error, "message": self.message, "details": self.details}
        said = {name: text for name, text in texts.items() if text is not None}
        return {**said, **self.more}

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to it."""
        return {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else {}


class ApiError(Exception):
    """Something that only HTTP knows of, with its answer."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.error)
        self.answer = answer


class BadRequestError(ApiError):
    """The client must change its request."""

    def __init__(self, error: str, message: str | None = None) -> None:
        super().__init__(Answer(HTTP_400_BAD_REQUEST, error, message))


class ForbiddenError(ApiError):
    """What the client asks for exists, in its own tenant, and is not for it."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(Answer(HTTP_403_FORBIDDEN, error, message))


class PayloadTooLargeError(ApiError):
    """The client must send less."""

    def __init__(self, error: str, message: str) -> None:
        super().__init__(Answer(HTTP_413_REQUEST_ENTITY_TOO_LARGE, error, message))


class ClientGoneError(ApiError):
    """The client closed the connection before it was answered."""

    def __init__(self) -> None:
        super().__init__(
            Answer(HTTP_499_CLIENT_CLOSED_REQUEST, "The client closed the connection")
        )


class RunFailedError(Exception):
    """There is no result to show: the service failed, not the program."""

    def __init__(self, kind: FailureKind, detail: str = "") -> None:
        super().__init__(kind.value)
        self.kind = kind
        self.detail = detail


_RETRY = "Nothing was stored; send the request again."

ANSWERS: Mapping[type[Exception], Answer] = {
    KeyMissingError: Answer(
        HTTP_401_UNAUTHORIZED,
        "API key is required",
        "Send the key in the X-API-Key header.",
    ),
    KeyInvalidError: Answer(
        HTTP_401_UNAUTHORIZED,
        "Invalid API key",
        "Check the key in the X-API-Key header: the server has none like it, or no more.",
    ),
    TokenMissingError: Answer(
        HTTP_401_UNAUTHORIZED,
        "Bearer token is required",
        "Send LibreChat's token in the Authorization header, or a key in X-API-Key.",
    ),
    TokenInvalidError: Answer(
        HTTP_401_UNAUTHORIZED,
        "Invalid bearer token",
        "Issuer, audience, lifetime, key id and signature must be as the server's"
        " CODEAPI_JWT_* settings say.",
    ),
    TokensMisconfiguredError: Answer(
        HTTP_500_INTERNAL_SERVER_ERROR,
        "CodeAPI JWT auth is misconfigured",
        "The server has no key left to verify tokens with. Its log says why.",
    ),
    ForeignPageError: Answer(
        HTTP_403_FORBIDDEN,
        "Forbidden",
        "In LOCAL_MODE the API is for this machine alone: call it by a loopback address, not"
        " from another site's page.",
    ),
    SessionNotFoundError: Answer(
        HTTP_404_NOT_FOUND,
        "Session not found",
        "It is unknown or has expired. Upload the files again.",
    ),
    StoredFileNotFoundError: Answer(
        HTTP_404_NOT_FOUND,
        "File not found",
        details="The file may have expired or does not exist",
    ),
    ObjectNotFoundError: Answer(
        HTTP_404_NOT_FOUND,
        "File not found",
        details="The file may have expired or does not exist",
    ),
    ObjectTooLargeError: Answer(
        HTTP_413_REQUEST_ENTITY_TOO_LARGE,
        "File size limit exceeded",
        "Nothing was stored. Upload a smaller file, or have MAX_UPLOAD_SIZE raised.",
    ),
    StorageUnavailableError: Answer(
        HTTP_503_SERVICE_UNAVAILABLE,
        "Storage is unavailable",
        details="Object storage does not answer. Try again in a few seconds.",
        retry_after_s=RETRY_AFTER_S,
    ),
    ExecutorsUnavailableError: Answer(
        HTTP_503_SERVICE_UNAVAILABLE,
        "microvm_unhealthy",
        "Sandbox runtime is unavailable. Nothing was started; try again in a few seconds.",
        retry_after_s=RETRY_AFTER_S,
    ),
    QueueFullError: Answer(
        HTTP_503_SERVICE_UNAVAILABLE,
        "microvm_launch_throttled",
        "Sandbox capacity is temporarily unavailable: too many runs wait. Nothing was started;"
        " try again in a few seconds.",
        retry_after_s=RETRY_AFTER_S,
    ),
    ExecutorLostError: Answer(
        HTTP_502_BAD_GATEWAY,
        "sandbox_execution_failed",
        f"The executor was lost while it ran the program. {_RETRY}",
    ),
    RunTimedOutError: Answer(
        HTTP_504_GATEWAY_TIMEOUT,
        "execution_timeout",
        "Execution timed out. Try again when the service is less busy.",
    ),
    DispatchError: Answer(
        HTTP_502_BAD_GATEWAY,
        "sandbox_execution_failed",
        f"The run ended without a report. {_RETRY}",
    ),
}

FAILURES: Mapping[FailureKind, Answer] = {
    FailureKind.SANDBOX_UNAVAILABLE: Answer(
        HTTP_503_SERVICE_UNAVAILABLE,
        "microvm_launch_failed",
        "Sandbox launch failed. Nothing was started; try again in a few seconds.",
        retry_after_s=RETRY_AFTER_S,
    ),
    FailureKind.SANDBOX_LOST: Answer(
        HTTP_502_BAD_GATEWAY,
        "sandbox_execution_failed",
        f"The sandbox was lost while the program ran. {_RETRY}",
    ),
    FailureKind.INPUT_UNAVAILABLE: Answer(
        HTTP_422_UNPROCESSABLE_ENTITY,
        "session_input_unavailable",
        "One or more input files are unavailable: unknown or expired. Upload them again.",
    ),
    FailureKind.INPUT_TOO_LARGE: Answer(
        HTTP_413_REQUEST_ENTITY_TOO_LARGE,
        "session_input_too_large",
        "Input files exceed the delivery limit. Send fewer or smaller files.",
    ),
    FailureKind.STORAGE_UNAVAILABLE: Answer(
        HTTP_502_BAD_GATEWAY,
        "session_input_source_failed",
        f"Input file service is unavailable. {_RETRY}",
        retry_after_s=RETRY_AFTER_S,
    ),
    FailureKind.DEADLINE_EXCEEDED: Answer(
        HTTP_504_GATEWAY_TIMEOUT,
        "execution_timeout",
        "Execution timed out. Try again when the service is less busy.",
    ),
    FailureKind.NOT_HELD: Answer(HTTP_404_NOT_FOUND, "Execution not found or expired"),
    FailureKind.UNKNOWN_TOOL: Answer(
        HTTP_502_BAD_GATEWAY,
        "sandbox_execution_failed",
        f"The program called a tool that it does not have. {_RETRY}",
    ),
    FailureKind.CANCELLED: Answer(
        HTTP_503_SERVICE_UNAVAILABLE,
        "microvm_unhealthy",
        f"Sandbox runtime is unavailable: the run was cancelled. {_RETRY}",
        retry_after_s=RETRY_AFTER_S,
    ),
}

INTERNAL = Answer(HTTP_500_INTERNAL_SERVER_ERROR, "Internal server error")


def answer_to(error: Exception) -> Answer:
    """Look `error` up; what is not in the table is a bug."""
    if isinstance(error, ApiError):
        return error.answer
    if isinstance(error, RunFailedError):
        return FAILURES[error.kind]
    return next((ANSWERS[kind] for kind in type(error).__mro__ if kind in ANSWERS), INTERNAL)
