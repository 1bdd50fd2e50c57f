"""What an executor is told by its environment, and what bad values get."""

from pathlib import Path

import pytest

from executor.run_limits import run_limits
from executor.settings import MIB, ExecutorSettings
from storage.configuration import ConfigurationError, load_settings


@pytest.fixture(autouse=True)
def _bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ExecutorSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_the_defaults_are_those_of_the_documentation() -> None:
    settings = load_settings(ExecutorSettings)

    assert settings.sandbox_image == "code-sandbox:latest"
    assert settings.sandbox_runtime == "runc"
    assert settings.code_exec_timeout == 120
    assert settings.cpu_limit == 0.5
    assert settings.memory_limit == 256 * MIB
    assert settings.workspace_size_limit == 104_857_600
    assert settings.output_max_bytes == 65_536
    assert settings.cleanup_interval_minutes == 60
    assert settings.session_max_age_hours == 24
    assert settings.max_upload_size == 52_428_800


def test_the_default_assets_are_the_repositorys() -> None:
    assert (load_settings(ExecutorSettings).shared_assets_path / "utils").is_dir()


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SANDBOX_IMAGE", "mine:1", "mine:1"),
        ("SANDBOX_RUNTIME", "runsc", "runsc"),
        ("SANDBOX_POOL_SIZE", "0", 0),
        ("SANDBOX_POOL_MAX", "200", 200),
        ("EXECUTOR_CONCURRENCY", "7", 7),
        ("EXECUTOR_MIN_FREE_MEMORY", "0", 0),
        ("EXECUTOR_MIN_FREE_DISK", "5", 5),
        ("EXECUTOR_SHUTDOWN_GRACE", "0.5", 0.5),
        ("PROGRAMMATIC_MAX_WAITING", "3", 3),
        ("PROGRAMMATIC_MAX_WAITING_PER_TENANT", "2", 2),
        ("CODE_EXEC_TIMEOUT", "1.5", 1.5),
        ("CPU_LIMIT", "2", 2),
        ("MEMORY_LIMIT", "1073741824", 1024 * MIB),
        ("MEMORY_LIMIT_LARGE", "4294967296", 4096 * MIB),
        ("LARGE_MEMORY_FOR", "r, torch", "r, torch"),
        ("MAX_OUTPUT_FILES", "255", 255),
        ("OUTPUT_EXTENSIONS", ".csv,Makefile", ".csv,Makefile"),
        ("WORKSPACE_SIZE_LIMIT", "2097152", 2 * MIB),
        ("OUTPUT_MAX_BYTES", "2048", 2048),
        ("STATE_SIZE_LIMIT", "2097152", 2 * MIB),
        ("STATE_PERSISTENCE", "python", "python"),
        ("SHARED_ASSETS_PATH", "/srv/assets", Path("/srv/assets")),
        ("CLEANUP_INTERVAL_MINUTES", "0.5", 0.5),
        ("CODE_EXECUTOR_ID", "host-1.lan", "host-1.lan"),
        ("LOG_LEVEL", "DEBUG", "DEBUG"),
    ],
)
def test_each_variable_is_read(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, expected: object
) -> None:
    monkeypatch.setenv(variable, value)

    assert getattr(load_settings(ExecutorSettings), variable.lower()) == expected


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SANDBOX_POOL_SIZE", "-1"),
        ("SANDBOX_POOL_SIZE", "201"),
        ("SANDBOX_POOL_MAX", "1"),
        ("SANDBOX_POOL_MAX", "201"),
        ("EXECUTOR_CONCURRENCY", "0"),
        ("EXECUTOR_MIN_FREE_MEMORY", "-1"),
        ("EXECUTOR_MIN_FREE_DISK", "1g"),
        ("EXECUTOR_SHUTDOWN_GRACE", "-1"),
        ("EXECUTOR_SHUTDOWN_GRACE", "inf"),
        ("CODE_EXEC_TIMEOUT", "0"),
        ("CODE_EXEC_TIMEOUT", "nan"),
        ("CODE_EXEC_TIMEOUT", "inf"),
        ("CODE_EXEC_TIMEOUT", "soon"),
        ("CPU_LIMIT", "0"),
        ("CPU_LIMIT", "0.001"),
        ("CPU_LIMIT", "nan"),
        ("CPU_LIMIT", "inf"),
        ("MEMORY_LIMIT", "1024"),
        ("MEMORY_LIMIT", "256m"),
        ("MEMORY_LIMIT_LARGE", "1g"),
        ("MEMORY_LIMIT_LARGE", "1024"),
        ("LARGE_MEMORY_FOR", "two words"),
        ("LARGE_MEMORY_FOR", "x" * 65),
        ("MAX_OUTPUT_FILES", "0"),
        ("MAX_OUTPUT_FILES", "256"),
        ("OUTPUT_EXTENSIONS", "*.csv"),
        ("OUTPUT_EXTENSIONS", "csv;png"),
        ("WORKSPACE_SIZE_LIMIT", "0"),
        ("OUTPUT_MAX_BYTES", "1"),
        ("CLEANUP_INTERVAL_MINUTES", "0"),
        ("CLEANUP_INTERVAL_MINUTES", "nan"),
        ("CODE_EXECUTOR_ID", "two words"),
        ("CODE_EXECUTOR_ID", "x" * 65),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_bad_value_is_one_line_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError) as refusal:
        load_settings(ExecutorSettings)

    assert str(refusal.value).startswith(f"{variable}: ")
    assert "\n" not in str(refusal.value)


