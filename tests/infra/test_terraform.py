"""What can be known of infra/terraform without a cloud: its form, its rules, its texts."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from infra.local.checkov import ensure_checkov
from infra.local.cloud_init import cloud_config_schema
from tests.infra.terraform.command import terraform
from tests.infra.terraform.hcl import EXAMPLES, MODULES, TERRAFORM, parsed

pytestmark = pytest.mark.timeout(900)

DATA_ONLY = {
    "api": ("task.tf",),
    "broker": (),
    "executors": ("scaling.tf",),
    "observability": ("figures.tf",),
    "storage": ("policies.tf",),
}
"""Of a module for AWS, the files that need no provider, beside variables.tf."""

PASSED = re.compile(r"^Success! (\d+) passed, 0 failed\.", re.MULTILINE)


def asks_for_a_provider(module: Path) -> bool:
    return any(
        "required_providers" in terraform_block
        for file in parsed(module)
        for terraform_block in file.get("terraform", ())
    )


def with_tests() -> list[Path]:
    return [path for path in (*MODULES, *EXAMPLES) if (path / "tests").is_dir()]


def rendered(tmp_path: Path, **inputs: Any) -> dict[str, Any]:
    """Apply the module `host`, which makes nothing, and return its outputs."""
    folder = tmp_path / "infra" / "terraform" / "modules" / "host"
    shutil.copytree(TERRAFORM / "modules" / "host", folder, ignore=_left_over)
    shutil.copytree(TERRAFORM.parent / "systemd", tmp_path / "infra" / "systemd")
    given = {
        "bundle_url": "https://mirror.example/code-command-0.1.0.tar",
        "bundle_sha256": "0" * 64,
        **inputs,
    }
    (folder / "given.auto.tfvars.json").write_text(json.dumps(given), encoding="utf-8")
    for command in (("init", "-no-color"), ("apply", "-no-color", "-auto-approve")):
        done = terraform(folder, *command)
        assert done.returncode == 0, done.stdout + done.stderr
    state = json.loads((folder / "terraform.tfstate").read_text(encoding="utf-8"))
    return {name: output["value"] for name, output in state["outputs"].items()}


def _left_over(_folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name.startswith((".terraform", "terraform.tfstate"))]


def test_every_file_is_formatted() -> None:
    done = terraform(TERRAFORM, "fmt", "-check", "-recursive")

    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("module", with_tests(), ids=lambda module: module.name)
def test_a_module_keeps_its_own_tests(module: Path, tmp_path: Path) -> None:
    target = tmp_path / module.relative_to(TERRAFORM.parent)
    if asks_for_a_provider(module):
        target.mkdir(parents=True)
        for name in ("variables.tf", *DATA_ONLY[module.name]):
            shutil.copy(module / name, target)
        shutil.copytree(module / "tests", target / "tests")
    else:  # As it is, with the modules and files that it reads.
        shutil.copytree(TERRAFORM, tmp_path / "terraform", ignore=_left_over)
        shutil.copytree(TERRAFORM.parent / "systemd", tmp_path / "systemd")
    begun = terraform(target, "init", "-no-color")
    assert begun.returncode == 0, begun.stdout + begun.stderr

    done = terraform(target, "test", "-no-color")

    assert done.returncode == 0, done.stdout + done.stderr
    found = PASSED.search(done.stdout)
    assert found is not None
    assert int(found[1]) == sum(
        len(re.findall(r"^run ", path.read_text("utf-8"), re.MULTILINE))
        for path in (module / "tests").glob("*.tftest.hcl")
    )


def test_every_module_has_tests_of_its_own() -> None:
    assert set(MODULES) - set(with_tests()) == set()


def test_checkov_has_no_complaint_that_is_not_explained_where_it_is() -> None:
    options = ("--framework", "terraform", "--skip-download", "--compact", "--output", "json")
    done = subprocess.run(
        (str(ensure_checkov()), "--directory", str(TERRAFORM), *options),
        env={**os.environ, "PYTHONPATH": "", "BC_SKIP_MAPPING": "TRUE"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    report = json.loads(done.stdout)

    failed = [f"{c['check_id']} {c['resource']}" for c in report["results"]["failed_checks"]]
    assert failed == []
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 100
    for check in report["results"]["skipped_checks"]:
        assert len(check["check_result"]["suppress_comment"]) > len("a few words"), check


@pytest.mark.parametrize(
    "inputs",
    [
        pytest.param({}, id="least"),
        pytest.param(
            {
                "settings": {
                    "S3_BUCKET": "files",
                    "S3_ENDPOINT_URL": "https://s3.example:9000",
                },
                "packages": ["awscli"],
                "administrators": ["192.0.2.0/24", "2001:db8::/32"],
                "secrets_command": "echo BROKER_URL=redis://broker",
                "drain_command": "test -e /run/going",
                "drained_command": "touch /run/gone",
            },
            id="most",
        ),
    ],
)
class TestUserData:
    def test_cloud_init_s_schema_accepts_it(
        self, inputs: dict[str, Any], tmp_path: Path
    ) -> None:
        text = rendered(tmp_path, **inputs)["user_data"]
        schema = json.loads(cloud_config_schema().read_text(encoding="utf-8"))

        assert text.startswith("#cloud-config\n")
        jsonschema.Draft4Validator(schema).validate(yaml.safe_load(text))

    def test_bash_can_read_every_script(self, inputs: dict[str, Any], tmp_path: Path) -> None:
        files = rendered(tmp_path, **inputs)["files"]
        scripts = [f for f in files.values() if f["content"].startswith("#!/bin/bash")]

        assert scripts
        for script in scripts:
            done = subprocess.run(
                ("bash", "-n"),
                input=script["content"],
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, f"{script['path']}: {done.stderr}"

    def test_nobody_but_root_writes_what_it_places(
        self, inputs: dict[str, Any], tmp_path: Path
    ) -> None:
        text = rendered(tmp_path, **inputs)["user_data"]

        for file in yaml.safe_load(text)["write_files"]:
            assert file["owner"] == "root:root"
            assert int(file["permissions"], 8) & 0o022 == 0
            assert file["path"].startswith(("/etc/", "/usr/local/sbin/"))


def test_a_wrong_key_would_not_pass_cloud_init_s_schema() -> None:
    schema = json.loads(cloud_config_schema().read_text(encoding="utf-8"))

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft4Validator(schema).validate({"write_files": [{"pth": "/etc/x"}]})
