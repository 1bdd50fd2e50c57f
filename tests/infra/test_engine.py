"""How an engine is found, and what is done or said where there is none."""

import os
import signal
import socket
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from infra.local.child import ChildSpec
from infra.local.console import Console
from infra.local.engine import (
    DEFAULT_ADDRESS,
    Answer,
    Facts,
    Step,
    ask,
    engine_address,
    find_program,
    next_step,
)
from infra.local.engine_setup import daemon_spec, forget_dead_daemon, start_daemon
from infra.local.errors import ChildFailedError, EngineError
from infra.local.supervisor import Supervisor

BARE = Facts(
    answer=Answer.SILENT,
    address=DEFAULT_ADDRESS,
    is_installed=False,
    is_root=True,
    has_systemd=False,
    may_install=True,
)
"""A fresh Debian machine, as root, where no init system runs."""


class TestNextStep:
    def test_one_that_answers_is_used(self) -> None:
        assert next_step(replace(BARE, answer=Answer.READY)) is Step.USE

    def test_it_is_installed_where_we_may(self) -> None:
        assert next_step(BARE) is Step.INSTALL

    def test_it_is_started_by_hand_where_no_init_system_does(self) -> None:
        assert next_step(replace(BARE, is_installed=True)) is Step.START_DAEMON

    def test_it_is_started_as_a_service_where_systemd_runs(self) -> None:
        facts = replace(BARE, is_installed=True, has_systemd=True)

        assert next_step(facts) is Step.START_SERVICE

    @pytest.mark.parametrize(
        ("facts", "advice"),
        [
            pytest.param(
                replace(BARE, is_root=False, may_install=False),
                r"sudo apt-get install -y docker\.io",
                id="may-not-install",
            ),
            pytest.param(
                replace(BARE, is_installed=True, is_root=False, has_systemd=True),
                "sudo systemctl start docker",
                id="may-not-start-the-service",
            ),
            pytest.param(
                replace(BARE, is_installed=True, is_root=False),
                "sudo dockerd",
                id="may-not-start-the-daemon",
            ),
            pytest.param(
                replace(BARE, answer=Answer.DENIED, is_root=False, is_installed=True),
                r'usermod -aG docker "\$USER"',
                id="may-not-use-it",
            ),
            pytest.param(
                replace(BARE, address="tcp://far:2376"),
                "no Docker engine answers at tcp://far:2376",
                id="named-by-the-user",
            ),
        ],
    )
    def test_where_we_can_do_nothing_the_command_to_run_is_told(
        self, facts: Facts, advice: str
    ) -> None:
        with pytest.raises(EngineError, match=advice):
            next_step(facts)


