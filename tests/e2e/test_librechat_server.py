"""LibreChat's server with files: its forms, its checks of freshness, its tools.

Everything that is sent is sent by the packages that LibreChat uses, `form-data` and `axios`
(librechat-contract 2.3-2.8, 3.9 and 7.1), and let in every way that LibreChat has (5.1).
"""

import base64
import json

import pytest

from tests.e2e.client import NodeProcess
from tests.e2e.librechat import WAYS, LibreChat
from tests.live.running_service import RunningService
from tests.live.running_service_caller import Caller, StoredFile

pytestmark = pytest.mark.docker

WINDOW_BYTES = 48_960
"""LibreChat reads images in windows of this size; the next three lines are its program's
essence (librechat-contract 3.9)."""

NAMES = ["data.csv", "Übersicht 2026 (1).txt", "reports/q1/da ta.csv", 'a "quoted" name.md']


@pytest.fixture(params=WAYS)
def server(
    librechat: NodeProcess, service: RunningService, request: pytest.FixtureRequest
) -> LibreChat:
    return LibreChat(librechat, service, request.param)


class TestUploads:
    @pytest.mark.parametrize("known_length", [True, False], ids=["of-known-length", "chunked"])
    @pytest.mark.parametrize("name", NAMES)
    def test_the_old_form_keeps_name_and_content(
        self, server: LibreChat, name: str, *, known_length: bool
    ) -> None:
        body = server.upload(
            {name: "a,b\n"}, ("entity_id", "agent_1"), known_length=known_length
        )

        assert body["message"] == "success"
        (file,) = body["files"]
        assert file["filename"] == name
        session = body["session_id"]
        found = server.ask(f"download/{session}/{file['fileId']}?entity_id=agent_1")
        assert (found["status"], found["text"]) == (200, "a,b\n")

    def test_the_new_form_of_a_skill_keeps_a_folder_read_only(self, server: LibreChat) -> None:
        scope = "kind=skill&id=skill_1&version=3"
        body = server.upload(
            {
                "pdf-tools/SKILL.md": "# Skill\n",
                "pdf-tools/scripts/run.py": "print(1)\n",
                "e": "",
            },
            ("kind", "skill"),
            ("id", "skill_1"),
            ("version", "3"),
            ("read_only", "true"),
            route="upload/batch",
        )

        assert (body["message"], body["succeeded"], body["failed"]) == ("success", 3, 0)
        by_name = {file["filename"]: file["fileId"] for file in body["files"]}
        session = body["storage_session_id"]
        details = server.json(
            f"sessions/{session}/objects/{by_name['pdf-tools/scripts/run.py']}?{scope}"
        )
        assert details["originalFilename"] == "pdf-tools/scripts/run.py"
        assert details["readOnly"] is True


class TestFreshness:
    def test_every_generation_finds_a_new_file_fresh(self, server: LibreChat) -> None:
        body = server.upload({"data.csv": "a,b\n"}, ("kind", "user"), ("id", server.user))
        session, file = body["session_id"], body["files"][0]["fileId"]

        listing = server.json(f"files/{session}?detail=summary")
        old = [entry for entry in listing if entry["name"].startswith(f"{session}/{file}")]
        alive = [entry for entry in listing if entry["fileId"] == file]
        new = server.json(f"sessions/{session}/objects/{file}?{server.scope}")

        assert len(old) == len(alive) == 1
        assert all(server.hours_since(entry["lastModified"]) < 1 for entry in (*old, new))

    def test_what_was_deleted_is_gone_for_every_generation(self, server: LibreChat) -> None:
        body = server.upload({"a.txt": "1", "b.txt": "2"}, route="upload/batch")
        session = body["session_id"]
        gone, kept = (file["fileId"] for file in body["files"])

        answer = server.ask(f"files/{session}/{gone}?{server.scope}", method="DELETE")

        assert answer["status"] == 200
        listing = server.json(f"files/{session}?detail=summary")
        assert [entry["fileId"] for entry in listing] == [kept]
        assert server.ask(f"sessions/{session}/objects/{gone}?{server.scope}")["status"] == 404
        assert server.ask(f"download/{session}/{gone}")["status"] == 404
        again = server.ask(f"files/{session}/{gone}?{server.scope}", method="DELETE")
        assert again["status"] == 404, "which counts as deleted"

    def test_a_session_that_nobody_has_is_expired_and_not_forbidden(
        self, server: LibreChat
    ) -> None:
        assert server.ask(f"files/{'A' * 21}?detail=summary")["status"] == 404

    def test_another_profile_is_refused_and_nothing_is_stored(
        self, librechat: NodeProcess, service: RunningService
    ) -> None:
        server = LibreChat(librechat, service, "token", profile="stateful")
        before = service.stored()

        refused = server.try_to_upload({"a.txt": "1"}, ("kind", "user"), ("id", server.user))

        assert refused["status"] == 409
        assert json.loads(refused["text"])["error"] == "execution_profile_mismatch"
        assert service.stored() == before


