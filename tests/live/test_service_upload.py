"""Files go in and come out as they were (librechat-contract 2.3, 2.6, and 8)."""

import hashlib
import re
from pathlib import Path

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, stored_files

pytestmark = pytest.mark.docker

ID = re.compile(r"[A-Za-z0-9_-]{21}")


class TestUpload:
    def test_the_answer_has_the_keys_that_every_client_reads(self, caller: Caller) -> None:
        answer = caller.http.post("/upload", files={"file": ("cities.csv", b"city\nLund\n")})

        assert answer.status_code == 200
        body = answer.json()
        assert body["message"] == "success"
        assert body["session_id"] == body["storage_session_id"]
        assert ID.fullmatch(body["session_id"])
        (file,) = body["files"]
        assert file.keys() == {"filename", "fileId"}
        assert file["filename"] == "cities.csv"
        assert ID.fullmatch(file["fileId"])

    @pytest.mark.parametrize(
        "name",
        [
            "reports/q1/data.csv",
            "größe \N{EN DASH} 2024.csv",
            "a b/ü ñ/日本語.txt",
            "100%.txt",
            "no_ending",
        ],
    )
    def test_a_name_stays_what_it_was_all_the_way(self, caller: Caller, name: str) -> None:
        content = name.encode() * 3

        uploaded = caller.upload(name, content)
        answer = caller.run(
            "import os\n"
            "for folder, _, names in os.walk('.'):\n"
            "    for name in sorted(set(names) - {'main.py'}):\n"
            "        path = os.path.relpath(os.path.join(folder, name))\n"
            "        print(path)\n"
            "        open(path, 'ab').write(b'!')\n",
            uploaded,
        )
        changed = stored_files(answer)[name]
        listing = caller.http.get(f"/files/{answer['session_id']}?detail=full").json()

        assert uploaded.name == name
        assert answer["stdout"] == f"{name}\n"
        assert caller.download(changed) == content + b"!"
        assert [file["metadata"]["original-filename"] for file in listing] == [name]

    def test_an_empty_file_is_a_file(self, caller: Caller) -> None:
        empty = caller.upload("empty.txt", b"")

        answer = caller.run(
            "import os\nprint(os.path.getsize('empty.txt'))\nopen('new.txt', 'w')", empty
        )

        assert answer["stdout"] == "0\n"
        assert caller.download(stored_files(answer)["new.txt"]) == b""
        assert caller.download(stored_files(answer)["empty.txt"]) == b""

    def test_several_files_share_a_session(self, caller: Caller) -> None:
        first, second = caller.upload_all({"a.txt": b"1", "b.txt": b"2"})

        answer = caller.run("cat a.txt b.txt", first, second, lang="bash")

        assert first.session_id == second.session_id
        assert answer["stdout"] == "12"

    def test_a_field_after_the_file_counts_as_one_before_it(self, caller: Caller) -> None:
        boundary = "a-boundary"
        file = (
            f"--{boundary}\r\n"
            'Content-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n1\r\n'
        )
        field = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="read_only"\r\n\r\ntrue\r\n'
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}

        for body in (f"{field}{file}", f"{file}{field}"):
            answer = caller.http.post(
                "/upload", content=f"{body}--{boundary}--\r\n".encode(), headers=headers
            ).json()
            path = f"/download/{answer['session_id']}/{answer['files'][0]['fileId']}"
            assert caller.http.head(path).headers["x-read-only"] == "true"

    def test_a_form_without_a_file_makes_an_empty_session(self, caller: Caller) -> None:
        answer = caller.http.post("/upload", files={"kind": (None, b"user")})

        assert answer.status_code == 200
        assert answer.json()["files"] == []
        assert caller.http.get(f"/files/{answer.json()['session_id']}").json() == []

    def test_of_a_batch_what_can_be_stored_is_stored(self, caller: Caller) -> None:
        parts = [
            ("file", ("skill/SKILL.md", b"# How to")),
            ("file", ("skill/huge.bin", bytes((50 << 20) + 1))),
            ("file", ("skill/run.sh", b"echo ran")),
        ]
        fields = {"kind": "skill", "id": "s1", "version": "2", "read_only": "true"}

        answer = caller.http.post("/upload/batch", files=parts, data=fields)

        assert answer.status_code == 200
        body = answer.json()
        assert (body["message"], body["succeeded"], body["failed"]) == ("partial_success", 2, 1)
        how_to, huge, program = body["files"]
        assert huge["error"] == "File size limit exceeded"
        references = [
            {
                "id": file["fileId"],
                "storage_session_id": body["storage_session_id"],
                "name": file["filename"],
                "kind": "skill",
                "resource_id": "s1",
                "version": 2,
            }
            for file in (how_to, program)
        ]
        run = caller.run("cat skill/SKILL.md; bash skill/run.sh", lang="bash", files=references)
        assert run["stdout"] == "# How toran\n"

    def test_fifty_megabytes_come_back_whole_and_are_never_held(
        self, service: RunningService, caller: Caller
    ) -> None:
        caller.upload("warm.bin", bytes(8 << 20))  # What is loaded once is loaded now.
        piece = hashlib.sha512(b"piece").digest() * 16
        content = piece * ((50 << 20) // len(piece))
        api = service.child("api")
        before_bytes = memory_bytes(api, "VmRSS")
        reset_peak(api)

        uploaded = caller.upload("large.bin", content)
        after_upload_bytes = memory_bytes(api, "VmHWM")
        digest = caller.download_hash(uploaded)

        assert digest == hashlib.sha256(content).hexdigest()
        assert after_upload_bytes - before_bytes < 16 << 20
        assert memory_bytes(api, "VmHWM") - before_bytes < 16 << 20


def memory_bytes(pid: int | None, figure: str) -> int:
    """Return one of the kernel's figures about a process (proc(5), /proc/pid/status)."""
    with Path(f"/proc/{pid}/status").open(encoding="ascii") as status:
        line = next(line for line in status if line.startswith(f"{figure}:"))
    return int(line.split()[1]) * 1024


def reset_peak(pid: int | None) -> None:
    """Forget the highest memory use so far (proc(5), /proc/pid/clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
