"""Uploads: keep files for later runs (librechat-contract 2.3 and 2.4)."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Literal

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.status_codes import (
    HTTP_200_OK,
    HTTP_400_BAD_REQUEST,
    HTTP_413_REQUEST_ENTITY_TOO_LARGE,
)
from pydantic import BaseModel, Field

from api.body import BodyLimits, request_body
from api.caller import Caller
from api.connection_answers import UPLOAD_TIMED_OUT
from api.descriptions import (
    BATCH_ERRORS,
    UPLOAD_ERRORS,
    BatchOperation,
    ErrorBody,
    UploadOperation,
)
from api.errors import STORAGE_FAILURE, Answer
from api.multipart_form import (
    MAX_BATCH_PARTS,
    MAX_FIELD_BYTES,
    MAX_PARTS,
    FilePart,
    FormField,
    boundary_of,
    form_parts,
)
from api.rate_limits import RATE_BUCKET
from api.settings import ApiSettings
from api.uploads import MAX_BATCH_FILES, Batch, BatchFile, Upload
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


class BatchedFile(BaseModel):
    """What became of one file: it has a `fileId`, or an `error`."""

    status: Literal["success", "error"]
    filename: str
    fileId: str | None = None  # noqa: N815 - the contract's key
    error: str | None = None


class BatchAnswer(BaseModel):
    """Where the files are, and which are not there."""

    message: Literal["success", "partial_success", "error"]
    storage_session_id: str
    session_id: str = Field(description="The same, for older clients.")
    files: list[BatchedFile]
    succeeded: int
    failed: int
    filesLimitReached: bool | None = Field(  # noqa: N815 - the contract's key
        default=None, description="There were more files than `maxFiles`; they were dropped."
    )
    maxFiles: int | None = None  # noqa: N815 - the contract's key

    @classmethod
    def of(cls, session_id: str, batch: Batch) -> "BatchAnswer":
        """Tell what became of `batch` in the contract's words."""
        succeeded = sum(file.entry is not None for file in batch.files)
        some = "partial_success" if succeeded else "error"
        answer = cls(
            message="success" if succeeded == len(batch.files) else some,
            storage_session_id=session_id,
            session_id=session_id,
            files=[_batched(file) for file in batch.files],
            succeeded=succeeded,
            failed=len(batch.files) - succeeded,
        )
        if batch.is_cut:
            answer.filesLimitReached = True
            answer.maxFiles = MAX_BATCH_FILES
        return answer


class UploadController(Controller):
    """Files come in here as a stream and go on to storage as one."""

    tags = ("files",)

    @post(
        "/upload",
        status_code=HTTP_200_OK,
        operation_class=UploadOperation,
        responses=UPLOAD_ERRORS,
        summary="Upload files",
        opt={STORAGE_FAILURE: "Error uploading files", RATE_BUCKET: "upload"},
    )
    async def upload(
        self,
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        sessions: NamedDependency[Sessions],
        settings: NamedDependency[ApiSettings],
    ) -> UploadAnswer:
        """Store the files of a form under a new session."""
        upload = Upload(caller, sessions, settings.max_upload_size)
        async with _form(request, settings) as parts:
            record = await upload.receive(parts)
        return UploadAnswer(
            message="success",
            storage_session_id=record.session_id,
            session_id=record.session_id,
            files=[
                UploadedFile(filename=entry.name, fileId=entry.id) for entry in record.files
            ],
        )

    @post(
        "/upload/batch",
        status_code=HTTP_200_OK,
        operation_class=BatchOperation,
        responses={
            **BATCH_ERRORS,
            HTTP_400_BAD_REQUEST: ResponseSpec(
                BatchAnswer | ErrorBody,
                description="No file could be stored: each says why, or `error` does.",
                generate_examples=False,
            ),
        },
        summary="Upload files, each for itself",
        opt={STORAGE_FAILURE: "Error processing batch upload", RATE_BUCKET: "upload"},
    )
    async def upload_batch(
        self,
        request: Request[Any, Any, Any],
        caller: NamedDependency[Caller],
        sessions: NamedDependency[Sessions],
        settings: NamedDependency[ApiSettings],
    ) -> Response[BatchAnswer]:
        """Store those files of a form that can be stored, under one new session.

        The status is 400 where that is none of them.
        """
        upload = Upload(caller, sessions, settings.max_upload_size)
        async with _form(request, settings, max_parts=MAX_BATCH_PARTS) as parts:
            batch = await upload.receive_batch(parts)
        answer = BatchAnswer.of(upload.session_id, batch)
        status = HTTP_200_OK if answer.succeeded else HTTP_400_BAD_REQUEST
        return Response(answer, status_code=status)


def _batched(file: BatchFile) -> BatchedFile:
    if file.entry is not None:
        return BatchedFile(status="success", filename=file.filename, fileId=file.entry.id)
    return BatchedFile(status="error", filename=file.filename, error=file.error)


def _form(
    request: Request[Any, Any, Any], settings: ApiSettings, *, max_parts: int = MAX_PARTS
) -> "aclosing[AsyncGenerator[FormField | FilePart, None]]":
    """Give the parts of the request's form as they arrive, to be read within a block."""
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
    return aclosing(form_parts(request_body(request, limits), boundary, max_parts=max_parts))
