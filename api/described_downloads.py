"""What the description says of downloads: any bytes, and headers without a body."""

from dataclasses import dataclass

from litestar.openapi import ResponseSpec
from litestar.openapi.spec import (
    OpenAPIFormat,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Schema,
)

from api.descriptions import FILE_ERRORS

HEAD_ERRORS = {
    status: ResponseSpec(None, description=error.description, generate_examples=False)
    for status, error in FILE_ERRORS.items()
}
"""An answer to `HEAD` has no body."""


@dataclass
class DownloadOperation(Operation):
    """`GET /download/…`: bytes of any type."""

    def __post_init__(self) -> None:
        binary = Schema(type=OpenAPIType.STRING, format=OpenAPIFormat.BINARY)
        self.responses = {
            **(self.responses or {}),
            "200": OpenAPIResponse(
                description="The file, as an attachment",
                content={"*/*": OpenAPIMediaType(schema=binary)},
            ),
        }


@dataclass
class DownloadHeadOperation(Operation):
    """`HEAD /download/…`: the headers of a download, its type among them."""

    def __post_init__(self) -> None:
        self.responses = {
            **(self.responses or {}),
            "200": OpenAPIResponse(description="The file is there"),
        }
