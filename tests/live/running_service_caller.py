"""A client of the service, as its callers write them: what is sent and answered is JSON."""

import hashlib
from collections.abc import Mapping
from types import TracebackType
from typing import Any, NamedTuple, Self

import httpx


class StoredFile(NamedTuple):
    """Where a file is: the pair that clients keep, and what it was called."""

    session_id: str
    id: str
    name: str

    @property
    def reference(self) -> dict[str, str]:
        """How a run is told of it, in the newest shape."""
        return {"storage_session_id": self.session_id, "id": self.id, "name": self.name}

    @property
    def path(self) -> str:
        """Where it is downloaded."""
        return f"/download/{self.session_id}/{self.id}"


class Caller:
    """One tenant's client."""

    def __init__(self, address: str, key: str) -> None:
        self.key = key
        self.http = httpx.Client(
            base_url=address, headers={"X-API-Key": key}, timeout=120, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.http.close()

    def run(self, code: str, *inputs: StoredFile, lang: str = "py", **more: Any) -> Any:
        """Run a program; return the answer, which must be a 200."""
        files = [file.reference for file in inputs]
        answer = self.http.post(
            "/exec", json={"lang": lang, "code": code, "files": files, **more}
        )
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.json()

    def upload(self, name: str, content: bytes, **fields: str) -> StoredFile:
        """Upload one file."""
        (stored,) = self.upload_all({name: content}, **fields)
        return stored

    def upload_all(self, contents: Mapping[str, bytes], **fields: str) -> list[StoredFile]:
        """Upload files into one session."""
        parts = [("file", (name, content)) for name, content in contents.items()]
        answer = self.http.post("/upload", files=parts, data=fields)
        assert answer.status_code == httpx.codes.OK, answer.text
        body = answer.json()
        return [
            StoredFile(body["session_id"], file["fileId"], file["filename"])
            for file in body["files"]
        ]

    def download(self, file: StoredFile) -> bytes:
        """Return the bytes of a file, which must be there."""
        answer = self.http.get(file.path)
        assert answer.status_code == httpx.codes.OK, answer.text
        return answer.content

    def download_hash(self, file: StoredFile) -> str:
        """Return the SHA-256 of a file, without holding it."""
        digest = hashlib.sha256()
        with self.http.stream("GET", file.path) as answer:
            assert answer.status_code == httpx.codes.OK
            for chunk in answer.iter_bytes():
                digest.update(chunk)
        return digest.hexdigest()


def stored_files(answer: Any) -> dict[str, StoredFile]:
    """Return the files of a run's answer by name, under the session of that run.

    That is where LibreChat looks for them (librechat-contract 8, trap 2).
    """
    return {
        file["name"]: StoredFile(answer["session_id"], file["id"], file["name"])
        for file in answer["files"]
    }
