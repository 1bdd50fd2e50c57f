"""What comes back from a run of the real service, and how much memory it gets."""

from collections.abc import Iterator

import pytest

from tests.live.running_service import RunningService, running_service
from tests.live.running_service_altered import MIB
from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker

TAKE_MIB = "x = bytearray(b'x') * ({} << 20)\nprint('taken')"

SETTINGS = {
    "LARGE_MEMORY_FOR": "bash, heavy",
    "MAX_OUTPUT_FILES": "3",
    "MEMORY_LIMIT_LARGE": str(400 * MIB),
    "OUTPUT_EXTENSIONS": "csv, .Makefile",
    "SANDBOX_POOL_SIZE": "1",
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    """A client of a service that was told what to keep, and how much memory to give."""
    folder = tmp_path_factory.mktemp("outputs") / "work"
    with running_service(folder, SETTINGS) as service, service.caller() as caller:
        yield caller


@pytest.fixture(autouse=True)
def _rested(service: RunningService) -> None:
    """Memory that a removed sandbox has not given back yet is missing in the next."""
    service.rest()


def names(answer: dict[str, list[dict[str, str]]]) -> list[str]:
    return [file["name"] for file in answer["files"]]


class TestFolders:
    def test_an_empty_one_is_there_in_the_next_run_and_the_one_after(
        self, caller: Caller
    ) -> None:
        """Trap 49."""
        first = caller.run("mkdir -p reports/q1; echo 1 > reports/a.csv", lang="bash")
        inputs = stored_files(first)

        second = caller.run("ls -A reports reports/q1", *inputs.values(), lang="bash")
        third = caller.run("rmdir reports/q1", *stored_files(second).values(), lang="bash")

        assert names(first) == ["reports/a.csv", "reports/q1/.dirkeep"]
        assert caller.download(inputs["reports/q1/.dirkeep"]) == b""
        assert second["stdout"] == "reports:\na.csv\nq1\n\nreports/q1:\n"
        assert all(file["inherited"] for file in second["files"])
        assert third["deleted_files"] == ["reports/q1/.dirkeep"]
        assert third["stderr"] == ""


class TestTold:
    def test_files_that_are_not_kept_are_in_the_answer_and_in_stderr(
        self, caller: Caller
    ) -> None:
        answer = caller.run(
            "truncate -s 60M big.bin; mkdir .cache; touch .cache/x; ln -s x link; echo 1 > a",
            lang="bash",
        )

        assert names(answer) == ["a"]
        assert answer["artifact_truncation"] == {
            "reasons": ["file_too_large", "hidden_directory", "not_a_regular_file"],
            "skipped_count": 3,
            "skipped": ["big.bin", ".cache/", "link"],
        }
        assert answer["stderr"] == (
            "\n[sandbox] 1 file was not kept: big.bin (larger than 52428800 bytes)\n"
        )
        assert answer["message"] is None

    def test_what_tools_leave_in_passing_is_no_word_in_stderr(self, caller: Caller) -> None:
        """LibreChat takes a stderr without a stdout for an error (contract 3.9)."""
        answer = caller.run("mkdir .cache; touch .cache/x; ln -s /etc/passwd link", lang="bash")

        assert answer["stderr"] == ""
        assert answer["artifact_truncation"]["skipped_count"] == 2

    def test_a_run_that_keeps_everything_has_nothing_to_tell(self, caller: Caller) -> None:
        answer = caller.run("echo 1 > a.pkl; echo 2 > Makefile", lang="bash")

        assert names(answer) == ["Makefile", "a.pkl"]
        assert not {"artifact_truncation", "artifact_delivery", "deleted_files"} & answer.keys()

    def test_a_change_of_a_read_only_input_is_told(self, caller: Caller) -> None:
        fixed = caller.upload("SKILL.md", b"as it was", read_only="true")

        answer = caller.run("chmod u+w SKILL.md && echo more >> SKILL.md", fixed, lang="bash")

        assert answer["files"][0]["inherited"] is True
        assert answer["artifact_truncation"]["reasons"] == ["read_only_input"]
        assert (
            "[sandbox] 1 file was not kept: SKILL.md (the input is read-only)"
            in (answer["stderr"])
        )

    def test_removed_inputs_are_named_by_their_paths_and_nothing_else_is(
        self, caller: Caller
    ) -> None:
        """Trap 51."""
        inputs = caller.upload_all({"b.csv": b"1", "a.csv": b"2", "same.csv": b"3"})

        answer = caller.run(
            "touch new.txt; rm new.txt b.csv a.csv script.sh", *inputs, lang="bash"
        )

        assert answer["deleted_files"] == ["a.csv", "b.csv"]
        assert names(answer) == ["same.csv"]


class TestSettings:
    def test_files_are_as_many_as_it_was_told(self, told: Caller) -> None:
        answer = told.run("for n in 1 2 3 4 5; do touch $n.csv; done", lang="bash")

        assert names(answer) == ["1.csv", "2.csv", "3.csv"]
        assert answer["artifact_truncation"] == {
            "reasons": ["too_many_files"],
            "skipped_count": 2,
            "skipped": ["4.csv", "5.csv"],
        }
        assert "4.csv (more than 3 files), 5.csv (more than 3 files)" in answer["stderr"]

    def test_files_are_kept_by_their_endings(self, told: Caller) -> None:
        kept = told.upload("model.pkl", b"1")

        answer = told.run("touch a.CSV b.txt Makefile", kept, lang="bash")

        assert names(answer) == ["Makefile", "a.CSV", "model.pkl"]
        assert answer["artifact_truncation"]["skipped"] == ["b.txt"]
        assert answer["artifact_truncation"]["reasons"] == ["extension_not_kept"]


class TestMemory:
    def test_a_large_run_has_what_it_was_told(self, told: Caller) -> None:
        def run(mib: int) -> str | None:
            return told.run(f"# heavy\n{TAKE_MIB.format(mib)}")["status"]

        assert run(350) is None
        assert run(550) == "SG"

    def test_runs_are_large_for_what_it_was_told(self, told: Caller) -> None:
        code = TAKE_MIB.format(350)
        heavy = told.upload("skills/heavy.py", code.encode())
        light = told.upload("skills/light.py", code.encode())
        load = "import runpy; runpy.run_path('skills/{}.py')"

        assert told.run(code)["status"] == "SG"
        assert told.run(f'python3 -c "{code.splitlines()[0]}"', lang="bash")["code"] == 0
        assert told.run(f"# a heavy one\n{code}")["stdout"] == "taken\n"
        assert told.run(load.format("heavy"), heavy)["stdout"] == "taken\n"
        assert told.run(load.format("light"), light)["status"] == "SG"

    def test_by_default_a_program_that_calls_libreoffice_has_more(self, caller: Caller) -> None:
        code = TAKE_MIB.format(700)

        assert caller.run(code)["status"] == "SG"
        assert caller.run(f"# then soffice --headless\n{code}")["stdout"] == "taken\n"

    def test_the_next_run_has_no_more_than_any(self, caller: Caller) -> None:
        caller.run("# soffice")

        assert caller.run(TAKE_MIB.format(700))["status"] == "SG"


def test_what_a_run_lost_is_found_under_the_runs_session(caller: Caller) -> None:
    """Contract 7.3, item 5: clients name an input under the run that had it."""
    gone = caller.upload("gone.csv", b"1,2")
    first = caller.run("rm gone.csv", gone, lang="bash")
    alias = StoredFile(first["session_id"], gone.id, gone.name)

    second = caller.run("cat gone.csv", alias, lang="bash")

    assert second["stdout"] == "1,2"
