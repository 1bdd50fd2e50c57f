"""The story of one run, and which files it reports (librechat-contract 2.2, 3.5)."""

import dataclasses
import re

import pytest

from executor.delivery import HELD_BYTES
from executor.messages import FileEntry, Finished, Stopped
from storage.records import ID_PATTERN, FileReference
from tests.executor.workbench import MIB, TENANT, USER, Workbench, request

pytestmark = pytest.mark.anyio


def names(result: Finished) -> list[str]:
    return [entry.name for entry in result.files]


def only(result: Finished) -> FileEntry:
    (entry,) = result.files
    return entry


class TestResults:
    async def test_a_program_and_its_output(self, bench: Workbench) -> None:
        result = await bench.run("echo out; echo err >&2")

        assert (result.stdout, result.stderr) == ("out\n", "err\n")
        assert (result.exit_code, result.signal, result.stopped) == (0, None, None)
        assert result.files == ()

    async def test_a_failing_program_is_a_result_and_its_files_are_kept(
        self, bench: Workbench
    ) -> None:
        result = await bench.run("echo kept > a.txt; exit 3")

        assert result.exit_code == 3
        assert await bench.content(only(result)) == b"kept\n"

    async def test_a_program_over_its_time_is_a_result_and_its_files_are_kept(
        self, bench: Workbench
    ) -> None:
        bench.limits = bench.limits.__class__(
            wall_time_s=0.5, stdout_bytes=100, stderr_bytes=100, file_bytes=MIB, total_bytes=MIB
        )

        result = await bench.run("echo kept > a.txt; sleep 60")

        assert (result.stopped, result.signal) == (Stopped.TIME, "SIGKILL")
        assert names(result) == ["a.txt"]

    async def test_the_arguments_reach_the_program_one_by_one(self, bench: Workbench) -> None:
        asked = request("import sys; print(sys.argv[1:])", language="py")
        asked = asked.model_copy(update={"args": ("a b", "$HOME", "")})

        report = await bench.report(asked)

        assert isinstance(report.result, Finished)
        assert report.result.stdout == "['a b', '$HOME', '']\n"

    async def test_output_that_is_no_text_becomes_text(self, bench: Workbench) -> None:
        result = await bench.run(r"printf 'a\377\000b'")

        assert result.stdout == "a\ufffd\0b"

    async def test_every_run_has_a_sandbox_of_its_own(self, bench: Workbench) -> None:
        for _ in range(3):
            result = await bench.run("ls; touch trace")
            assert result.stdout == "script.sh\n"

        assert len(bench.engine.made) == 3


class TestStorageTouched:
    async def test_a_run_without_files_touches_none(self, bench: Workbench) -> None:
        await bench.run("echo hi")

        assert bench.store.calls == []

    async def test_the_record_is_written_last(self, bench: Workbench) -> None:
        asked = request("for n in 1 2 3 4 5 6 7 8; do echo $n > $n.txt; done")

        await bench.report(asked)

        *files, last = bench.store.puts
        assert last == f"{TENANT}/{asked.session_id}/record.json"
        assert len(files) == 8
        assert all(key.startswith(f"{TENANT}/{asked.session_id}/files/") for key in files)

    async def test_the_record_lists_what_the_report_lists(self, bench: Workbench) -> None:
        kept = await bench.upload("kept.csv")
        asked = request("echo new > new.txt", kept)

        report = await bench.report(asked)

        assert isinstance(report.result, Finished)
        record = await bench.sessions.load(TENANT, asked.session_id)
        assert record.files == report.result.files
        assert (record.origin, record.user, record.scope.kind) == ("execution", USER, "user")

    async def test_an_untouched_input_is_recorded_but_not_stored_again(
        self, bench: Workbench
    ) -> None:
        kept = await bench.upload("kept.csv")
        asked = request("true", kept)

        await bench.report(asked)

        assert bench.store.puts == [f"{TENANT}/{asked.session_id}/record.json"]

    async def test_a_run_whose_only_input_was_deleted_is_recorded_with_it(
        self, bench: Workbench
    ) -> None:
        doomed = await bench.upload("doomed.csv")
        asked = request("rm doomed.csv", doomed)

        report = await bench.report(asked)

        assert isinstance(report.result, Finished)
        assert report.result.deleted_files == ("doomed.csv",)
        record = await bench.sessions.load(TENANT, asked.session_id)
        assert (record.files, record.inputs) == ((), (doomed,))

    async def test_the_record_holds_the_inputs_that_are_not_among_the_files(
        self, bench: Workbench
    ) -> None:
        """Clients name them under the run's session all the same (contract 7.3, item 5)."""
        same = await bench.upload("same.csv")
        changed = await bench.upload("changed.csv")
        gone = await bench.upload("gone.csv")
        fixed = await bench.upload("fixed.csv", read_only=True)
        asked = request(
            "echo >> changed.csv; echo >> fixed.csv; rm gone.csv", same, changed, gone, fixed
        )

        await bench.report(asked)

        record = await bench.sessions.load(TENANT, asked.session_id)
        assert [entry.name for entry in record.files] == [
            "changed.csv",
            "same.csv",
            "fixed.csv",
        ]
        assert record.inputs == (changed, gone)

    async def test_those_without_a_place_among_the_files_are_recorded_and_told(
        self, bench: Workbench
    ) -> None:
        inputs = [await bench.upload(f"in{n}") for n in range(3)]
        bench.limits = dataclasses.replace(bench.limits, files=2)
        asked = request("touch new", *inputs)

        report = await bench.report(asked)

        assert isinstance(report.result, Finished)
        assert names(report.result) == ["new", "in0"]
        assert report.result.skip_reasons == ("not_listed",)
        assert [skipped.name for skipped in report.result.skipped] == ["in1", "in2"]
        assert report.result.stderr == ""
        record = await bench.sessions.load(TENANT, asked.session_id)
        assert record.inputs == tuple(inputs[1:])


