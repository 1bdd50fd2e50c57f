"""`POST /upload`: keep files for later runs (librechat-contract 2.3)."""

from typing import Any, Literal

from litestar import Controller, Request, post
from litestar.di import NamedDependency
from litestar.status_codes import HTTP_200_OK, HTTP_413_REQUEST_ENTITY_TOO_LARGE
from pydantic import BaseModel, Field

from api.body import BodyLimits, request_body
from api.caller import Caller
from api.descriptions import UPLOAD_ERRORS, UploadOperation
from api.errors import STORAGE_FAILURE, UPLOAD_TIMED_OUT, Answer
from api.multipart_form import MAX_FIELD_BYTES, MAX_PARTS, boundary_of, form_parts
from api.settings import ApiSettings
from api.uploads import Upload
from storage.sessions import Sessions


class UploadedFile(BaseModel):
    """A stored file."""

    filename: str = Field(description="The name it will have below /mnt/data.")
    fileId: str  # noqa: N815 - the contract's key


class UploadAnswer(BaseModel):
    """Where the files are."""

    message: Literal["success"]
    storage_session_id: str
    session_id: str = Field(description="The same, for older clients.")
    files: list[UploadedFile]


class UploadController(Controller):
    """Files come in here as a stream and go on to storage as one."""

    tags = ("files",)

    @post(
        "/upload",
        status_code=HTTP_200_OK,
        operation_class=UploadOperation,
        responses=UPLOAD_ERRORS,
        summary="Upload files",
        opt={STORAGE_FAILURE: "Error uploading files"},
    )
    async def upload(
        self,
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        sessions: NamedDependency[Sessions],
        settings: NamedDependency[ApiSettings],
    ) -> UploadAnswer:
        """Store the files of a form under a new session."""
        boundary = boundary_of(request.headers.get("content-type", ""))
        limits = BodyLimits(
            max_bytes=MAX_PARTS * (settings.max_upload_size + MAX_FIELD_BYTES),
            too_large=Answer(
                HTTP_413_REQUEST_ENTITY_TOO_LARGE,
                "File size limit exceeded",
                f"A file may have {settings.max_upload_size} bytes.",
            ),
            too_slow=UPLOAD_TIMED_OUT,
        )
        upload = Upload(caller, sessions, settings.max_upload_size)
        async with request_body(request, limits) as body:
            record = await upload.receive(form_parts(body, boundary))
        return UploadAnswer(
            message="success",
            storage_session_id=record.session_id,
            session_id=record.session_id,
            files=[
                UploadedFile(filename=entry.name, fileId=entry.id) for entry in record.files
            ],
        )
