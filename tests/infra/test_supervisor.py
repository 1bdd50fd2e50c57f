"""Children are real processes here: small Python programs."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from infra.local.child import LOG_LIMIT_BYTES, TETHER, Child, ChildSpec
from infra.local.config import CHECKOUT
from infra.local.console import Console
from infra.local.errors import ChildFailedError
from infra.local.supervisor import Supervisor

SLEEPER = "import signal; print('up', flush=True); signal.pause()"
STUBBORN = (
    "import signal\n"
    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "print('up', flush=True)\n"
    "while True: signal.pause()"
)


@pytest.fixture
def quiet() -> Console:
    return Console(quiet=True)


@pytest.fixture
def make(tmp_path: Path) -> Callable[..., ChildSpec]:
    def make(name: str, program: str, *, grace_s: float = 10) -> ChildSpec:
        return ChildSpec(
            name=name,
            argv=(sys.executable, "-c", program),
            environment={"PATH": os.defpath},
            cwd=tmp_path,
            log=tmp_path / f"{name}.log",
            grace_s=grace_s,
        )

    return make


@pytest.fixture
def children() -> Iterator[list[Child]]:
    """Children started by hand; they end with the test, however it went."""
    started: list[Child] = []
    yield started
    for child in started:
        child.stop(hurry=lambda: True)


def has_said(spec: ChildSpec, text: str) -> Callable[[], bool]:
    return lambda: spec.log.exists() and text in spec.log.read_text(encoding="utf-8")


def eventually(condition: Callable[[], bool], *, timeout_s: float = 10) -> bool:
    give_up_at = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.01)
    return True


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and waits to be noticed does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").split(") ")[1][0] != "Z"
    except FileNotFoundError:
        return False


class TestChild:
    def test_its_output_is_in_its_log(
        self, make: Callable[..., ChildSpec], children: list[Child]
    ) -> None:
        spec = make("talker", "import sys; print('out'); print('err', file=sys.stderr)")
        children.append(Child(spec))

        children[0].start()

        assert eventually(lambda: children[0].exit_code() == 0)
        assert set(spec.log.read_text(encoding="utf-8").split()) == {"out", "err"}

    def test_the_log_of_the_start_before_is_put_beside(
        self, make: Callable[..., ChildSpec]
    ) -> None:
        spec = make("talker", SLEEPER)
        spec.log.write_text("old", encoding="utf-8")

        Child(spec)

        assert not spec.log.exists()
        assert spec.log.with_name("talker.log.1").read_text(encoding="utf-8") == "old"

    def test_a_log_that_grew_too_long_is_cut_while_the_process_goes_on_writing(
        self, make: Callable[..., ChildSpec], children: list[Child]
    ) -> None:
        program = f"print('x' * {LOG_LIMIT_BYTES + 1}); {SLEEPER}; print('after', flush=True)"
        program = program.replace("signal.pause()", "signal.sigwait({signal.SIGUSR1})")
        program = f"import signal; signal.pthread_sigmask(0, {{signal.SIGUSR1}}); {program}"
        spec = make("talker", program)
        child = Child(spec)
        children.append(child)
        child.start()
        assert eventually(lambda: spec.log.read_bytes()[-3:] == b"up\n")

        child.trim_log()
        assert child.pid is not None
        os.kill(child.pid, signal.SIGUSR1)

        assert eventually(lambda: spec.log.read_text(encoding="utf-8") == "after\n")
        assert spec.log.with_name("talker.log.1").stat().st_size == LOG_LIMIT_BYTES

    def test_it_is_asked_to_stop(
        self, make: Callable[..., ChildSpec], children: list[Child]
    ) -> None:
        spec = make("polite", SLEEPER)
        child = Child(spec)
        children.append(child)
        child.start()
        assert eventually(has_said(spec, "up"))

        assert child.stop()
        assert child.exit_code() == -signal.SIGTERM

    def test_one_that_does_not_listen_is_killed_with_all_that_it_started(
        self, make: Callable[..., ChildSpec], children: list[Child]
    ) -> None:
        grandchild = f"import os; pid = os.fork(); print(pid or 'up', flush=True); {STUBBORN}"
        spec = make(
            "stubborn", grandchild.replace("import signal\n", "import signal; "), grace_s=0.2
        )
        child = Child(spec)
        children.append(child)
        child.start()
        assert eventually(lambda: spec.log.read_text(encoding="utf-8").count("up") == 3)
        pids = [int(w) for w in spec.log.read_text(encoding="utf-8").split() if w.isdigit()]

        assert not child.stop()

        assert child.exit_code() == -signal.SIGKILL
        assert eventually(lambda: not is_alive(pids[0]))

    def test_a_program_that_is_missing_is_said_in_its_log(
        self, make: Callable[..., ChildSpec], children: list[Child]
    ) -> None:
        spec = make("missing", "")
        spec = ChildSpec(
            name="missing",
            argv=("/nonexistent/program",),
            environment={},
            cwd=spec.cwd,
            log=spec.log,
            grace_s=1,
        )
        child = Child(spec)
        children.append(child)

        child.start()

        assert eventually(lambda: child.exit_code() == 127)
        assert "/nonexistent/program: No such file" in child.log_tail()


class TestTether:
    @pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
    def test_a_child_does_not_outlive_us(self, tmp_path: Path, end: signal.Signals) -> None:
        """`kill -9` of `up` leaves nobody the time to stop anything."""
        program = textwrap.dedent(f"""
            import pathlib, signal, sys
            from infra.local.child import Child, ChildSpec
            child = Child(ChildSpec(name="c", argv=(sys.executable, "-c", {STUBBORN!r}),
                environment={{}}, cwd=pathlib.Path("/"), log=pathlib.Path(sys.argv[1]),
                grace_s=1))
            child.start()
            print(child.pid, flush=True)
            signal.pause()
        """)
        log = tmp_path / "c.log"
        command = (sys.executable, "-c", program, str(log))
        environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, env=environment
        ) as parent:
            assert parent.stdout is not None
            pid = int(parent.stdout.readline())
            assert eventually(lambda: log.exists() and "up" in log.read_text(encoding="utf-8"))
            assert is_alive(pid)

            parent.send_signal(end)

            assert eventually(lambda: not is_alive(pid))

    def test_a_parent_that_is_gone_already_is_noticed(self) -> None:
        """It may die between the start of the tether and its call to the kernel."""
        somebody_else = str(os.getpid() + 1)
        command = (sys.executable, "-I", "-S", str(TETHER), somebody_else, "9", "echo", "ran")

        done = subprocess.run(command, capture_output=True, text=True, check=False)

        assert done.returncode == 1
        assert done.stdout == ""


class TestSupervisor:
    def test_children_are_stopped_in_the_reverse_order(
        self, make: Callable[..., ChildSpec], quiet: Console, tmp_path: Path
    ) -> None:
        order = tmp_path / "order"
        program = (
            "import signal, sys\n"
            "def end(*_):\n"
            "    open({path!r}, 'a').write('{name} ')\n"
            "    sys.exit()\n"
            "signal.signal(signal.SIGTERM, end)\n"
            "print('up', flush=True)\n"
            "signal.pause()"
        )

        def clean() -> None:
            with order.open("a", encoding="utf-8") as file:
                file.write("clean ")

        with Supervisor(quiet) as supervisor:
            for name in ("storage", "broker", "executor", "api"):
                spec = make(name, program.format(path=str(order), name=name))
                child = supervisor.start(spec)
                supervisor.wait_until(has_said(spec, "up"), children=[child], timeout_s=10)
                if name == "broker":
                    supervisor.at_stop(clean)

        assert order.read_text(encoding="utf-8") == "api executor clean broker storage "

    def test_what_was_started_is_stopped_when_starting_the_rest_fails(
        self, make: Callable[..., ChildSpec], quiet: Console
    ) -> None:
        spec = make("first", SLEEPER)
        started: list[Child] = []

        def start_then_fail() -> None:
            with Supervisor(quiet) as supervisor:
                started.append(supervisor.start(spec))
                raise RuntimeError("later")

        with pytest.raises(RuntimeError, match="later"):
            start_then_fail()

        assert not started[0].is_running()

    def test_a_clean_up_that_fails_does_not_keep_the_rest_from_being_stopped(
        self, make: Callable[..., ChildSpec], quiet: Console
    ) -> None:
        spec = make("first", SLEEPER)
        started: list[Child] = []

        def fail() -> None:
            raise OSError("no engine")

        def stop_with_a_failure() -> None:
            with Supervisor(quiet) as supervisor:
                started.append(supervisor.start(spec))
                supervisor.at_stop(fail)

        with pytest.raises(OSError, match="no engine"):
            stop_with_a_failure()

        assert not started[0].is_running()

    def test_a_child_that_ends_before_it_is_ready_is_reported_with_its_log(
        self, make: Callable[..., ChildSpec], quiet: Console
    ) -> None:
        with Supervisor(quiet) as supervisor:
            child = supervisor.start(make("api", "import sys; sys.exit('CODE_PORT: bad')"))
            with pytest.raises(
                ChildFailedError, match=r"(?s)api ended \(exit code 1\).*CODE_PORT"
            ):
                supervisor.wait_until(lambda: False, children=[child], timeout_s=10)

    def test_a_child_that_stays_silent_is_given_up(
        self, make: Callable[..., ChildSpec], quiet: Console
    ) -> None:
        with Supervisor(quiet) as supervisor:
            child = supervisor.start(make("api", SLEEPER))
            with pytest.raises(ChildFailedError, match="api is not ready"):
                supervisor.wait_until(lambda: False, children=[child], timeout_s=0.1)

    def test_a_child_that_dies_is_started_again(
        self, make: Callable[..., ChildSpec], quiet: Console
    ) -> None:
        with Supervisor(quiet, first_pause_s=0.01) as supervisor:
            child = supervisor.start(make("api", SLEEPER))
            first = child.pid
            assert first is not None
            os.kill(first, signal.SIGKILL)

            def is_back() -> bool:
                supervisor.tend()
                return child.is_running() and child.pid != first

            assert eventually(is_back)

    def test_one_that_keeps_dying_is_started_ever_more_slowly(
        self, make: Callable[..., ChildSpec], tmp_path: Path
    ) -> None:
        said = tmp_path / "said"
        with (
            said.open("w") as stream,
            Supervisor(Console(stream), first_pause_s=0.01) as supervisor,
        ):
            supervisor.start(make("api", "import sys; sys.exit(3)"))

            def has_died_four_times() -> bool:
                supervisor.tend()
                return said.read_text().count("exit code 3") == 4

            assert eventually(has_died_four_times)

        pauses = [
            line.split(" again in ")[1].split()[0] for line in said.read_text().splitlines()
        ]
        assert pauses == ["0.01", "0.02", "0.04", "0.08"]

    def test_one_that_cannot_be_started_is_tried_again(
        self, make: Callable[..., ChildSpec], tmp_path: Path
    ) -> None:
        said = tmp_path / "said"
        spec = make("api", SLEEPER)
        with (
            said.open("w") as stream,
            Supervisor(Console(stream), first_pause_s=0.01) as supervisor,
        ):
            child = supervisor.start(spec)
            assert child.pid is not None
            assert eventually(has_said(spec, "up"))
            spec.log.unlink()
            spec.log.mkdir()
            os.kill(child.pid, signal.SIGKILL)

            def has_failed_twice() -> bool:
                supervisor.tend()
                return said.read_text().count("api cannot be started") == 2

            assert eventually(has_failed_twice)
            spec.log.rmdir()

            def is_back() -> bool:
                supervisor.tend()
                return child.is_running()

            assert eventually(is_back)

    def test_a_released_child_is_not_started_again(
        self, make: Callable[..., ChildSpec], quiet: Console
    ) -> None:
        with Supervisor(quiet) as supervisor:
            child = supervisor.start(make("dockerd", SLEEPER))

            supervisor.release(child)
            supervisor.tend()
            supervisor.tend()

            assert not child.is_running()


UP = textwrap.dedent("""
    import pathlib, sys
    from infra.local.child import ChildSpec
    from infra.local.console import Console
    from infra.local.supervisor import Supervisor
    log = pathlib.Path(sys.argv[1])
    try:
        with Supervisor(Console()) as supervisor:
            spec = ChildSpec(name="c", argv=(sys.executable, "-c", sys.argv[2]),
                environment={}, cwd=pathlib.Path("/"), log=log, grace_s=60)
            child = supervisor.start(spec)
            ready = lambda: log.exists() and "up" in log.read_text()
            supervisor.wait_until(ready, children=[child], timeout_s=10)
            print(child.pid, flush=True)
            supervisor.watch()
    except KeyboardInterrupt:
        print("stopped", flush=True)