class TestNewFiles:
    async def test_they_are_stored_under_the_run_with_ids_of_21_characters(
        self, bench: Workbench
    ) -> None:
        asked = request("mkdir -p plots; printf 12345 > plots/trend.csv")

        report = await bench.report(asked)

        assert isinstance(report.result, Finished)
        entry = only(report.result)
        assert re.fullmatch(ID_PATTERN, entry.id)
        assert (entry.name, entry.size_bytes) == ("plots/trend.csv", 5)
        assert entry.storage_session_id == asked.session_id
        assert entry.content_type == "text/csv"
        assert (entry.inherited, entry.modified_from) == (False, None)
        assert await bench.content(entry) == b"12345"

    async def test_large_ones_are_kept_whole_and_in_order(self, bench: Workbench) -> None:
        sizes = {"a": 1, "b": HELD_BYTES, "c": HELD_BYTES + 1, "d": 5 * MIB, "e": 0}
        code = "\n".join(f"head -c {size} /dev/zero > {name}" for name, size in sizes.items())

        result = await bench.run(code)

        assert {entry.name: entry.size_bytes for entry in result.files} == sizes
        assert names(result) == list("abcde")
        for entry in result.files:
            assert await bench.content(entry) == bytes(entry.size_bytes)

    async def test_odd_names_survive(self, bench: Workbench) -> None:
        result = await bench.run("mkdir -p 'año nuevo'; touch 'año nuevo/-ü 🎉.txt'")

        assert names(result) == ["año nuevo/-ü 🎉.txt"]

    async def test_of_sixty_fifty_are_kept_and_the_others_named(self, bench: Workbench) -> None:
        result = await bench.run("for n in $(seq -w 60); do touch f$n; done")

        assert len(result.files) == 50
        assert [skipped.name for skipped in result.skipped] == [f"f{n}" for n in range(51, 61)]
        assert result.skipped_count == 10


