"""Files go in and come out, and go in again (librechat-contract 2.3 to 2.9, 3.5, and 8)."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

ID = re.compile(r"[A-Za-z0-9_-]{21}")
CSV = b"city,temp\nLund,14\nOslo,9\n"

READ_AND_APPEND = """
import pandas as pd
print(pd.read_csv("cities.csv").temp.sum())
with open("cities.csv", "a") as cities:
    cities.write("Kiel,11\\n")
"""


def entries(answer: object) -> dict[str, dict[str, object]]:
    """Return the files of a run's answer by name, as they are written there."""
    assert isinstance(answer, dict)
    return {file["name"]: file for file in answer["files"]}


class TestUpload:
    def test_the_answer_has_the_keys_that_every_client_reads(self, caller: Caller) -> None:
        answer = caller.http.post("/upload", files={"file": ("cities.csv", CSV)})

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


class TestChanges:
    def test_an_upload_is_read_and_what_is_changed_is_a_new_version(
        self, caller: Caller
    ) -> None:
        cities, notes = caller.upload_all({"cities.csv": CSV, "notes.txt": b"as it was"})

        answer = caller.run(READ_AND_APPEND, cities, notes)

        assert answer["stdout"] == "23\n"
        files = entries(answer)
        changed = files["cities.csv"]
        assert changed["id"] != cities.id
        assert changed["storage_session_id"] == changed["session_id"] == answer["session_id"]
        assert changed["modified_from"] == {
            "id": cities.id,
            "storage_session_id": cities.session_id,
        }
        assert "inherited" not in changed
        assert files["notes.txt"] == {
            "id": notes.id,
            "name": "notes.txt",
            "storage_session_id": notes.session_id,
            "session_id": notes.session_id,
            "inherited": True,
        }
        assert caller.download(stored_files(answer)["cities.csv"]) == CSV + b"Kiel,11\n"
        assert caller.download(cities) == CSV

    def test_the_changed_version_is_what_the_next_run_reads(self, caller: Caller) -> None:
        first = caller.run(READ_AND_APPEND, caller.upload("cities.csv", CSV))

        second = caller.run(READ_AND_APPEND, *stored_files(first).values())

        assert second["stdout"] == "34\n"

    def test_same_size_and_time_but_other_content_is_a_change(self, caller: Caller) -> None:
        data = caller.upload("data.bin", b"abc")

        answer = caller.run(
            "touch -r data.bin before; printf xyz > data.bin; "
            "touch -r before data.bin; rm before",
            data,
            lang="bash",
        )

        assert "modified_from" in entries(answer)["data.bin"]

    def test_a_removed_input_is_named_and_no_longer_listed(self, caller: Caller) -> None:
        keep, drop = caller.upload_all({"keep.txt": b"1", "sub/drop.txt": b"2"})

        answer = caller.run("rm -r sub main.py script.sh", keep, drop, lang="bash")

        assert answer["deleted_files"] == ["sub/drop.txt"]
        assert [file["name"] for file in answer["files"]] == ["keep.txt"]

    def test_a_read_only_input_stays_whatever_the_program_does(self, caller: Caller) -> None:
        skill = caller.upload("skill/SKILL.md", b"as it was", read_only="true")

        answer = caller.run(
            "import os\n"
            "open('new.md', 'w').write('replaced')\n"
            "os.replace('new.md', 'skill/SKILL.md')\n",
            skill,
        )

        (file,) = answer["files"]
        assert (file["id"], file["inherited"]) == (skill.id, True)
        assert caller.download(stored_files(answer)["skill/SKILL.md"]) == b"as it was"

    def test_links_are_not_followed(self, caller: Caller) -> None:
        answer = caller.run(
            "ln -s /etc/passwd link.txt; ln -s / folder; echo 1 > real.txt", lang="bash"
        )

        assert [file["name"] for file in answer["files"]] == ["real.txt"]

    def test_at_most_fifty_files_come_back_and_the_rest_is_told(self, caller: Caller) -> None:
        answer = caller.run("for i in $(seq 60); do echo $i > $i.txt; done", lang="bash")

        assert len(answer["files"]) == 50
        assert answer["artifact_truncation"]["skipped_count"] == 10