class TestAsking:
    def test_a_socket_that_is_not_there_is_silent(self, tmp_path: Path) -> None:
        assert ask(f"unix://{tmp_path}/docker.sock") is Answer.SILENT

    def test_a_socket_that_a_killed_engine_left_is_silent(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as dead:
            dead.bind(str(tmp_path / "docker.sock"))

        assert ask(f"unix://{tmp_path}/docker.sock") is Answer.SILENT

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
    def test_a_socket_of_another_group_is_told_from_silence(self) -> None:
        # Not in `tmp_path`, whose folders are closed to others.
        path = Path(f"/tmp/code-command-denied-{os.getpid()}.sock")
        program = (
            "import os, sys\n"
            "from infra.local.engine import ask\n"
            "os.setuid(65534)\n"
            "print(ask('unix://' + sys.argv[1]).name)"
        )
        with socket.socket(socket.AF_UNIX) as line:
            line.bind(str(path))
            path.chmod(0o600)
            line.listen()
            try:
                command = (sys.executable, "-c", program, str(path))
                done = subprocess.run(command, capture_output=True, text=True, check=True)
            finally:
                path.unlink()

        assert done.stdout == "DENIED\n"

    def test_an_address_where_nobody_listens_is_silent(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")

        assert ask(engine_address()) is Answer.SILENT

    @pytest.mark.docker
    def test_the_engine_of_this_machine_answers(self) -> None:
        assert ask(engine_address()) is Answer.READY


class TestAddress:
    def test_docker_host_names_it(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("DOCKER_HOST", "ssh://box")

        assert engine_address() == "ssh://box"

    def test_without_it_dockers_default_counts(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
        monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

        assert engine_address() == DEFAULT_ADDRESS


def test_system_programs_are_found_without_sbin_on_the_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A user's PATH on Debian has no `sbin`, and dockerd lives in one."""
    monkeypatch.setenv("PATH", "/nonexistent")

    assert find_program("ldconfig") is not None
    assert find_program("no-such-program") is None


class TestDeadDaemon:
    def test_the_pid_file_of_a_killed_engine_is_removed(self, tmp_path: Path) -> None:
        """After a restart of the machine its number may be anybody's, such as ours."""
        file = tmp_path / "docker.pid"
        file.write_text(str(os.getpid()), encoding="ascii")

        forget_dead_daemon((str(file), str(tmp_path / "missing.pid")))

        assert not file.exists()

    def test_that_of_a_living_one_stays(self, tmp_path: Path) -> None:
        program = tmp_path / "dockerd"
        program.symlink_to("/bin/sleep")
        file = tmp_path / "docker.pid"
        with subprocess.Popen((str(program), "60")) as living:
            file.write_text(f"{living.pid}\n", encoding="ascii")
            name = Path(f"/proc/{living.pid}/comm")
            while name.read_text(encoding="ascii") != "dockerd\n":
                pass  # The kernel names a process a moment after it lets go of its parent.
            try:
                forget_dead_daemon((str(file),))
            finally:
                living.kill()

        assert file.exists()


STAND_IN = textwrap.dedent("""\
    #!{python}
    import signal, sys
    if {trouble!r} and "--bridge=none" not in sys.argv:
        sys.exit("Error initializing network controller: " + {trouble!r})
    print("started with", sys.argv[1:], flush=True)
    signal.pause()
""")


class TestStartingADaemon:
    """With a stand-in that fails as dockerd 20.10 does."""

    @pytest.fixture
    def spec(self, tmp_path: Path) -> Callable[[str], ChildSpec]:
        def spec(trouble: str) -> ChildSpec:
            program = tmp_path / "dockerd"
            program.write_text(
                STAND_IN.format(python=sys.executable, trouble=trouble), encoding="utf-8"
            )
            program.chmod(0o755)
            return replace(
                daemon_spec(tmp_path / "dockerd.log"), argv=(str(program), "--debug")
            )

        return spec

    @pytest.fixture
    def supervisor(self) -> Iterator[Supervisor]:
        with Supervisor(Console(quiet=True)) as supervisor:
            yield supervisor

    @staticmethod
    def said(spec: ChildSpec) -> str:
        return spec.log.read_text(encoding="utf-8") if spec.log.exists() else ""

    def test_it_is_waited_for(
        self, spec: Callable[[str], ChildSpec], supervisor: Supervisor
    ) -> None:
        engine = spec("")

        start_daemon(
            supervisor, engine, Console(quiet=True), lambda: "started" in self.said(engine)
        )

        assert self.said(engine) == "started with ['--debug']\n"

    def test_without_iptables_it_is_started_without_a_network(
        self, spec: Callable[[str], ChildSpec], supervisor: Supervisor
    ) -> None:
        engine = spec("failed to create NAT chain DOCKER: Iptables not found")

        start_daemon(
            supervisor, engine, Console(quiet=True), lambda: "started" in self.said(engine)
        )

        assert "'--debug', '--bridge=none', '--iptables=false'" in self.said(engine)

    def test_other_trouble_is_reported_as_it_is(
        self, spec: Callable[[str], ChildSpec], supervisor: Supervisor
    ) -> None:
        engine = spec("")
        broken = replace(engine, argv=("/bin/sh", "-c", "echo disk is full; exit 1"))

        with pytest.raises(ChildFailedError, match="disk is full"):
            start_daemon(supervisor, broken, Console(quiet=True), lambda: False)

    def test_an_orphaned_daemon_is_asked_to_end(self, tmp_path: Path) -> None:
        """Killed, it would leave containerd and its containers behind."""
        assert daemon_spec(tmp_path / "log").orphan_signal is signal.SIGTERM
