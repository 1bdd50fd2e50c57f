"""What the OpenAPI description says beyond what the code says by itself."""

from dataclasses import dataclass, replace
from typing import Any

from litestar import Request, Router
from litestar.exceptions import NotFoundException
from litestar.openapi import OpenAPIConfig, ResponseSpec
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import (
    Components,
    Example,
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
    SecurityScheme,
    Server,
)
from pydantic import BaseModel, Field

from api.auth import PUBLIC
from sandbox.supervisor.languages import LANGUAGES

SCHEMA_PATH = "/schema"
API_VERSION = "0.1.0"


class ErrorBody(BaseModel):
    """Every error, whatever its status."""

    error: str = Field(description="A word or sentence that stays the same.")
    message: str | None = Field(default=None, description="What to do.")
    details: str | None = None
    retry_after_seconds: int | None = Field(default=None, description="With status 429.")


def describe_errors(**texts: str) -> dict[int, ResponseSpec]:
    """Describe errors, given as `_413="…"`."""
    return {
        int(status.removeprefix("_")): ResponseSpec(
            ErrorBody, description=text, generate_examples=False
        )
        for status, text in texts.items()
    }


EVERYWHERE = {
    "_400": "Something in the request is missing or wrong; `error` says what.",
    "_401": "No key, or a wrong one.",
    "_429": "Too many requests for now. Send it again after `Retry-After` seconds.",
    "_503": "A part of the service is down. Safe to send again after `Retry-After`.",
}
EXEC_ERRORS = describe_errors(
    **EVERYWHERE,
    _403="An input file is not for you.",
    _409="Another run has the workspace, or the server has another profile.",
    _413="The program, its arguments or its input files are too large.",
    _422="An input file is unknown or expired.",
    _502="The sandbox, or storage, failed during the run. Safe to send again.",
    _504="The run's turn came too late, or it took too long.",
)
UPLOAD_ERRORS = describe_errors(
    **EVERYWHERE,
    _413="A file is too large. Nothing was stored.",
    _504="A file arrived too slowly. Nothing was stored.",
)
BATCH_ERRORS = describe_errors(
    **EVERYWHERE,
    _413="The form is too large. Nothing was stored.",
    _504="The form stopped coming between two files. Nothing was stored.",
)
_FOREIGN = "The session is another user's, or was made for another kind, id or version."
SESSION_ERRORS = describe_errors(
    **EVERYWHERE, _403=_FOREIGN, _404="No such session, or it has expired."
)
FILE_ERRORS = describe_errors(
    **EVERYWHERE, _403=_FOREIGN, _404="No such file, or it has expired."
)

_TEXT = Schema(type=OpenAPIType.STRING)
_ID = Schema(type=OpenAPIType.STRING, pattern="^[A-Za-z0-9_-]{21}$")

