"""Hostile workspaces, made by programs with no more rights than any other."""

import textwrap

import pytest

from executor.sandbox import Program
from sandbox.supervisor.skips import SkipReason
from tests.contracts.sandbox.lab import Lab, finish, pieces

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

NO_FILE = SkipReason.NOT_A_REGULAR_FILE


async def test_links_are_not_followed(lab: Lab) -> None:
    ran = await lab.bash(
        "ln -s /etc/passwd a; ln -s /proc/self/environ b; ln -s /etc c; ln -s /mnt/data d"
    )

    assert ran.files == {}
    assert ran.skipped == dict.fromkeys("abcd", NO_FILE)


@pytest.mark.timeout(30)
async def test_pipes_and_sockets_do_not_hang(lab: Lab) -> None:
    ran = await lab.python(
        "import os, socket\nos.mkfifo('pipe.csv')\ns = socket.socket(socket.AF_UNIX)\n"
        "s.bind('sock.csv'); s.listen()"
    )

    assert ran.files == {}
    assert ran.skipped == {"pipe.csv": NO_FILE, "sock.csv": NO_FILE}


async def test_a_program_still_writing_is_dead_before_its_files_are_read(lab: Lab) -> None:
    ran = await lab.python("""
        import os, time
        if os.fork() == 0:
            os.setsid()
            while True:
                if os.path.exists("a"):
                    os.rename("a", "b")
                with open("a", "w") as file:
                    file.write("x" * 999)
        while not os.path.exists("b"):
            time.sleep(0.01)
        """)

    assert all(content in {b"", b"x" * 999} for content in ran.files.values())
    assert set(ran.files) <= {"a", "b"}


async def test_files_that_were_made_unreadable_are_kept(lab: Lab) -> None:
    modes = ("000", "100", "200", "400")

    ran = await lab.bash(
        "".join(f"echo kept > {mode}; chmod {mode} {mode}\n" for mode in modes)
    )

    assert ran.files == dict.fromkeys(modes, b"kept\n")


async def test_files_in_folders_that_were_closed_are_kept(lab: Lab) -> None:
    modes = ("000", "100", "200", "300", "400", "500", "600")

    ran = await lab.bash(
        "".join(f"echo kept > {mode}/new; chmod {mode} {mode}\n" for mode in modes),
        inputs={f"{mode}/same": b"1" for mode in modes},
    )

    assert ran.files == {f"{mode}/new": b"kept\n" for mode in modes}
    assert ran.leftovers.unchanged == {f"{mode}/same" for mode in modes}


async def test_a_workspace_that_was_closed_itself_is_read(lab: Lab) -> None:
    ran = await lab.bash("echo kept > a; chmod 000 .")

    assert ran.files == {"a": b"kept\n"}


async def test_names_that_forge_or_disguise_are_skipped_and_told_harmlessly(lab: Lab) -> None:
    ran = await lab.python(
        r"for name in (b'a\nb', b'\x1b[2J', b'x\xff', b'a\\b', '\u202egnp.exe'.encode()):"
        "\n    open(name, 'w').close()\nopen('fine', 'w').close()"
    )

    assert list(ran.files) == ["fine"]
    assert len(ran.skipped) == 5
    assert all(name.isprintable() for name in ran.skipped)


@pytest.mark.timeout(60)
async def test_folders_three_thousand_levels_deep_are_no_obstacle(lab: Lab) -> None:
    ran = await lab.python(
        "import os\nopen('fine', 'w').close()\n"
        "for _ in range(3000): os.mkdir('d'); os.chdir('d')\nopen('deep', 'w').close()"
    )

    assert list(ran.files) == ["fine"]
    assert ran.leftovers.skipped_count == 1


async def test_a_sparse_file_costs_nothing(lab: Lab) -> None:
    ran = await lab.bash(
        "truncate -s 90M big; truncate -s 90M data.csv", inputs={"data.csv": b"1"}
    )

    assert ran.files == {}
    assert set(ran.skipped) == {"big", "data.csv"}


async def test_an_input_rewritten_at_the_same_size_and_time_is_changed(lab: Lab) -> None:
    ran = await lab.bash(
        "touch -r a.csv stamp; printf 3,4 > a.csv; touch -r stamp a.csv; rm stamp",
        inputs={"a.csv": b"1,2"},
    )

    assert ran.files == {"a.csv": b"3,4"}


async def test_a_read_only_input_is_the_programs_own_and_cannot_be_written_to(
    lab: Lab,
) -> None:
    """What it does with force is dropped later, where it is known which inputs are such."""
    source = textwrap.dedent("""
        import os
        try:
            open("SKILL.md", "a")
        except PermissionError as fault:
            print(fault)
        os.chmod("SKILL.md", 0o644)
        open("SKILL.md", "a").write("more")
        """).encode()
    sandbox = await lab.pool.claim("py")
    try:
        await sandbox.prepare(Program(language="py", source=source), lab.limits)
        await sandbox.put("SKILL.md", pieces(b"as it was "), read_only=True)
        ran = await finish(sandbox)
    finally:
        lab.pool.retire(sandbox)

    assert ran.stdout == "[Errno 13] Permission denied: 'SKILL.md'\n"
    assert (ran.stderr, ran.exit_code) == ("", 0)
    assert ran.files == {"SKILL.md": b"as it was more"}


async def test_a_hidden_folder_is_left_out_unless_an_input_lies_in_it(lab: Lab) -> None:
    ran = await lab.bash(
        "mkdir .cache; echo x > .cache/x; echo y > .config/y", inputs={".config/in": b"1"}
    )

    assert ran.files == {".config/y": b"y\n"}
    assert ran.leftovers.unchanged == {".config/in"}


async def test_removing_everything_is_allowed(lab: Lab) -> None:
    ran = await lab.bash(
        "rm -rf /mnt/data/* /mnt/data/.[a-z]*", inputs={"a": b"1", ".b/c": b"2"}
    )

    assert ran.files == {}
    assert ran.leftovers.deleted == {"a", ".b/c"}
    assert ran.exit_code == 0