class TestItsLoop:
    def test_an_output_is_downloaded_kept_and_uploaded_again_for_the_next_message(
        self, server: LibreChat, caller: Caller
    ) -> None:
        ran = caller.run("open('out/plot.csv'.replace('out/', ''), 'w').write('1,2')")
        (file,) = ran["files"]
        path = f"download/{ran['session_id']}/{file['id']}?{server.scope}"
        bytes_of_it = server.ask(path)
        again = server.upload(
            {file["name"]: bytes_of_it["text"]}, ("kind", "user"), ("id", server.user)
        )
        stored = StoredFile(
            again["storage_session_id"], again["files"][0]["fileId"], "plot.csv"
        )

        ran = caller.run("print(open('plot.csv').read())", stored)

        assert bytes_of_it["headers"]["content-disposition"].startswith("attachment;")
        assert ran["stdout"] == "1,2\n"


class TestItsTools:
    """They run bash, and read what it says."""

    def test_a_file_is_read_with_cat(self, caller: Caller) -> None:
        file = caller.upload("no tes.txt", b"first\nsecond\n")

        answer = caller.run("cat '/mnt/data/no tes.txt'", file, lang="bash")

        assert (answer["stdout"], answer["stderr"]) == ("first\nsecond\n", "")

    def test_a_file_that_is_missing_is_told_in_english_on_stderr_alone(
        self, caller: Caller
    ) -> None:
        answer = caller.run("cat '/mnt/data/nope.txt'", lang="bash")

        assert answer["stdout"] == ""
        assert "No such file or directory" in answer["stderr"]

    def test_a_file_is_written_by_a_heredoc_into_python(self, caller: Caller) -> None:
        content = "quotes ' \" and $variables\n\tand tabs"
        code = f"""python3 - <<'LIBRECHAT'
import base64, pathlib
path = pathlib.Path('/mnt/data/notes/new.txt')
path.parent.mkdir(parents=True, exist_ok=True)
path.write_bytes(base64.b64decode('{base64.b64encode(content.encode()).decode()}'))
print('written')
LIBRECHAT
"""
        answer = caller.run(code, lang="bash")
        (file,) = answer["files"]

        assert answer["stdout"] == "written\n"
        assert file["name"] == "notes/new.txt"
        stored = StoredFile(answer["session_id"], file["id"], file["name"])
        assert caller.download(stored).decode() == content

    def test_an_image_is_read_in_windows_that_fit_the_output(self, caller: Caller) -> None:
        image = bytes(range(256)) * 400
        file = caller.upload("image.png", image)
        read = bytearray()
        while len(read) < len(image):
            code = f"""python3 - <<'LIBRECHAT'
import base64
with open('/mnt/data/image.png', 'rb') as file:
    file.seek({len(read)})
    print(base64.b64encode(file.read({WINDOW_BYTES})).decode(), end='')
LIBRECHAT
"""
            answer = caller.run(code, file, lang="bash")
            assert answer["status"] is None, "a window of this size is not too large"
            read += base64.b64decode(answer["stdout"])

        assert read == image

    def test_a_window_that_is_too_large_is_told_as_that(self, caller: Caller) -> None:
        code = f"head -c {2 * WINDOW_BYTES} /dev/zero | base64 -w 0"
        answer = caller.run(code, lang="bash")

        assert (answer["status"], answer["message"]) == ("OL", "stdout length exceeded")
