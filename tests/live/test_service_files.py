"""Files of one run are inputs of the next, are listed and deleted (contract 2.5, 2.9, 3.5)."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

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

    def test_an_empty_folder_is_there_in_the_next_run(self, caller: Caller) -> None:
        first = caller.run("mkdir -p reports/q1", lang="bash")
        assert [file["name"] for file in first["files"]] == ["reports/q1/.dirkeep"]

        second = caller.run("ls -d reports/q1", *stored_files(first).values(), lang="bash")

        assert second["stdout"] == "reports/q1\n"

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
    def test_a_changed_or_removed_input_is_found_under_the_run_that_had_it(
        self, caller: Caller
    ) -> None:
        """librechat-contract 7.3, item 5."""
        changed, removed = caller.upload_all({"changed.txt": b"old", "removed.txt": b"old"})
        run = caller.run(
            "echo new > changed.txt; rm removed.txt", changed, removed, lang="bash"
        )

        for file in (changed, removed):
            assert caller.download(StoredFile(run["session_id"], file.id, "")) == b"old"

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


class TestScopes:
    def test_an_agents_file_is_for_those_who_name_the_agent(self, caller: Caller) -> None:
        file = caller.upload("guide.txt", b"for all", kind="agent", id="agent_1")
        path = f"/sessions/{file.session_id}/objects/{file.id}"

        right = caller.http.get(f"{path}?kind=agent&id=agent_1")
        wrong = caller.http.get(f"{path}?kind=agent&id=agent_2")
        unsaid = caller.http.get(f"/files/{file.session_id}?detail=summary")

        assert right.json()["originalFilename"] == "guide.txt"
        assert (wrong.status_code, wrong.json()["error"]) == (403, "Unauthorized")
        assert unsaid.status_code == 200

    def test_a_run_refuses_a_reference_that_names_another_scope(self, caller: Caller) -> None:
        file = caller.upload("guide.txt", b"for all", kind="agent", id="agent_1")
        reference = {**file.reference, "kind": "agent", "resource_id": "agent_2"}
        program = {"lang": "bash", "code": "cat guide.txt", "files": [reference]}

        answer = caller.http.post("/exec", json=program)

        assert (answer.status_code, answer.json()["error"]) == (
            403,
            "Unauthorized file reference",
        )


class TestDeletion:
    def test_a_deleted_file_is_gone_with_its_bytes_and_its_neighbour_stays(
        self, service: RunningService, caller: Caller
    ) -> None:
        keep, drop = caller.upload_all({"keep.txt": b"1", "drop.txt": b"2"})

        answer = caller.http.delete(f"/files/{drop.session_id}/{drop.id}?kind=user&id=u1")

        assert answer.status_code == 200
        assert caller.http.get(drop.path).status_code == 404
        listing = caller.http.get(f"/files/{drop.session_id}").json()
        assert listing == [f"{keep.session_id}/{keep.id}.txt"]
        assert caller.download(keep) == b"1"
        assert not any(drop.id in key for key in service.stored())

    def test_files_deleted_at_the_same_time_are_all_gone(self, caller: Caller) -> None:
        files = caller.upload_all({f"{number}.txt": b"1" for number in range(12)})

        def drop(file: StoredFile) -> int:
            return caller.http.delete(f"/files/{file.session_id}/{file.id}").status_code

        with ThreadPoolExecutor(max_workers=6) as threads:
            assert set(threads.map(drop, files[1:])) == {200}

        listing = caller.http.get(f"/files/{files[0].session_id}").json()
        assert listing == [f"{files[0].session_id}/{files[0].id}.txt"]

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
