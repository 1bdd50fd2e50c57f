"""What a client is told of a run that has no result: the service failed, not the program."""

from collections.abc import Mapping

from litestar.status_codes import (
    HTTP_404_NOT_FOUND,
    HTTP_409_CONFLICT,
    HTTP_413_REQUEST_ENTITY_TOO_LARGE,
    HTTP_422_UNPROCESSABLE_ENTITY,
    HTTP_502_BAD_GATEWAY,
    HTTP_503_SERVICE_UNAVAILABLE,
    HTTP_504_GATEWAY_TIMEOUT,
)

from api.answer import RETRY, RETRY_AFTER_S, Answer
from executor.messages import FailureKind

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
        f"The sandbox was lost while the program ran. {RETRY}",
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
        f"Input file service is unavailable. {RETRY}",
        retry_after_s=RETRY_AFTER_S,
    ),
    FailureKind.DEADLINE_EXCEEDED: Answer(
        HTTP_504_GATEWAY_TIMEOUT,
        "execution_timeout",
        "Execution timed out. Try again when the service is less busy.",
    ),
    FailureKind.STATE_BUSY: Answer(
        HTTP_409_CONFLICT, "runtime_session_busy", "Runtime session is busy"
    ),
    FailureKind.STATE_FENCED: Answer(
        HTTP_503_SERVICE_UNAVAILABLE,
        "microvm_fenced",
        "Runtime session changed during execution. Its workspace was not saved; send the"
        " request again.",
        retry_after_s=RETRY_AFTER_S,
    ),
    FailureKind.STATE_UNLOCKABLE: Answer(
        HTTP_503_SERVICE_UNAVAILABLE,
        "microvm_unhealthy",
        "Sandbox runtime is unavailable: the runtime session cannot be reserved. Nothing was"
        " started; try again in a few seconds.",
        retry_after_s=RETRY_AFTER_S,
    ),
    FailureKind.NOT_HELD: Answer(HTTP_404_NOT_FOUND, "Execution not found or expired"),
    FailureKind.UNKNOWN_TOOL: Answer(
        HTTP_502_BAD_GATEWAY,
        "sandbox_execution_failed",
        f"The program called a tool that it does not have. {RETRY}",
    ),
    FailureKind.CANCELLED: Answer(
        HTTP_503_SERVICE_UNAVAILABLE,
        "microvm_unhealthy",
        f"Sandbox runtime is unavailable: the run was cancelled. {RETRY}",
        retry_after_s=RETRY_AFTER_S,
    ),
    FailureKind.HANDED_BACK: Answer(
        HTTP_503_SERVICE_UNAVAILABLE,
        "microvm_unhealthy",
        f"Sandbox runtime is unavailable: the executor was stopped. {RETRY}",
        retry_after_s=RETRY_AFTER_S,
    ),
}
