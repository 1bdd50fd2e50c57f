"""Every setting is in the README, with its true default, and is shown to work by a test."""

import ast
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from api.settings import ApiSettings
from executor.settings import ExecutorSettings
from infra.local.config import CHECKOUT, DEFAULT_WORK_DIR, SANDBOX_LANGUAGES
from storage.configuration import VARIABLES

TESTS = Path(__file__).parent

SETTINGS = "live/test_service_settings.py"
OUTPUTS = "live/test_service_outputs.py"
CONNECTIONS = "live/test_service_connections.py"
FAIRNESS = "security/test_fairness.py"
STATE = "live/test_service_state.py"
RATE_LIMITS = "live/test_service_rate_limits.py"

WATCHED = "live/test_service_watched.py"

SHOWN_BY = {
    "AUDIT_LOG_DIR": f"{WATCHED}::test_who_ran_what_is_in_the_audit_log",
    "LOG_FORMAT": f"{WATCHED}::test_logs_are_text_where_they_were_told_to_be",
    "OTEL_EXPORTER_OTLP_ENDPOINT": (
        f"{WATCHED}::test_one_trace_shows_a_run_from_the_request_to_the_sandbox"
    ),
    "CODEAPI_JWT_ALLOWED_ALGS": (
        "api/test_tokens.py::TestKeySources::test_an_algorithm_that_is_not_allowed_verifies_nothing"
    ),
    "CODEAPI_JWT_AUDIENCE": (
        "api/test_tokens.py::TestGoodOnes::test_issuer_and_audience_are_those_that_are_set"
    ),
    "CODEAPI_JWT_HS256_KID": (
        "api/test_tokens.py::TestKeySources::test_each_is_read_and_all_count"
    ),
    "CODEAPI_JWT_HS256_SECRET": (
        "api/test_tokens.py::TestKeySources::test_each_is_read_and_all_count"
    ),
    "CODEAPI_JWT_ISSUER": (
        "api/test_tokens.py::TestGoodOnes::test_issuer_and_audience_are_those_that_are_set"
    ),
    "CODEAPI_JWT_JWKS_JSON": (
        "api/test_tokens.py::TestKeySources::test_each_is_read_and_all_count"
    ),
    "CODEAPI_JWT_KEY_CACHE_TTL_SECONDS": (
        "live/test_service_auth.py::test_a_token_opens_it_as_soon_as_its_key_is_in_the_folder"
    ),
    "CODEAPI_JWT_KEY_ID": (
        "api/test_tokens.py::TestKeySources::test_each_is_read_and_all_count"
    ),
    "CODEAPI_JWT_KID": (
        "api/test_tokens.py::TestGoodOnes::test_it_proves_the_user_and_the_tenant"
    ),
    "CODEAPI_JWT_PUBLIC_KEY": (
        "api/test_tokens.py::TestKeySources::test_each_is_read_and_all_count"
    ),
    "CODEAPI_JWT_PUBLIC_KEYS_DIR": (
        "live/test_service_auth.py::test_a_token_opens_it_as_soon_as_its_key_is_in_the_folder"
    ),
    "CODEAPI_JWT_SINGLE_TENANT_ID": (
        "api/test_tokens.py::TestGoodOnes::test_one_without_a_tenant_gets_the_one_that_is_set"
    ),
    "CODEAPI_PLAN_LIMITS": ("live/test_service_auth.py::test_a_plan_has_limits_of_its_own"),
    "CODEAPI_TENANT_ISOLATION_STRICT": (
        "api/test_tokens.py::TestAttacks::test_without_a_tenant_none_is_let_in_where_each_needs_one"
    ),
    "CODE_API_KEYS_FILE": (
        "live/test_service_auth.py::test_a_key_that_is_made_opens_it_and_revoked_it_does_not"
    ),
    "LOCAL_MODE": (
        "api/test_local_mode.py::test_everybody_on_this_machine_is_let_in_as_one_user"
    ),
    "BROKER_URL": f"{CONNECTIONS}::TestBroker::test_it_is_looked_for_at_its_address",
    "CLEANUP_INTERVAL_MINUTES": (
        f"{SETTINGS}::TestSandboxes::test_leftovers_are_looked_for_as_often_as_it_was_told"
    ),
    "CODE_API_KEY": (
        f"{SETTINGS}::TestAddressAndKeys::test_one_key_and_several_open_it_each_for_its_tenant"
    ),
    "CODE_API_KEYS": (
        "live/test_service_tenants.py::test_anothers_ids_are_answered_as_ids_that_nobody_has"
    ),
    "CODE_EXECUTOR_ID": (
        f"{SETTINGS}::TestSandboxes::"
        "test_they_are_of_the_image_the_runtime_and_the_owner_it_was_told"
    ),
    "CODE_EXEC_TIMEOUT": f"{SETTINGS}::TestLimits::test_a_program_is_stopped_at_its_time_limit",
    "CODE_HOST": (
        f"{SETTINGS}::TestAddressAndKeys::test_it_listens_at_its_address_and_nowhere_else"
    ),
    "CODE_PORT": (
        f"{SETTINGS}::TestAddressAndKeys::test_it_listens_at_its_address_and_nowhere_else"
    ),
    "CODE_WORK_DIR": f"{SETTINGS}::TestStorage::test_data_keys_and_logs_are_in_its_folder",
    "CORS_ORIGINS": f"{SETTINGS}::TestAddressAndKeys::test_its_pages_are_those_it_was_told",
    "CPU_LIMIT": (f"{SETTINGS}::TestLimits::test_processors_are_as_many_as_it_was_told"),
    "EXECUTION_PROFILE": (
        f"{STATE}::TestProfiles::test_other_apis_on_the_same_executors_have_other_profiles"
    ),
    "STATE_PERSISTENCE": "live/test_service_variables.py::test_variables_survive_where_asked",
    "STATE_SIZE_LIMIT": (
        f"{STATE}::TestSaving::test_one_over_its_cap_is_not_saved_and_the_former_one_stays"
    ),
    "STATE_STRICT": (
        f"{STATE}::TestProfiles::test_other_apis_on_the_same_executors_have_other_profiles"
    ),
    "EXECUTOR_CONCURRENCY": (
        f"{SETTINGS}::TestLimits::test_programs_take_turns_and_one_that_waits_too_long_is_told"
    ),
    "EXECUTOR_MIN_FREE_DISK": (
        "live/executor/test_admission.py::test_with_too_little_free_it_takes_no_runs"
    ),
    "EXECUTOR_MIN_FREE_MEMORY": (
        "live/executor/test_admission.py::test_with_too_little_free_it_takes_no_runs"
    ),
    "EXECUTOR_SHUTDOWN_GRACE": (
        "fleet/test_two_hosts.py::TestToldToEnd::"
        "test_it_ends_what_is_short_and_hands_back_what_is_not"
    ),
    "LARGE_MEMORY_FOR": f"{OUTPUTS}::TestMemory::test_runs_are_large_for_what_it_was_told",
    "LOG_LEVEL": f"{SETTINGS}::TestLogs::test_they_hold_what_is_as_grave_as_it_was_told",
    "MAX_OUTPUT_FILES": f"{OUTPUTS}::TestSettings::test_files_are_as_many_as_it_was_told",
    "MAX_UPLOAD_SIZE": (
        f"{SETTINGS}::TestLimits::test_a_file_may_have_so_many_bytes_in_and_out"
    ),
    "MEMORY_LIMIT": f"{SETTINGS}::TestLimits::test_memory_ends_where_it_was_told",
    "MEMORY_LIMIT_LARGE": f"{OUTPUTS}::TestMemory::test_a_large_run_has_what_it_was_told",
    "METRICS": "live/test_service_timing.py::test_runs_and_their_steps_are_counted",
    "OUTPUT_EXTENSIONS": f"{OUTPUTS}::TestSettings::test_files_are_kept_by_their_endings",
    "OUTPUT_MAX_BYTES": f"{SETTINGS}::TestLimits::test_output_is_cut_where_it_was_told",
    "QUEUE_LIMIT": f"{FAIRNESS}::test_beyond_the_limits_runs_are_refused_and_none_is_lost",
    "QUEUE_LIMIT_PER_TENANT": (
        f"{FAIRNESS}::test_beyond_the_limits_runs_are_refused_and_none_is_lost"
    ),
    "QUEUE_TIMEOUT": (
        f"{SETTINGS}::TestLimits::test_programs_take_turns_and_one_that_waits_too_long_is_told"
    ),
    "RATE_LIMIT_DOWNLOAD": f"{RATE_LIMITS}::test_downloads_are_as_many_as_it_was_told",
    "RATE_LIMIT_EXEC": f"{RATE_LIMITS}::test_runs_are_as_many_as_it_was_told",
    "RATE_LIMIT_LIST": f"{RATE_LIMITS}::test_listings_are_as_many_as_it_was_told",
    "RATE_LIMIT_UPLOAD": f"{RATE_LIMITS}::test_uploads_are_as_many_as_it_was_told",
    "RESULT_BACKEND_URL": (
        f"{CONNECTIONS}::TestBroker::test_signs_of_life_are_read_where_results_are"
    ),
    "S3_ACCESS_KEY_ID": (
        f"{CONNECTIONS}::TestStorage::"
        "test_s3_is_asked_at_its_address_with_its_key_for_its_region"
    ),
    "S3_BUCKET": (
        f"{SETTINGS}::TestStorage::test_everything_is_kept_in_its_bucket_below_its_prefix"
    ),
    "S3_ENDPOINT_URL": (
        f"{CONNECTIONS}::TestStorage::"
        "test_s3_is_asked_at_its_address_with_its_key_for_its_region"
    ),
    "S3_PREFIX": (
        f"{SETTINGS}::TestStorage::test_everything_is_kept_in_its_bucket_below_its_prefix"
    ),
    "S3_REGION": (
        f"{CONNECTIONS}::TestStorage::"
        "test_s3_is_asked_at_its_address_with_its_key_for_its_region"
    ),
    "S3_SECRET_ACCESS_KEY": (
        f"{CONNECTIONS}::TestStorage::test_the_right_secret_opens_it_and_another_does_not"
    ),
    "PROGRAMMATIC_MAX_WAITING": (
        "live/test_programmatic_waiting.py::TestCaps::test_the_oldest_makes_room_for_another"
    ),
    "PROGRAMMATIC_MAX_WAITING_PER_TENANT": (
        "live/test_programmatic_waiting.py::TestCaps::test_nobody_makes_room_for_another_tenant"
    ),
    "SANDBOX_ENGINE": (
        "live/test_service_oci.py::test_up_says_who_makes_the_sandboxes_and_docker_makes_none"
    ),
    "SANDBOX_IMAGE": (
        f"{SETTINGS}::TestSandboxes::"
        "test_they_are_of_the_image_the_runtime_and_the_owner_it_was_told"
    ),
    "SANDBOX_IMAGES_DIR": (
        "contracts/sandbox/test_oci_image.py::test_an_image_is_unpacked_where_it_was_told_once"
    ),
    "SANDBOX_LANGUAGES": (
        "infra/test_image.py::test_an_image_is_built_with_the_languages_asked_for"
    ),
    "SANDBOX_POOL_MAX": (
        "live/executor/test_executor_pool.py::test_more_wait_where_many_come_but_not_too_many"
    ),
    "SANDBOX_POOL_SIZE": f"{SETTINGS}::TestSandboxes::test_as_many_wait_as_it_was_told",
    "SANDBOX_RUNTIME": (
        f"{SETTINGS}::TestSandboxes::"
        "test_they_are_of_the_image_the_runtime_and_the_owner_it_was_told"
    ),
    "SANDBOX_STRICT": (
        "live/test_service_strict.py::TestUp::test_a_runtime_with_known_escapes_is_refused"
    ),
    "SERVER_TIMING": (
        "live/test_service_timing.py::test_steps_add_up_to_no_more_than_the_client_waits"
    ),
    "SESSION_MAX_AGE_HOURS": (
        f"{SETTINGS}::TestAge::test_what_is_too_old_is_gone_whoever_asks_and_however"
    ),
    "SHARED_ASSETS_PATH": f"{SETTINGS}::TestSandboxes::test_they_see_the_assets_it_was_told",
    "WORKSPACE_SIZE_LIMIT": (
        f"{SETTINGS}::TestLimits::test_the_workspace_ends_where_it_was_told"
    ),
}
"""Where each variable is changed in a running service, and the difference seen."""