def test_results_go_to_the_broker_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROKER_URL", "redis://:secret@broker:6379/1")
    assert load_settings(ExecutorSettings).result_url == "redis://:secret@broker:6379/1"

    monkeypatch.setenv("RESULT_BACKEND_URL", "redis://results:6379/0")
    assert load_settings(ExecutorSettings).result_url == "redis://results:6379/0"


def test_a_broker_that_keeps_no_results_needs_a_result_backend(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Heartbeats and reports go to Redis; RabbitMQ carries messages alone."""
    monkeypatch.setenv("BROKER_URL", "amqp://guest:hunter2@broker:5672//")

    with pytest.raises(ConfigurationError, match="RESULT_BACKEND_URL") as refusal:
        load_settings(ExecutorSettings)
    assert "hunter2" not in str(refusal.value)


def test_the_password_in_the_brokers_address_is_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROKER_URL", "redis://:hunter2@broker:6379/1")

    assert "hunter2" not in repr(load_settings(ExecutorSettings))


def test_the_limits_of_a_run_are_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable, value in {
        "CODE_EXEC_TIMEOUT": "7",
        "OUTPUT_MAX_BYTES": "4096",
        "MAX_UPLOAD_SIZE": "1000",
        "WORKSPACE_SIZE_LIMIT": "2097152",
        "MAX_OUTPUT_FILES": "7",
        "OUTPUT_EXTENSIONS": "CSV, .env,,Makefile",
    }.items():
        monkeypatch.setenv(variable, value)

    limits = run_limits(load_settings(ExecutorSettings))

    assert limits.wall_time_s == 7
    assert (limits.stdout_bytes, limits.stderr_bytes) == (4096, 4096)
    assert (limits.file_bytes, limits.total_bytes) == (1000, 2 * MIB)
    assert (limits.files, limits.extensions) == (7, ("csv", "env", "makefile"))


def test_less_memory_for_large_runs_than_for_others_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MEMORY_LIMIT", str(512 * MIB))
    monkeypatch.setenv("MEMORY_LIMIT_LARGE", str(511 * MIB))

    with pytest.raises(ConfigurationError, match=r"^MEMORY_LIMIT_LARGE: .* MEMORY_LIMIT, "):
        load_settings(ExecutorSettings)


def test_more_memory_for_all_needs_no_second_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEMORY_LIMIT", str(2048 * MIB))

    assert load_settings(ExecutorSettings).large_memory_bytes == 2048 * MIB


def test_a_pool_that_cannot_hold_its_own_size_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SANDBOX_POOL_SIZE", "5")
    monkeypatch.setenv("SANDBOX_POOL_MAX", "4")

    with pytest.raises(ConfigurationError, match=r"^SANDBOX_POOL_MAX: .* SANDBOX_POOL_SIZE, "):
        load_settings(ExecutorSettings)


def test_a_larger_pool_needs_no_second_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SANDBOX_POOL_SIZE", "20")

    assert load_settings(ExecutorSettings).most_waiting_sandboxes == 20


def test_a_pool_has_room_to_grow_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert load_settings(ExecutorSettings).most_waiting_sandboxes == 8

    monkeypatch.setenv("SANDBOX_POOL_MAX", "3")

    assert load_settings(ExecutorSettings).most_waiting_sandboxes == 3


def test_the_limits_that_the_contract_fixes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODE_EXEC_TIMEOUT", "7")

    limits = run_limits(load_settings(ExecutorSettings))

    assert (limits.files, limits.depth, limits.path_chars) == (50, 10, 256)
    assert limits.open_files == 2048


def test_as_many_run_at_once_as_processors_allow_and_memory_has_room_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("executor.settings.os.cpu_count", lambda: 8)
    monkeypatch.setattr("executor.settings.total_memory", lambda: 4096 * MIB)
    monkeypatch.setenv("WORKSPACE_SIZE_LIMIT", str(256 * MIB))

    assert load_settings(ExecutorSettings).runs_at_once == 8

    monkeypatch.setenv("MEMORY_LIMIT", str(64 * MIB))
    assert load_settings(ExecutorSettings).runs_at_once == 12

    monkeypatch.setenv("WORKSPACE_SIZE_LIMIT", str(1 * MIB))
    assert load_settings(ExecutorSettings).runs_at_once == 16

    monkeypatch.setenv("MEMORY_LIMIT", str(8192 * MIB))
    assert load_settings(ExecutorSettings).runs_at_once == 1


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("MEMORY_LIMIT", "256M", "must be a whole number without a unit, found '256M'"),
        ("CPU_LIMIT", "half", "must be a number without a unit, found 'half'"),
        ("SANDBOX_STRICT", "ja", "must be true or false, found 'ja'"),
        ("SANDBOX_ENGINE", "podman", "must be 'docker' or 'oci', found 'podman'"),
        ("EXECUTOR_CONCURRENCY", "0", "must be greater than or equal to 1, found '0'"),
        (
            "S3_ENDPOINT_URL",
            "localhost:9000",
            "must look like http://127.0.0.1:9000, found 'localhost:9000'",
        ),
    ],
)
def test_a_bad_value_is_told_without_types_and_patterns(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(ConfigurationError) as refusal:
        load_settings(ExecutorSettings)

    assert str(refusal.value) == f"{variable}: {told}"


def test_a_broker_without_a_scheme_is_not_blamed_on_another_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("BROKER_URL", "localhost:6379")

    with pytest.raises(
        ConfigurationError, match=r"^BROKER_URL: must be a URL, such as redis://"
    ):
        load_settings(ExecutorSettings)
