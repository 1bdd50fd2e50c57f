"""Every setting does what it says: changed in a real service, and the difference seen there."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import httpx
import pytest

from infra.local.engine import OWNER_LABEL, connect
from tests.live.running_service import RunningService, eventually
from tests.live.running_service_altered import (
    EXECUTOR_ID,
    MAX_AGE_S,
    MIB,
    OWN_KEY,
    container_facts,
)
from tests.live.running_service_caller import Caller, StoredFile, stored_files

pytestmark = pytest.mark.docker


@pytest.fixture(autouse=True)
def _rested(altered: RunningService) -> None:
    """It runs one program at a time: none of the last test's may be in the way."""
    altered.rest()


@pytest.fixture(scope="module", autouse=True)
def old(altered_caller: Caller) -> StoredFile:
    """A file that was there when these tests began, and is asked for when they end."""
    old = altered_caller.upload("old.txt", b"for a moment")
    assert altered_caller.download(old) == b"for a moment"
    return old


class TestAddressAndKeys:
    def test_it_listens_at_its_address_and_nowhere_else(self, altered: RunningService) -> None:
        assert httpx.get(f"http://127.0.0.2:{altered.port}/health").status_code == 200
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"http://127.0.0.1:{altered.port}/health")

    def test_its_pages_are_those_it_was_told(self, altered: RunningService) -> None:
        def may_call(origin: str) -> bool:
            answer = httpx.get(f"{altered.address}/health", headers={"Origin": origin})
            return answer.headers.get("access-control-allow-origin") == origin

        assert may_call("https://chat.example")
        assert may_call("http://localhost:4000")
        assert not may_call("http://localhost:3080")

    def test_one_key_and_several_open_it_each_for_its_tenant(
        self, altered: RunningService, altered_caller: Caller
    ) -> None:
        with Caller(altered.address, OWN_KEY) as owner, altered.caller("second") as second:
            notes = owner.upload("notes.txt", b"the owner's")

            assert owner.download(notes) == b"the owner's"
            for other in (altered_caller, second):
                assert other.http.get(notes.path).status_code == 404
            assert any(f"/default/{notes.session_id}/" in key for key in altered.stored())


class TestLimits:
    def test_a_program_is_stopped_at_its_time_limit(self, altered_caller: Caller) -> None:
        answer = altered_caller.run(
            "echo 1 > left.txt; echo before; sleep 60; echo after", lang="bash"
        )

        assert answer["stdout"] == "before\n"
        assert (answer["status"], answer["signal"], answer["code"]) == ("TO", "SIGKILL", None)
        assert answer["message"] == "Time limit exceeded"
        assert answer["stderr"].endswith("\n[sandbox] Time limit exceeded\n")
        assert 3000 <= answer["wall_time"] < 5000
        assert altered_caller.download(stored_files(answer)["left.txt"]) == b"1\n"

    def test_programs_take_turns_and_one_that_waits_too_long_is_told(
        self, altered: RunningService
    ) -> None:
        """One at a time, 3 s each, and 2.5 s to wait: the second has no time left to end."""
        program = {"lang": "bash", "code": "sleep 60"}

        def run(_: int) -> httpx.Response:
            with altered.caller() as caller:
                return caller.http.post("/exec", json=program)

        with ThreadPoolExecutor(2) as clients:
            first, second = sorted(clients.map(run, range(2)), key=lambda got: got.status_code)

        assert first.status_code == 200
        assert first.json()["status"] == "TO"
        assert second.status_code == 504
        assert second.json()["error"] == "execution_timeout"

    def test_output_is_cut_where_it_was_told(self, altered_caller: Caller) -> None:
        answer = altered_caller.run("yes | head -c 10000", lang="bash")

        assert answer["status"] == "OL"
        assert answer["stdout"] == "y\n" * 1024

    def test_a_file_may_have_so_many_bytes_in_and_out(self, altered_caller: Caller) -> None:
        fits = altered_caller.upload("fits.bin", bytes(100_000))
        refused = altered_caller.http.post(
            "/upload", files={"file": ("large.bin", bytes(100_001))}
        )
        answer = altered_caller.run(
            "head -c 100000 /dev/zero > out.bin; head -c 100001 /dev/zero > large.bin",
            lang="bash",
        )

        assert altered_caller.download(fits) == bytes(100_000)
        assert refused.status_code == 413
        assert [file["name"] for file in answer["files"]] == ["out.bin"]

    def test_memory_ends_where_it_was_told(
        self, caller: Caller, altered_caller: Caller
    ) -> None:
        code = f"print(len(bytearray({210 * MIB}).replace(b'0', b'')) > 0)"

        assert altered_caller.run(code)["status"] == "SG"
        assert caller.run(f"print(len(bytearray({210 * MIB})) > 0)")["stdout"] == "True\n"

    def test_the_workspace_ends_where_it_was_told(
        self, caller: Caller, altered_caller: Caller
    ) -> None:
        code = "head -c 20000000 /dev/zero > large.bin; rm large.bin"

        assert "No space left on device" in altered_caller.run(code, lang="bash")["stderr"]
        assert caller.run(code, lang="bash")["stderr"] == ""

    def test_processors_are_as_many_as_it_was_told(
        self, service: RunningService, altered: RunningService
    ) -> None:
        service.rest()

        def cpus(of: RunningService) -> float:
            host = container_facts(next(iter(of.containers())))["HostConfig"]
            return host["CpuQuota"] / host["CpuPeriod"]

        assert (cpus(service), cpus(altered)) == (0.5, 1)


