"""What `POST /exec/programmatic` takes at first, checked in librechat-contract 4.2's order."""

import math
import posixpath
from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from api.errors import Answer, ApiError, BadRequestError, PayloadTooLargeError
from api.exec_request import MAX_ESCAPE
from api.file_references import FileReferenceRequest, read_references
from api.json_object import NULL, is_text, read_optional, read_text, size_bytes
from executor.messages import MAX_CODE_BYTES
from executor.tool_messages import ToolFunction
from sandbox.supervisor.languages import find_language
from sandbox.supervisor.programmatic.channel import MAX_NAME_BYTES
from sandbox.supervisor.programmatic.identifiers import bash_identifier

MAX_TOOLS = 100
MAX_PARAMETERS = 1000
"""Of a tool; one whose schema has more takes any. 620,000 in 7 MB took all of a sandbox's
memory, and many times their size in every process on the way."""
MAX_STATE_BYTES = 10_000_000
"""Of code, tools and files together: what the reference keeps of a program (contract 6.1)."""
DEFAULT_TIMEOUT_MS = 300_000.0
SHOWN_CHARS = 64
HISTORY_FILE = "_ptc_history.json"
"""The reference's own file in the workspace; clients may expect that nobody can supply it."""

_NO_TOOLS = BadRequestError("Missing required field: tools (must be a non-empty array)")


class ProgrammaticFields(msgspec.Struct):
    """The fields of the body that mean something."""

    code: msgspec.Raw = NULL
    tools: msgspec.Raw = NULL
    language: msgspec.Raw = NULL
    lang: msgspec.Raw = NULL
    timeout: msgspec.Raw = NULL
    files: msgspec.Raw = NULL
    continuation_token: msgspec.Raw = NULL
    tool_results: msgspec.Raw = NULL


class _ToolFields(msgspec.Struct):
    name: msgspec.Raw = NULL
    parameters: msgspec.Raw = NULL


class _SchemaFields(msgspec.Struct):
    properties: msgspec.Raw = NULL
    required: msgspec.Raw = NULL


class _NameField(msgspec.Struct):
    name: msgspec.Raw = NULL


@dataclass(frozen=True, slots=True, kw_only=True)
class ProgrammaticRequest:
    """A program that may call tools."""

    language: str
    code: str
    tools: tuple[ToolFunction, ...]
    time_limit_s: float
    files: tuple[FileReferenceRequest, ...]


def check_language(fields: ProgrammaticFields) -> str:
    """Return the canonical name of the language: the first of all checks.

    Raises:
        BadRequestError: It is neither Python nor bash.
    """
    field = fields.lang if fields.language == NULL else fields.language
    if field == NULL:
        return "py"
    given = (
        read_text(field, "language")
        if is_text(field)
        else bytes(field).decode(errors="replace")
    )
    language = find_language(given or "")
    if language is None or language.name not in {"py", "bash"}:
        raise BadRequestError(
            f'Unsupported language "{(given or "")[:SHOWN_CHARS]}"; supported values are'
            ' "python" and "bash"'
        )
    return language.name


def check_programmatic_request(
    language: str, fields: ProgrammaticFields
) -> ProgrammaticRequest:
    """Make sense of a body without a continuation token.

    Raises:
        BadRequestError: Something is missing or wrong; it says what.
        PayloadTooLargeError, ApiError: It is more than a program may be.
    """
    time_limit_s = _timeout_ms(fields.timeout) / 1000
    code = _code(fields.code)
    tools = _tools(fields.tools)
    _check_reserved_names(fields.files)
    if language == "bash":
        _check_collisions(tool.name for tool in tools)
    files = read_references(fields.files)
    size = sum(size_bytes(field) for field in (fields.code, fields.tools, fields.files))
    if size > MAX_STATE_BYTES:
        raise _too_large(size)
    return ProgrammaticRequest(
        language=language, code=code, tools=tools, time_limit_s=time_limit_s, files=files
    )


def _timeout_ms(field: msgspec.Raw) -> float:
    problem = BadRequestError("timeout must be a positive number of milliseconds")
    value = read_optional(field, float, problem)
    if value is None:
        return DEFAULT_TIMEOUT_MS
    if not value > 0 or not math.isfinite(value):
        raise problem
    return value


def _code(field: msgspec.Raw) -> str:
    missing = BadRequestError("Missing required field: code")
    if size_bytes(field) > MAX_ESCAPE * MAX_CODE_BYTES + 2:
        raise _too_large(size_bytes(field))
    code = read_text(field, "code") if is_text(field) else None
    if not code:
        raise missing
    if len(code.encode()) > MAX_CODE_BYTES:
        raise PayloadTooLargeError(
            "code is too large",
            f"code may have {MAX_CODE_BYTES} bytes of UTF-8. Upload what is data as a file.",
        )
    return code


def _tools(field: msgspec.Raw) -> tuple[ToolFunction, ...]:
    entries = read_optional(field, list[msgspec.Raw], _NO_TOOLS)
    if entries is None:
        raise _NO_TOOLS
    if len(entries) > MAX_TOOLS:
        raise BadRequestError(
            f"Too many tools provided ({len(entries)}). Maximum is {MAX_TOOLS}."
        )
    return tuple(_tool(entry, index) for index, entry in enumerate(entries))


def _tool(entry: msgspec.Raw, index: int) -> ToolFunction:
    problem = BadRequestError(
        f"tools[{index}] must be an object with a name of 1 to {MAX_NAME_BYTES} bytes"
    )
    fields = read_optional(entry, _ToolFields, problem)
    if fields is None:
        raise problem
    name = read_optional(fields.name, str, problem)
    if not name or "\0" in name or len(name.encode()) > MAX_NAME_BYTES:
        raise problem
    return ToolFunction(name=name, **_parameters(fields.parameters))


def _parameters(field: msgspec.Raw) -> dict[str, tuple[str, ...]]:
    """Return what a JSON Schema says of arguments; nothing where it is none that we know."""
    try:
        schema = msgspec.json.decode(field, type=_SchemaFields)
        named = msgspec.json.decode(schema.properties, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return {}
    if len(named) > MAX_PARAMETERS:
        return {}
    try:
        required = msgspec.json.decode(schema.required, type=list[str])
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        required = []
    return {"parameters": tuple(named), "required": tuple(required)}


def _check_reserved_names(field: msgspec.Raw) -> None:
    try:
        entries = msgspec.json.decode(field, type=list[_NameField] | None)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return  # What is wrong with them is told further on.
    for entry in entries or ():
        name = read_text(entry.name, "name") if is_text(entry.name) else None
        if name is not None and _is_reserved(name):
            raise BadRequestError(
                f'files[].name "{name[:SHOWN_CHARS]}" is reserved for PTC runtime and cannot be'
                " supplied by callers"
            )


def _is_reserved(name: str) -> bool:
    path = posixpath.normpath(name)
    return posixpath.basename(path) == HISTORY_FILE or path.split("/")[0] == ".."


def _check_collisions(names: Iterable[str]) -> None:
    known: dict[str, str] = {}
    for name in names:
        identifier = bash_identifier(name)
        other = known.setdefault(identifier, name)
        if other != name:
            raise BadRequestError(
                f'Bash tool names "{other}" and "{name}" normalize to the same function'
                f' identifier "{identifier}"; rename one to avoid collision'
            )


def _too_large(size: int) -> ApiError:
    return ApiError(
        Answer(
            413,
            f"Request too large: serialized execution state is {size} bytes (max"
            f' {MAX_STATE_BYTES}). Reduce the size of "code", "tools", or "files".',
        )
    )