UP_HAS_ITS_OWN = {"BROKER_URL"}
"""Their default is for processes that are started one by one; `up` names another."""


class Row(NamedTuple):
    """A row of the README's table."""

    name: str
    default: str


def readme_rows() -> list[Row]:
    readme = (CHECKOUT / "README.md").read_text(encoding="utf-8")
    found = re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \|([^|]*)\|", readme, re.MULTILINE)
    return [Row(name, default.strip()) for name, default in found]


def defaults() -> dict[str, Any]:
    """Return every variable's default; `None` where it is no constant."""
    found: dict[str, Any] = {
        "CODE_WORK_DIR": DEFAULT_WORK_DIR,
        "SANDBOX_LANGUAGES": SANDBOX_LANGUAGES[0],
    }
    for model in (ApiSettings, ExecutorSettings):
        for field, info in model.model_fields.items():
            default = None if info.default is PydanticUndefined else info.default
            default = default.get_secret_value() if isinstance(default, SecretStr) else default
            # Both processes may read it: then they must agree.
            assert found.setdefault(field.upper(), default) == default, field
    return found


def shown(default: Any) -> str:
    """Write a default as the README does."""
    if isinstance(default, Path):
        inside = default.is_relative_to(CHECKOUT)
        return str(default.relative_to(CHECKOUT) if inside else default)
    return f"{default:g}" if isinstance(default, float) else str(default)