class TestSandboxes:
    def test_as_many_wait_as_it_was_told(
        self, service: RunningService, altered: RunningService
    ) -> None:
        service.rest()

        assert (len(service.containers()), len(altered.containers())) == (2, 1)

    def test_they_are_of_the_image_the_runtime_and_the_owner_it_was_told(
        self, altered: RunningService
    ) -> None:
        (waiting,) = altered.containers()

        facts = container_facts(waiting)

        assert facts["Config"]["Image"] == altered.settings["SANDBOX_IMAGE"]
        assert facts["HostConfig"]["Runtime"] == "io.containerd.runc.v2"
        assert facts["Config"]["Labels"][OWNER_LABEL] == EXECUTOR_ID

    def test_they_see_the_assets_it_was_told(self, altered_caller: Caller) -> None:
        code = "cat /mnt/shared/greeting.txt; test ! -e /mnt/shared/icons && echo only"

        assert altered_caller.run(code, lang="bash")["stdout"] == "good day\nonly\n"

    def test_leftovers_are_looked_for_as_often_as_it_was_told(
        self, altered: RunningService
    ) -> None:
        with closing(connect()) as engine:
            left = engine.api.create_container(
                altered.settings["SANDBOX_IMAGE"], labels={OWNER_LABEL: EXECUTOR_ID}
            )["Id"]

        eventually(lambda: left not in altered.containers(ended=True), "it is removed")


class TestStorage:
    def test_everything_is_kept_in_its_bucket_below_its_prefix(
        self, altered: RunningService, altered_caller: Caller
    ) -> None:
        notes = altered_caller.upload("notes.txt", b"1")

        keys = altered.stored()

        assert f"team/runs/first/{notes.session_id}/record.json" in keys
        assert all(key.startswith("team/runs/") for key in keys)

    def test_data_keys_and_logs_are_in_its_folder(self, altered: RunningService) -> None:
        folder = altered.work_dir

        assert (folder / "s3").is_dir()
        assert (folder / "secrets").stat().st_mode & 0o077 == 0
        assert (folder / "logs" / "api.log").exists()


class TestLogs:
    def test_they_hold_what_is_as_grave_as_it_was_told(
        self,
        service: RunningService,
        caller: Caller,
        altered: RunningService,
        altered_caller: Caller,
    ) -> None:
        caller.run("1")
        altered_caller.run("1")

        for process in ("api", "executor"):
            assert '"level": "info"' in service.log(process)
            assert '"level": "info"' not in altered.log(process)


class TestAge:
    def test_what_is_too_old_is_gone_whoever_asks_and_however(
        self, altered_caller: Caller, old: StoredFile
    ) -> None:
        eventually(
            lambda: altered_caller.http.get(f"/files/{old.session_id}").status_code == 404,
            "the session has expired",
            timeout_s=2 * MAX_AGE_S,
        )

        http = altered_caller.http
        assert http.get(f"/files/{old.session_id}").json()["error"] == "Session not found"
        assert http.get(old.path).json()["error"] == "File not found"
        assert http.get(old.path).status_code == 404
        assert http.head(old.path).status_code == 404
        assert http.delete(f"/sessions/{old.session_id}").status_code == 404
        run = {"lang": "py", "code": "1", "files": [old.reference]}
        assert http.post("/exec", json=run).status_code == 422
