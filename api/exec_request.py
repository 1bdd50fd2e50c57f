"""What `POST /exec` takes, checked in the order and the words of librechat-contract 2.2."""

from dataclasses import dataclass

import msgspec

from api.errors import BadRequestError, PayloadTooLargeError
from api.file_references import FileReferenceRequest, read_references
from api.json_object import NULL, is_text, read_optional, read_text, size_bytes
from executor.messages import MAX_ARG_CHARS, MAX_ARGS, MAX_CODE_BYTES
from sandbox.supervisor.languages import LANGUAGES, find_language

SHOWN_LANGUAGE_CHARS = 64
_KNOWN_LANGUAGES = f"Use one of: {', '.join(LANGUAGES)}."
MAX_ARG_BYTES = 128 * 1024 - 1
"""MAX_ARG_STRLEN of Linux without the final NUL: the kernel refuses a longer argument."""
MAX_ARGS_BYTES = 1024 * 1024
"""Of all arguments; the kernel refuses a command line of more than about 2 MB."""
MAX_ESCAPE = 6
"""Bytes of JSON that one byte of text may take, as in `\\u0001`."""


class ExecFields(msgspec.Struct):
    """The fields of the body that mean something.

    The others are ignored, among them the `apiKey` that older clients send.
    """

    lang: msgspec.Raw = NULL
    code: msgspec.Raw = NULL
    args: msgspec.Raw = NULL
    files: msgspec.Raw = NULL
    runtime_session_hint: msgspec.Raw = NULL
    entity_id: msgspec.Raw = NULL


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecRequest:
    """A program that a client wants run."""

    language: str
    code: str
    args: tuple[str, ...]
    files: tuple[FileReferenceRequest, ...]


def check_exec_request(fields: ExecFields) -> ExecRequest:
    """Make sense of the body.

    Raises:
        BadRequestError: Something is missing or wrong; it says what.
        PayloadTooLargeError: The program is larger than `MAX_CODE_BYTES`.
    """
    name = read_text(fields.lang, "lang")
    if not name:
        raise BadRequestError("Missing required field: lang", _KNOWN_LANGUAGES)
    code = _code(fields.code)
    language = find_language(name)
    if language is None:
        raise BadRequestError(
            f"Unsupported language: {name[:SHOWN_LANGUAGE_CHARS]}",
            _KNOWN_LANGUAGES,
        )
    return ExecRequest(
        language=language.name,
        code=code,
        args=_args(fields.args),
        files=read_references(fields.files),
    )


def _code(field: msgspec.Raw) -> str:
    too_large = PayloadTooLargeError(
        "code is too large",
        f"code may have {MAX_CODE_BYTES} bytes of UTF-8. Upload what is data as a file, and"
        " read it from the program.",
    )
    if size_bytes(field) > MAX_ESCAPE * MAX_CODE_BYTES + 2:
        raise too_large
    code = read_text(field, "code")
    if code is None:
        raise BadRequestError("Missing required field: code")
    if len(code.encode()) > MAX_CODE_BYTES:
        raise too_large
    return code


def _args(field: msgspec.Raw) -> tuple[str, ...]:
    """Accept an array of strings, or one string."""
    problem = BadRequestError("args must be an array of strings")
    too_long = BadRequestError(
        f"args must not exceed {MAX_ARGS} entries of {MAX_ARG_CHARS} characters,"
        f" and {MAX_ARGS_BYTES} bytes in all"
    )
    if size_bytes(field) > MAX_ESCAPE * MAX_ARGS_BYTES:
        raise too_long
    if is_text(field):
        args = (read_text(field, "args") or "",)
    else:
        args = tuple(read_optional(field, list[str], problem) or ())
    sizes = [len(arg.encode()) for arg in args]
    if (
        len(args) > MAX_ARGS
        or sum(sizes) > MAX_ARGS_BYTES
        or max(sizes, default=0) > MAX_ARG_BYTES
        or any(len(arg) > MAX_ARG_CHARS for arg in args)
    ):
        raise too_long
    if any("\0" in arg for arg in args):
        raise BadRequestError("args must not contain NUL characters")
    return args