def test_the_readme_lists_every_variable_once() -> None:
    names = [row.name for row in readme_rows()]

    assert len(names) == len(set(names))
    assert set(names) == VARIABLES


def test_the_example_file_names_the_same_variables() -> None:
    text = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
    for_every_process, _, _ = text.partition("# --- infra/compose.yaml alone")

    names = re.findall(r"^#? ?([A-Z][A-Z0-9_]*)=", for_every_process, re.MULTILINE)

    assert sorted(names) == sorted(VARIABLES)


def test_the_readme_shows_true_defaults() -> None:
    true = defaults()
    literal = {
        row.name: row.default.strip("`")
        for row in readme_rows()
        if re.fullmatch(r"`[^`]+`", row.default)
    }

    assert literal == {name: shown(true[name]) for name in literal}
    assert literal.keys() == {
        name for name in VARIABLES if true[name] is not None and name not in UP_HAS_ITS_OWN
    }


def test_every_variable_is_shown_to_work() -> None:
    assert SHOWN_BY.keys() == VARIABLES


@pytest.mark.parametrize("node", sorted(set(SHOWN_BY.values())))
def test_by_a_test_that_exists(node: str) -> None:
    file, *path = node.split("::")
    body = ast.parse((TESTS / file).read_text(encoding="utf-8")).body

    for name in path:
        found = [
            item
            for item in body
            if isinstance(item, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
            and item.name == name
        ]
        assert len(found) == 1, f"{file} has no {name}"
        body = found[0].body

    assert path[-1].startswith("test_")
