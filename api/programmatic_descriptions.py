"""What the OpenAPI description says of programs that call tools."""

from dataclasses import dataclass
from typing import Any

from litestar.openapi.spec import (
    Example,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    RequestBody,
    Schema,
)

from api.descriptions import EVERYWHERE, EXEC_BODY, describe_errors

PROGRAMMATIC_ERRORS = describe_errors(
    **EVERYWHERE,
    _403="An input file, or the program that waits, is not for you.",
    _404="No such program waits, or not any more. Begin again.",
    _409="The program is being gone on with already, or had another answer to the same call.",
    _413="The program, its tools or what it passes to them are too large.",
    _422="An input file is unknown or expired.",
    _502="The sandbox, or storage, failed during the run.",
    _504="The run's turn came too late, or it took too long.",
)
CANCEL_ERRORS = describe_errors(**EVERYWHERE, _403="The request is somebody else's.")

_TEXT = Schema(type=OpenAPIType.STRING)
_OBJECT = Schema(type=OpenAPIType.OBJECT)

_TOOL = Schema(
    type=OpenAPIType.OBJECT,
    required=["name"],
    properties={"name": _TEXT, "description": _TEXT, "parameters": _OBJECT},
)
_RESULT = Schema(
    type=OpenAPIType.OBJECT,
    required=["call_id", "result"],
    properties={
        "call_id": Schema(type=OpenAPIType.STRING, pattern=r"^call_\d{3,6}$"),
        "result": Schema(description="Any JSON, null included."),
        "is_error": Schema(type=OpenAPIType.BOOLEAN),
        "error_message": _TEXT,
    },
)
PROGRAMMATIC_BODY = Schema(
    type=OpenAPIType.OBJECT,
    description="Either code and tools, or a continuation_token and tool_results.",
    properties={
        "code": _TEXT,
        "tools": Schema(
            type=OpenAPIType.ARRAY,
            items=_TOOL,
            description="At most 100. In the program they are functions.",
        ),
        "lang": Schema(type=OpenAPIType.STRING, enum=["python", "bash", "py", "sh"]),
        "language": Schema(type=OpenAPIType.STRING, description="Wins over `lang`."),
        "timeout": Schema(type=OpenAPIType.NUMBER, description="Milliseconds of running."),
        "files": (EXEC_BODY.properties or {})["files"],
        "continuation_token": _TEXT,
        "tool_results": Schema(type=OpenAPIType.ARRAY, items=_RESULT),
    },
)
PROGRAMMATIC_ANSWER = Schema(
    type=OpenAPIType.OBJECT,
    required=["status", "session_id"],
    properties={
        "status": Schema(
            type=OpenAPIType.STRING, enum=["tool_call_required", "completed", "error"]
        ),
        "session_id": _TEXT,
        "continuation_token": _TEXT,
        "tool_calls": Schema(type=OpenAPIType.ARRAY, items=_OBJECT),
        "partial_stdout": _TEXT,
        "partial_stderr": _TEXT,
        "stdout": _TEXT,
        "stderr": _TEXT,
        "files": Schema(type=OpenAPIType.ARRAY, items=_OBJECT),
        "error": _TEXT,
    },
)
_EXAMPLE = {
    "code": "w = await get_weather(city='Lund')\nprint(w['temp'])",
    "tools": [
        {
            "name": "get-weather",
            "parameters": {
                "type": "object",
                "properties": {"city": {"type": "string"}},
                "required": ["city"],
            },
        }
    ],
    "timeout": 15000,
}
_ANSWER_EXAMPLE = {
    "status": "tool_call_required",
    "continuation_token": "8Yp0…",
    "session_id": "XXXXXXXXXXXXXXXXXXXXX",
    "tool_calls": [{"id": "call_001", "name": "get-weather", "input": {"city": "Lund"}}],
}


def _json(schema: Schema, example: dict[str, Any]) -> dict[str, OpenAPIMediaType]:
    return {
        "application/json": OpenAPIMediaType(
            schema=schema, examples={"usual": Example(value=example)}
        )
    }


@dataclass
class ProgrammaticOperation(Operation):
    """`POST /exec/programmatic`."""

    def __post_init__(self) -> None:
        self.request_body = RequestBody(_json(PROGRAMMATIC_BODY, _EXAMPLE), required=True)
        answer = OpenAPIResponse(
            description="The program waits, or has ended",
            content=_json(PROGRAMMATIC_ANSWER, _ANSWER_EXAMPLE),
        )
        self.responses = {**(self.responses or {}), "200": answer}


@dataclass
class CancelOperation(Operation):
    """`POST /exec/programmatic/cancel`."""

    def __post_init__(self) -> None:
        example = {"request_id": "9c5e3c12-8297-47e0-9c60-2c01c1f318e0"}
        body = Schema(type=OpenAPIType.OBJECT, properties={"request_id": _TEXT})
        self.request_body = RequestBody(_json(body, example), required=True)
        told = Schema(type=OpenAPIType.OBJECT, properties={"status": _TEXT})
        self.responses = {
            **(self.responses or {}),
            "200": OpenAPIResponse(
                description="It had its answer already",
                content=_json(told, {"status": "already_completed"}),
            ),
            "202": OpenAPIResponse(
                description="It is being cancelled",
                content=_json(told, {"status": "cancellation_requested"}),
            ),
        }
