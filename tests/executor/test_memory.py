"""Which runs get more memory, and that they do before their program starts."""

import pytest

from executor.memory import MemoryRules
from executor.messages import MemoryClass, RunRequest
from executor.sandbox import SandboxUnavailableError
from executor.settings import MIB, ExecutorSettings
from sandbox.supervisor.languages import LANGUAGES
from tests.executor.workbench import Workbench, request

pytestmark = pytest.mark.anyio

LARGE, STANDARD = MemoryClass.LARGE, MemoryClass.STANDARD


def rules(**changes: object) -> MemoryRules:
    return MemoryRules.from_settings(ExecutorSettings.model_validate(changes))


def run_of(code: str = "", *, language: str = "py", **changes: object) -> RunRequest:
    return request(code, language=language).model_copy(update=changes)


class TestRules:
    @pytest.mark.parametrize("language", ["cpp", "d", "go", "java", "rs"])
    def test_compilers_that_need_it_have_more_by_default(self, language: str) -> None:
        assert rules().class_of(run_of(language=language)) is LARGE

    @pytest.mark.parametrize("language", ["py", "bash", "js", "ts", "php", "r", "c", "f90"])
    def test_the_other_languages_do_not(self, language: str) -> None:
        assert rules().class_of(run_of(language=language)) is STANDARD

    def test_every_language_of_the_default_exists(self) -> None:
        assert rules().languages == {"cpp", "d", "go", "java", "rs"}
        assert rules().languages <= LANGUAGES.keys()

    @pytest.mark.parametrize(
        ("code", "expected"),
        [
            ("subprocess.run(['soffice', '--headless'])", LARGE),
            ("os.system('LibreOffice x')", LARGE),
            ("/usr/bin/soffice.bin", LARGE),
            ("my_soffice = 1", STANDARD),
            ("softofficer", STANDARD),
            ("go = 'java'; d = 1", STANDARD),  # Languages are no words.
        ],
    )
    def test_a_word_of_the_program_counts(self, code: str, expected: MemoryClass) -> None:
        assert rules().class_of(run_of(code)) is expected

    async def test_so_does_one_of_an_inputs_name(self, bench: Workbench) -> None:
        """A skill's script that calls LibreOffice is started by its own name."""
        skill = await bench.upload("pptx/scripts/office/soffice.py")
        asked = request("python pptx/scripts/thumbnail.py", skill)

        assert rules().class_of(asked) is LARGE

    @pytest.mark.parametrize("language", ["py", "cpp"])
    @pytest.mark.parametrize("code", ["1", "soffice"])
    @pytest.mark.parametrize("given", [LARGE, STANDARD])
    def test_what_the_caller_was_given_decides_before_any_rule(
        self, given: MemoryClass, code: str, language: str
    ) -> None:
        asked = run_of(code, language=language, memory_class=given)

        assert rules().class_of(asked) is given

    def test_the_list_is_the_operators(self) -> None:
        own = rules(large_memory_for=" R, py ,Tensor ")

        assert own.class_of(run_of(language="r")) is LARGE
        assert own.class_of(run_of(language="py")) is LARGE
        assert own.class_of(run_of("x tensor y", language="bash")) is LARGE
        assert own.class_of(run_of("soffice", language="bash")) is STANDARD
        assert own.class_of(run_of(language="cpp")) is STANDARD

    def test_an_empty_list_leaves_it_to_the_keys(self) -> None:
        own = rules(large_memory_for="")

        assert own.class_of(run_of("soffice", language="cpp")) is STANDARD
        assert own.class_of(run_of(memory_class=LARGE)) is LARGE

    def test_a_program_of_megabytes_takes_no_time(self) -> None:
        assert rules().class_of(run_of("soffic " * 500_000)) is STANDARD

    def test_large_is_never_less_than_what_all_have(self) -> None:
        own = rules(memory_limit=2048 * MIB)

        assert (own.large_bytes, own.grows) == (2048 * MIB, False)
        assert (rules().large_bytes, rules().grows) == (1024 * MIB, True)


class TestRuns:
    async def test_a_large_run_grows_its_sandbox_and_no_other_does(
        self, bench: Workbench
    ) -> None:
        await bench.run("echo 1")
        await bench.report(request("echo 1").model_copy(update={"memory_class": LARGE}))

        assert [made.grown_to for made in bench.engine.made] == [None, 1024 * MIB]

    async def test_none_grows_where_there_is_no_more_to_have(self, bench: Workbench) -> None:
        bench.memory = rules(memory_limit=2048 * MIB)

        await bench.report(request("echo 1").model_copy(update={"memory_class": LARGE}))

        assert bench.engine.made[0].grown_to is None

    async def test_a_sandbox_that_breaks_while_it_grows_is_replaced(
        self, bench: Workbench
    ) -> None:
        uploaded = await bench.upload("data.csv", b"1,2")
        bench.memory = rules()
        bench.engine.next_breaks_in = ["grow"]

        result = await bench.run("cat data.csv # soffice", uploaded)

        assert result.stdout == "1,2"
        assert [made.grown_to for made in bench.engine.made] == [None, 1024 * MIB]

    async def test_what_cannot_grow_twice_is_unavailable(self, bench: Workbench) -> None:
        bench.memory = rules()
        bench.engine.fault = SandboxUnavailableError("Docker: connection refused")

        assert await bench.failure("soffice") == "sandbox_unavailable"