""")


class TestSignals:
    @pytest.fixture
    def start(self, tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
        started: list[subprocess.Popen[str]] = []

        def start(program: str) -> subprocess.Popen[str]:
            command = (sys.executable, "-c", UP, str(tmp_path / "c.log"), program)
            environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, text=True, env=environment
            )
            started.append(process)
            return process

        yield start
        for process in started:
            process.kill()
            process.communicate()

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_a_signal_stops_everything(
        self, start: Callable[[str], subprocess.Popen[str]], number: signal.Signals
    ) -> None:
        process = start(SLEEPER)
        assert process.stdout is not None
        pid = int(process.stdout.readline())

        process.send_signal(number)

        assert process.communicate(timeout=10)[0].endswith("stopping c\nstopped\n")
        assert process.returncode == 0
        assert not is_alive(pid)

    def test_a_second_ctrl_c_kills_what_does_not_stop(
        self, start: Callable[[str], subprocess.Popen[str]]
    ) -> None:
        process = start(STUBBORN)
        assert process.stdout is not None
        pid = int(process.stdout.readline())

        process.send_signal(signal.SIGINT)
        assert "stopping c" in process.stdout.readline()
        assert is_alive(pid)
        process.send_signal(signal.SIGINT)

        rest = process.communicate(timeout=10)[0]
        assert "c did not stop by itself and was killed" in rest
        assert rest.endswith("stopped\n")
        assert process.returncode == 0
        assert not is_alive(pid)