class TestOlderClients:
    def test_an_untouched_input_is_found_under_the_runs_session(self, caller: Caller) -> None:
        """3.1.63 and 3.1.77 send everything back under the run's id (trap 3)."""
        notes = caller.upload("notes.txt", b"kept")
        first = caller.run("1", notes)
        rewritten = {"session_id": first["session_id"], "id": notes.id, "name": "notes.txt"}

        second = caller.run("print(open('notes.txt').read())", files=[rewritten])

        assert second["stdout"] == "kept\n"
        assert caller.download(StoredFile(first["session_id"], notes.id, "")) == b"kept"

    def test_what_a_run_ended_with_is_listed_with_its_inputs(self, caller: Caller) -> None:
        notes = caller.upload("notes.txt", b"kept")
        answer = caller.run("open('new.txt', 'w').write('1')", notes)

        listing = caller.http.get(f"/files/{answer['session_id']}?detail=full").json()

        names = {file["metadata"]["original-filename"]: file for file in listing}
        assert names.keys() == {"new.txt", "notes.txt"}
        assert names["notes.txt"]["id"] == notes.id

    def test_no_files_and_an_empty_list_are_the_same(self, caller: Caller) -> None:
        body = {"lang": "py", "code": "print(1)"}

        for more in ({}, {"files": []}, {"files": None}):
            assert caller.http.post("/exec", json=body | more).json()["stdout"] == "1\n"


@pytest.fixture(scope="module")
def report(caller: Caller) -> StoredFile:
    return caller.upload("reports/q1/data.csv", CSV)


class TestListing:
    @pytest.mark.parametrize("detail", ["summary", "full"])
    def test_an_entry_has_what_each_generation_looks_for(
        self, caller: Caller, report: StoredFile, detail: str
    ) -> None:
        answer = caller.http.get(f"/files/{report.session_id}", params={"detail": detail})

        assert answer.status_code == 200
        (entry,) = answer.json()
        assert entry["name"] == f"{report.session_id}/{report.id}.csv"
        assert entry["id"] == entry["fileId"] == report.id
        assert entry["session_id"] == entry["storage_session_id"] == report.session_id
        assert entry["size"] == len(CSV)
        assert entry["contentType"] == "text/csv"
        assert entry["etag"]
        assert entry["metadata"] == {
            "content-type": "text/csv",
            "original-filename": "reports/q1/data.csv",
            "original-filename-encoded": "none",
        }

    def test_the_time_is_that_of_the_upload_in_javascripts_form(
        self, caller: Caller, report: StoredFile
    ) -> None:
        (entry,) = caller.http.get(f"/files/{report.session_id}?detail=summary").json()

        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["lastModified"])
        age = datetime.now(UTC) - datetime.fromisoformat(entry["lastModified"])
        assert timedelta(0) <= age < timedelta(minutes=5)

    @pytest.mark.parametrize("query", ["", "?detail=simple", "?detail=whatever"])
    def test_the_usual_form_is_names_alone(
        self, caller: Caller, report: StoredFile, query: str
    ) -> None:
        answer = caller.http.get(f"/files/{report.session_id}{query}")

        assert answer.json() == [f"{report.session_id}/{report.id}.csv"]

    def test_the_normalized_form_has_the_original_name(
        self, caller: Caller, report: StoredFile
    ) -> None:
        (entry,) = caller.http.get(f"/files/{report.session_id}?detail=normalized").json()

        assert (entry["id"], entry["name"]) == (report.id, "reports/q1/data.csv")


class TestDeletion:
    def test_a_deleted_session_is_gone_with_its_bytes(
        self, service: RunningService, caller: Caller
    ) -> None:
        notes = caller.upload("notes.txt", b"to be forgotten")
        assert any(notes.session_id in key for key in service.stored())

        answer = caller.http.delete(f"/sessions/{notes.session_id}")

        assert answer.status_code == 200
        assert answer.json() == {
            "message": "Session deleted successfully",
            "session_id": notes.session_id,
        }
        assert caller.http.get(notes.path).status_code == 404
        assert caller.http.get(f"/files/{notes.session_id}").status_code == 404
        assert caller.http.delete(f"/sessions/{notes.session_id}").status_code == 404
        assert not any(notes.session_id in key for key in service.stored())


def memory_bytes(pid: int | None, figure: str) -> int:
    """Return one of the kernel's figures about a process (proc(5), /proc/pid/status)."""
    with Path(f"/proc/{pid}/status").open(encoding="ascii") as status:
        line = next(line for line in status if line.startswith(f"{figure}:"))
    return int(line.split()[1]) * 1024


def reset_peak(pid: int | None) -> None:
    """Forget the highest memory use so far (proc(5), /proc/pid/clear_refs)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5", encoding="ascii")
