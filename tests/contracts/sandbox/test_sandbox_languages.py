"""Every language does what people want of it, in the real sandbox (librechat-contract 2.2)."""

import pytest

from sandbox.supervisor.languages import LANGUAGES
from tests.contracts.sandbox.lab import Lab
from tests.contracts.sandbox.programs import PROGRAMS

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

ARGS = ("--fast", "two words", "$HOME", "")
INPUT = b"some text\n"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_prints_42_keeps_arguments_apart_reads_a_file_and_writes_one(
    lab: Lab, language: str
) -> None:
    ran = await lab.run(language, PROGRAMS[language].works, ARGS, {"in.txt": INPUT})

    assert ran.stdout.splitlines() == ["42", *(f"[{arg}]" for arg in ARGS)], ran.stderr
    assert ran.stderr == ""
    assert ran.exit_code == 0
    assert ran.files == {"out/copy.txt": INPUT.upper()}, "no build product is among them"
    assert ran.leftovers.skipped_count == 0


@pytest.mark.parametrize("language", LANGUAGES)
async def test_it_fails_with_a_status_and_says_why_on_stderr(lab: Lab, language: str) -> None:
    ran = await lab.run(language, PROGRAMS[language].fails, (), {})

    assert (ran.exit_code, ran.stopped) == (PROGRAMS[language].status, None), ran.stderr
    assert PROGRAMS[language].complaint in ran.stderr
    assert ran.stdout == ""
    assert ran.files == {}


@pytest.mark.parametrize(
    ("language", "code", "signal"),
    [
        ("c", "int main(void) { return *(volatile int *)0; }", "SIGSEGV"),
        ("cpp", "int main() { throw 1; }", "SIGABRT"),
    ],
)
async def test_a_program_that_crashes_is_ended_by_its_signal(
    lab: Lab, language: str, code: str, signal: str
) -> None:
    ran = await lab.run(language, code, (), {})

    assert (ran.exit_code, ran.signal) == (None, signal)


@pytest.mark.parametrize("language", ["js", "ts", "node"])
async def test_modules_and_require_can_be_mixed_with_await(lab: Lab, language: str) -> None:
    code = """
        import os from 'node:os';
        const path = require('path');
        const answer = await Promise.resolve(42);
        console.log(answer, path.basename('/a/b.txt'), os.EOL.length);
    """
    ran = await lab.run(language, code, (), {})

    assert ran.stdout == "42 b.txt 1\n", ran.stderr


async def test_r_draws_without_a_screen(lab: Lab) -> None:
    code = """
        png("plot.png", width = 300, height = 200); plot(1:10); invisible(dev.off())
        library(ggplot2)
        ggsave("points.svg", ggplot(mtcars, aes(wt, mpg)) + geom_point(), width = 3, height = 2,
               device = svg)
        cat(jsonlite::toJSON(list(a = 1), auto_unbox = TRUE))
    """
    ran = await lab.run("r", code, (), {})

    assert ran.stdout == '{"a":1}', ran.stderr
    assert ran.files["plot.png"].startswith(b"\x89PNG")
    assert b"<svg" in ran.files["points.svg"]


async def test_a_java_trace_ends_with_the_programs_own_frames(lab: Lab) -> None:
    code = """
        package some.where;
        public class Deep {
            static void down() { throw new IllegalStateException("no luck"); }
            public static void main(String[] args) { down(); }
        }
    """
    ran = await lab.run("java", code, (), {})

    assert ran.exit_code == 1
    assert ran.stderr.splitlines() == [
        'Exception in thread "main" java.lang.IllegalStateException: no luck',
        "\tat some.where.Deep.down(Main.java:3)",
        "\tat some.where.Deep.main(Main.java:4)",
    ]


async def test_bash_has_every_language_at_hand(lab: Lab) -> None:
    code = """
        for name in python3 node bun gcc g++ java javac php rustc go ldc2 gfortran Rscript \\
            make jq pandoc soffice pdftoppm qpdf; do
            command -v "$name" > /dev/null || echo "no $name"
        done
        mkdir -p module && cd module
        printf 'package main\\nfunc main() { println("go run") }\\n' > main.go
        go run main.go
    """
    ran = await lab.bash(code)

    assert ran.stdout == ""
    assert ran.stderr == "go run\n"
