"""What `POST /exec` answers (librechat-contract 2.2)."""

from typing import Literal

from pydantic import BaseModel, Field

from executor.messages import Finished
from storage.records import FileEntry

# Fields without a value that the contract does not have as null are left out: responses are
# written without what was never set.


class ModifiedFrom(BaseModel):
    """The input that a file is a changed version of."""

    id: str
    storage_session_id: str


class ExecFile(BaseModel):
    """A file that the run ended with."""

    id: str
    name: str = Field(description="Path relative to /mnt/data.")
    storage_session_id: str = Field(description="The session under which the bytes are.")
    session_id: str = Field(description="The same, for older clients.")
    inherited: bool = Field(default=False, description="An input that was left as it was.")
    modified_from: ModifiedFrom | None = None
    entity_id: str | None = Field(default=None, description="As given with the input.")


class ArtifactTruncation(BaseModel):
    """Files that the program left behind and that were not kept."""

    reasons: list[str] = Field(
        description="Why, of all of them: such as file_too_large or too_many_files."
    )
    skipped_count: int
    skipped: list[str] = Field(description="At most 20 names.")


class ArtifactDelivery(BaseModel):
    """Files that the program left behind and that object storage refused."""

    code: str
    status: str = Field(description="partial, or failed if not one was stored.")
    attempted: int
    delivered: int
    failed: int


class ExecAnswer(BaseModel):
    """How the program went. A failing program is a 200, too."""

    session_id: str = Field(description="Fresh; new files are stored under it.")
    stdout: str
    stderr: str
    files: list[ExecFile]
    code: int | None = Field(description="Exit code.")
    signal: str | None = Field(description="Such as SIGKILL.")
    message: str | None = Field(description="The sandbox's remark.")
    status: str | None = Field(
        description="Set when the sandbox stopped the program: TO time limit,"
        " OL stdout limit, SG out of memory."
    )
    wall_time: int | None = Field(description="Milliseconds.")
    deleted_files: list[str] = Field(default=[], description="Inputs that were removed.")
    artifact_truncation: ArtifactTruncation | None = None
    artifact_delivery: ArtifactDelivery | None = None
    runtime_session_id: str | None = Field(
        default=None, description="Of a run that keeps its workspace: which one that is."
    )
    runtime_status: Literal["new", "reused"] | None = Field(
        default=None, description="Whether it found what an earlier run has left there."
    )

    @classmethod
    def of(
        cls, session_id: str, result: Finished, *, runtime_session_id: str | None = None
    ) -> "ExecAnswer":
        """Tell `result` in the contract's words."""
        answer = cls(
            session_id=session_id,
            stdout=result.stdout,
            stderr=result.stderr,
            files=[_file(entry) for entry in result.files],
            code=result.exit_code,
            signal=result.signal,
            message=result.message,
            status=result.stopped.value if result.stopped else None,
            wall_time=result.wall_time_ms,
        )
        if result.deleted_files:
            answer.deleted_files = list(result.deleted_files)
        if result.skipped_count:
            answer.artifact_truncation = ArtifactTruncation(
                reasons=sorted({*result.skip_reasons, *(one.reason for one in result.skipped)}),
                skipped_count=result.skipped_count,
                skipped=[file.name for file in result.skipped],
            )
        if result.delivery is not None:
            answer.artifact_delivery = ArtifactDelivery(
                code="artifact_delivery_failed",
                status="partial" if result.delivery.delivered else "failed",
                attempted=result.delivery.attempted,
                delivered=result.delivery.delivered,
                failed=result.delivery.failed,
            )
        if runtime_session_id is not None:
            answer.runtime_session_id = runtime_session_id
            answer.runtime_status = "reused" if result.state_reused else "new"
        return answer


def _file(entry: FileEntry) -> ExecFile:
    file = ExecFile(
        id=entry.id,
        name=entry.name,
        storage_session_id=entry.storage_session_id,
        session_id=entry.storage_session_id,
    )
    if entry.inherited:
        file.inherited = True
    if entry.modified_from is not None:
        file.modified_from = ModifiedFrom(
            id=entry.modified_from.id,
            storage_session_id=entry.modified_from.storage_session_id,
        )
    if entry.entity_id is not None:
        file.entity_id = entry.entity_id
    return file
