"""The `tool_results` of a continuation (librechat-contract 4.4), checked in that order."""

import re
from dataclasses import dataclass
from hashlib import sha256

import msgspec

from api.errors import BadRequestError
from api.json_object import NULL, is_text, read_optional, read_text, size_bytes
from api.programmatic_request import ProgrammaticFields
from executor.tool_messages import CallResult
from sandbox.supervisor.programmatic.channel import MAX_CALLS

MAX_RESULT_BYTES = 5_000_000
MAX_HISTORY_BYTES = 40_000_000
"""All results of one execution."""
TOOL_FAILED = "tool execution failed"
NOT_ISSUED = "tool_results[{}] was not issued by the sandbox for this execution"

TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
"""256 random bits."""
_CALL_ID = re.compile(r"call_[0-9]{3,6}")
_SHOWN_CHARS = 64
_ABSENT = msgspec.Raw(b"")


class _Fields(msgspec.Struct):
    call_id: msgspec.Raw = NULL
    result: msgspec.Raw = _ABSENT
    is_error: msgspec.Raw = _ABSENT
    error_message: msgspec.Raw = _ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenResult:
    """An answer to a call, as the client gave it."""

    call_id: str
    result: CallResult
    size_bytes: int

    @property
    def digest(self) -> str:
        """The same for the same answer."""
        text = f"{self.result.is_error}{self.result.text}"
        return sha256(text.encode(errors="surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Continuation:
    """Answers for a program that waits."""

    token: str
    results: tuple[GivenResult, ...]


def call_id(number: int) -> str:
    """Return what clients call a program's call."""
    return f"call_{number:03}"


def check_continuation(fields: ProgrammaticFields) -> Continuation:
    """Make sense of a body with a continuation token.

    Raises:
        BadRequestError: Something is missing or wrong; it says what.
    """
    problem = BadRequestError(
        "tool_results must be an array when continuation_token is provided"
    )
    entries = read_optional(fields.tool_results, list[msgspec.Raw], problem)
    if entries is None:
        raise problem
    if not entries:
        raise BadRequestError(
            "tool_results must be a non-empty array; resubmit with at least one result per"
            " pending tool call"
        )
    field = fields.continuation_token
    token = read_text(field, "continuation_token") if is_text(field) else None
    if token is None or not TOKEN.fullmatch(token):
        raise BadRequestError("Invalid continuation token")
    if len(entries) > MAX_CALLS:
        raise BadRequestError(
            f"tool_results has {len(entries)} entries; the per-batch cap is {MAX_CALLS}"
        )
    results = tuple(_result(entry) for entry in entries)
    seen: set[str] = set()
    for result in results:
        if result.call_id in seen:
            raise BadRequestError(f"Duplicate call_id in tool_results: {result.call_id}")
        seen.add(result.call_id)
    return Continuation(token=token, results=results)


def _result(entry: msgspec.Raw) -> GivenResult:
    problem = BadRequestError("tool_results entries must be objects")
    fields = read_optional(entry, _Fields, problem)
    if fields is None:
        raise problem
    name = _call_id(fields.call_id)
    number = int(name.removeprefix("call_"))
    if name != call_id(number):  # `call_0001` would be a second answer to `call_001`.
        raise BadRequestError(NOT_ISSUED.format(name))
    where = f"tool_results[{name}]"
    if fields.result == _ABSENT:
        raise BadRequestError(f"{where}.result is required")
    wrong = BadRequestError(f"{where}.is_error must be a boolean if present")
    is_error = fields.is_error != _ABSENT and read_optional(fields.is_error, bool, wrong)
    if is_error is None:
        raise wrong
    message = _message(fields.error_message, where)
    _check_size(fields.result, f"{where}.result is", "per-result")
    _check_size(entry, f"{where} serialized entry is", "per-entry")
    text = (message or TOOL_FAILED) if is_error else _text(fields.result, where)
    result = CallResult(number=number, text=text, is_error=is_error)
    return GivenResult(call_id=name, result=result, size_bytes=size_bytes(entry))


def _call_id(field: msgspec.Raw) -> str:
    given = (
        read_text(field, "call_id") if is_text(field) else bytes(field).decode(errors="replace")
    )
    if given is None or not is_text(field) or not _CALL_ID.fullmatch(given):
        raise BadRequestError(
            "tool_results[].call_id must match /^call_\\d{3,6}$/, got:"
            f" {(given or '')[:_SHOWN_CHARS]}"
        )
    return given


def _text(field: msgspec.Raw, where: str) -> str:
    try:
        return bytes(field).decode()
    except UnicodeDecodeError as fault:
        raise BadRequestError(f"{where}.result is not JSON-serializable") from fault


def _message(field: msgspec.Raw, where: str) -> str | None:
    if field == _ABSENT:
        return None
    wrong = BadRequestError(f"{where}.error_message must be a string if present")
    message = read_optional(field, str, wrong)
    if message is None:
        raise wrong
    return message


def _check_size(field: msgspec.Raw, what: str, cap: str) -> None:
    if size_bytes(field) > MAX_RESULT_BYTES:
        raise BadRequestError(
            f"{what} {size_bytes(field)} bytes, exceeds {cap} cap {MAX_RESULT_BYTES}"
        )