EXEC_BODY = Schema(
    type=OpenAPIType.OBJECT,
    required=["lang", "code"],
    description="Other fields are ignored.",
    properties={
        "lang": Schema(
            type=OpenAPIType.STRING,
            enum=list(LANGUAGES),
            description="Compared without regard to case.",
        ),
        "code": Schema(type=OpenAPIType.STRING, description="Source text, at most 4 MiB."),
        "args": Schema(
            description="Arguments of the program: an array, or one string.",
            one_of=[Schema(type=OpenAPIType.ARRAY, items=_TEXT), _TEXT],
        ),
        "files": Schema(
            type=OpenAPIType.ARRAY,
            description="Inputs, to be found below /mnt/data. At most 255.",
            items=Schema(
                type=OpenAPIType.OBJECT,
                required=["id", "storage_session_id", "name"],
                properties={
                    "id": _ID,
                    "storage_session_id": _ID,
                    "kind": Schema(type=OpenAPIType.STRING, enum=["user", "agent", "skill"]),
                    "resource_id": _TEXT,
                    "version": Schema(type=OpenAPIType.INTEGER),
                    "name": Schema(
                        type=OpenAPIType.STRING,
                        max_length=256,
                        description="A relative path. The one recorded at upload wins.",
                    ),
                },
            ),
        ),
        "runtime_session_hint": Schema(
            type=OpenAPIType.STRING,
            max_length=128,
            pattern="^[A-Za-z0-9._:-]+$",
            description="Names a /mnt/data that is there again for the next run, where the"
            " server's profile is stateful; ignored elsewhere.",
        ),
    },
)
EXEC_EXAMPLE = {
    "lang": "py",
    "code": "import pandas as pd\nprint(len(pd.read_csv('data.csv')))",
    "args": [],
    "files": [
        {
            "id": "fffffffffffffffffffff",
            "storage_session_id": "AAAAAAAAAAAAAAAAAAAAA",
            "name": "data.csv",
        }
    ],
}
EXEC_ANSWER_EXAMPLE = {
    "session_id": "XXXXXXXXXXXXXXXXXXXXX",
    "stdout": "12\n",
    "stderr": "",
    "files": [
        {
            "id": "fffffffffffffffffffff",
            "name": "data.csv",
            "storage_session_id": "AAAAAAAAAAAAAAAAAAAAA",
            "session_id": "AAAAAAAAAAAAAAAAAAAAA",
            "inherited": True,
        }
    ],
    "code": 0,
    "signal": None,
    "message": None,
    "status": None,
    "wall_time": 412,
}
_FORM = Schema(
    type=OpenAPIType.OBJECT,
    properties={
        "file": Schema(
            type=OpenAPIType.STRING,
            format=OpenAPIFormat.BINARY,
            description="Any field with a filename is a file; there may be several.",
        ),
        "kind": Schema(type=OpenAPIType.STRING, enum=["user", "agent", "skill"]),
        "id": _TEXT,
        "version": Schema(type=OpenAPIType.INTEGER),
        "read_only": Schema(type=OpenAPIType.STRING, enum=["true", "false"]),
        "entity_id": _TEXT,
    },
)
UPLOAD_BODY = replace(_FORM, description="Without a file it makes an empty session.")
BATCH_BODY = replace(_FORM, required=["file"])
BATCH_ANSWER_EXAMPLE = {
    "message": "partial_success",
    "storage_session_id": "BBBBBBBBBBBBBBBBBBBBB",
    "session_id": "BBBBBBBBBBBBBBBBBBBBB",
    "files": [
        {
            "status": "success",
            "filename": "pdf-tools/SKILL.md",
            "fileId": "kkkkkkkkkkkkkkkkkkkkk",
        },
        {
            "status": "error",
            "filename": "pdf-tools/huge.bin",
            "error": "File size limit exceeded",
        },
    ],
    "succeeded": 1,
    "failed": 1,
}
UPLOAD_EXAMPLE = {"file": "(the bytes of reports/q1/data.csv)", "kind": "user"}
UPLOAD_ANSWER_EXAMPLE = {
    "message": "success",
    "storage_session_id": "AAAAAAAAAAAAAAAAAAAAA",
    "session_id": "AAAAAAAAAAAAAAAAAAAAA",
    "files": [{"filename": "reports/q1/data.csv", "fileId": "fffffffffffffffffffff"}],
}


@dataclass
class _DescribedOperation(Operation):
    """An operation whose body the handler reads itself, so that nothing is inferred."""

    def describe(
        self, media_type: str, body: Schema, example: dict[str, Any], answer: dict[str, Any]
    ) -> None:
        """Add the request's body, and an example of it and of the answer."""
        content = OpenAPIMediaType(schema=body, examples={"usual": Example(value=example)})
        self.request_body = RequestBody({media_type: content}, required=True)
        success = (self.responses or {}).get("200")
        if isinstance(success, OpenAPIResponse) and success.content:
            described = success.content["application/json"]
            described.examples = {"usual": Example(value=answer)}


@dataclass
class ExecOperation(_DescribedOperation):
    """`POST /exec`."""

    def __post_init__(self) -> None:
        self.describe("application/json", EXEC_BODY, EXEC_EXAMPLE, EXEC_ANSWER_EXAMPLE)


@dataclass
class UploadOperation(_DescribedOperation):
    """`POST /upload`."""

    def __post_init__(self) -> None:
        self.describe("multipart/form-data", UPLOAD_BODY, UPLOAD_EXAMPLE, UPLOAD_ANSWER_EXAMPLE)


@dataclass
class BatchOperation(_DescribedOperation):
    """`POST /upload/batch`."""

    def __post_init__(self) -> None:
        self.describe("multipart/form-data", BATCH_BODY, UPLOAD_EXAMPLE, BATCH_ANSWER_EXAMPLE)


def _only_documents(request: Request[Any, Any, Any]) -> None:
    """Keep Litestar's own page for unknown paths, which is HTML, from being served."""
    if request.scope["path"].rstrip("/") not in {SCHEMA_PATH, f"{SCHEMA_PATH}/openapi.json"}:
        raise NotFoundException


def openapi_config() -> OpenAPIConfig:
    """Serve the description as JSON.

    The usual viewers load scripts from elsewhere, and an installation may have no way out.
    """
    return OpenAPIConfig(
        title="Code Command",
        version=API_VERSION,
        description="A sandboxed code interpreter. Send the key in `X-API-Key`.",
        servers=[Server(url="/"), Server(url="/v1")],
        components=Components(
            security_schemes={
                "key": SecurityScheme(
                    type="apiKey", name="X-API-Key", security_scheme_in="header"
                ),
                "basic": SecurityScheme(
                    type="http", scheme="basic", description="The key as the user name."
                ),
            }
        ),
        security=[{"key": []}, {"basic": []}],
        render_plugins=[JsonRenderPlugin()],
        openapi_router=Router(
            SCHEMA_PATH,
            route_handlers=[],
            include_in_schema=False,
            before_request=_only_documents,
            opt={PUBLIC: True},
        ),
    )