class TestInputs:
    async def test_they_are_there_with_their_folders(self, bench: Workbench) -> None:
        first = await bench.upload("a/b c/ü.csv", b"1,2\n")
        second = await bench.upload("empty.txt", b"")

        result = await bench.run("cat 'a/b c/ü.csv' empty.txt", first, second)

        assert (result.stdout, result.stderr) == ("1,2\n", "")

    async def test_an_untouched_one_is_inherited_with_its_own_ids(
        self, bench: Workbench
    ) -> None:
        uploaded = await bench.upload("data.csv")

        result = await bench.run("cat data.csv", uploaded)

        assert only(result) == uploaded.model_copy(update={"inherited": True})

    async def test_one_inherited_twice_still_names_the_first_session(
        self, bench: Workbench
    ) -> None:
        uploaded = await bench.upload("data.csv")
        once = only(await bench.run("true", uploaded))

        assert only(await bench.run("true", once)) == once

    async def test_a_changed_one_is_new_and_says_what_it_was(self, bench: Workbench) -> None:
        uploaded = await bench.upload("data.csv", b"1\n")

        entry = only(await bench.run("echo 2 >> data.csv", uploaded))

        assert not entry.inherited
        assert entry.id != uploaded.id
        assert entry.modified_from == FileReference(
            id=uploaded.id, storage_session_id=uploaded.storage_session_id
        )
        assert await bench.content(entry) == b"1\n2\n"
        assert await bench.content(uploaded) == b"1\n"

    async def test_a_changed_one_that_is_left_alone_next_time_is_inherited_plainly(
        self, bench: Workbench
    ) -> None:
        uploaded = await bench.upload("data.csv", b"1\n")
        changed = only(await bench.run("echo 2 >> data.csv", uploaded))

        entry = only(await bench.run("true", changed))

        assert (entry.id, entry.inherited, entry.modified_from) == (changed.id, True, None)

    async def test_a_deleted_one_is_absent_and_named(self, bench: Workbench) -> None:
        doomed = await bench.upload("a/doomed.csv")
        kept = await bench.upload("kept.csv")

        result = await bench.run("rm -r a", doomed, kept)

        assert names(result) == ["kept.csv"]
        assert result.deleted_files == ("a/doomed.csv",)

    async def test_the_entity_that_came_with_one_is_echoed(self, bench: Workbench) -> None:
        same = await bench.upload("same.csv", entity_id="agent_1")
        changed = await bench.upload("changed.csv", entity_id="agent_2")

        result = await bench.run("echo >> changed.csv", same, changed)

        entities = {entry.name: entry.entity_id for entry in result.files}
        assert entities == {"same.csv": "agent_1", "changed.csv": "agent_2"}

    async def test_an_input_named_like_the_entry_file_is_the_users(
        self, bench: Workbench
    ) -> None:
        uploaded = await bench.upload("script.sh", b"mine")

        result = await bench.run("cat script.sh", uploaded)

        assert result.stdout == "mine"
        assert only(result).inherited

    async def test_new_and_changed_files_come_first_and_inherited_fill_up_to_fifty(
        self, bench: Workbench
    ) -> None:
        inputs = [await bench.upload(f"in{n:02}") for n in range(20)]

        result = await bench.run(
            "for n in $(seq -w 40); do touch z$n; done; echo >> in19", *inputs
        )

        assert len(result.files) == 50
        assert names(result)[0] == "in19"
        assert names(result)[1:41] == [f"z{n:02}" for n in range(1, 41)]
        assert names(result)[41:] == [f"in{n:02}" for n in range(9)]
        assert all(entry.inherited for entry in result.files[41:])


class TestReadOnlyInputs:
    @pytest.mark.parametrize(
        "code",
        [
            "true",
            "chmod u+w data.csv; echo more >> data.csv",
            "echo other > x; mv x data.csv",
            "rm data.csv",
            "rm data.csv; ln -s /etc/passwd data.csv",
            "rm data.csv; mkdir data.csv",
            "rm data.csv; mkfifo data.csv",
        ],
        ids=["left-alone", "appended", "renamed-over", "deleted", "link", "folder", "pipe"],
    )
    async def test_whatever_the_program_does_they_stay_inherited(
        self, bench: Workbench, code: str
    ) -> None:
        uploaded = await bench.upload("data.csv", read_only=True)

        result = await bench.run(code, uploaded)

        assert only(result) == uploaded.model_copy(update={"inherited": True})
        assert result.deleted_files == ()
        assert len(bench.store.puts) == 1  # The record.

    async def test_a_file_cannot_take_the_place_of_the_folder_that_holds_one(
        self, bench: Workbench
    ) -> None:
        """The client sends both back as inputs, which cannot lie side by side."""
        uploaded = await bench.upload("skill/SKILL.md", read_only=True)

        result = await bench.run("rm -r skill; echo x > skill; touch other", uploaded)

        assert names(result) == ["other", "skill/SKILL.md"]

    async def test_a_file_cannot_lie_below_one(self, bench: Workbench) -> None:
        uploaded = await bench.upload("data.csv", read_only=True)

        result = await bench.run("rm data.csv; mkdir data.csv; touch data.csv/x y", uploaded)

        assert names(result) == ["y", "data.csv"]
