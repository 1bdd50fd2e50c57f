"""The bill of materials: by the book, and of what the image really holds."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from infra.local.image_docker import ImageError, ask, find_docker
from infra.local.sbom import bill_of, ensure_sbom, sbom_path
from infra.local.work_dir import WorkDir
from tests.sandbox.image_container import IMAGE, run

PACKAGES = Path(__file__).resolve().parents[2] / "sandbox" / "packages"

INVENTORY: dict[str, Any] = {
    "distribution": {"id": "debian", "version": "13"},
    "debian": [{"name": "g++", "version": "4:14.2.0-1+b1~x", "architecture": "amd64"}],
    "python": [{"name": "Typing_Extensions", "version": "4.1"}],
    "npm": [
        {"name": "@scope/tool", "version": "1.0.0"},
        {"name": "tslib", "version": "2.8.1"},
        {"name": "tslib", "version": "2.8.1"},
    ],
    "programs": [{"name": "node", "version": "24.19.0"}],
}
DESCRIBED: dict[str, Any] = {
    "Id": f"sha256:{'ab' * 32}",
    "RepoDigests": [f"registry.example.org/sandbox@sha256:{'cd' * 32}"],
    "Config": {"Labels": None},
}


def purls(bill: dict[str, Any]) -> list[str]:
    return [component["purl"] for component in bill["components"]]


def problem_of(text: str) -> object:
    """Ask CycloneDX's own schema, which its library brings along."""
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


class TestForm:
    BILL = bill_of("registry.example.org/sandbox:1", DESCRIBED, INVENTORY)

    def test_it_is_as_cyclonedx_has_it(self) -> None:
        assert problem_of(json.dumps(self.BILL)) is None

    def test_what_is_not_would_be_seen(self) -> None:
        assert problem_of(json.dumps(self.BILL | {"components": [{"name": "x"}]})) is not None

    def test_every_package_has_the_address_that_scanners_look_up(self) -> None:
        assert purls(self.BILL) == [
            "pkg:deb/debian/g%2B%2B@4:14.2.0-1%2Bb1~x?arch=amd64&distro=debian-13",
            "pkg:generic/node@24.19.0",
            "pkg:npm/%40scope/tool@1.0.0",
            "pkg:npm/tslib@2.8.1",
            "pkg:pypi/typing-extensions@4.1",
        ]
        assert [PackageURL.from_string(one).to_string() for one in purls(self.BILL)] == purls(
            self.BILL
        )

    def test_it_says_which_image_it_is_of(self) -> None:
        component = self.BILL["metadata"]["component"]

        assert (component["name"], component["version"]) == ("sandbox", DESCRIBED["Id"])
        assert component["hashes"] == [{"alg": "SHA-256", "content": "ab" * 32}]
        assert DESCRIBED["RepoDigests"][0] in str(component["properties"])


@pytest.fixture(scope="module")
def work_dir(tmp_path_factory: pytest.TempPathFactory) -> WorkDir:
    return WorkDir(tmp_path_factory.mktemp("work"))


@pytest.fixture(scope="module")
def bill(work_dir: WorkDir) -> dict[str, Any]:
    """Of the real image."""
    path = ensure_sbom(IMAGE, work_dir, lambda _: None)
    text = path.read_text(encoding="utf-8")
    assert problem_of(text) is None
    return json.loads(text)


@pytest.mark.docker
class TestRealImage:
    def test_it_is_of_this_image(self, bill: dict[str, Any]) -> None:
        found = ask(find_docker(), "image", "inspect", "--format", "{{.Id}}", IMAGE)

        assert bill["metadata"]["component"]["version"] == found

    def test_every_package_that_was_locked_is_in_it(self, bill: dict[str, Any]) -> None:
        locked = re.findall(
            r"^([a-z0-9-]+)==(\S+)", (PACKAGES / "python.lock").read_text("utf-8"), re.MULTILINE
        )
        lock = json.loads((PACKAGES / "node" / "package-lock.json").read_text("utf-8"))
        # Bun's own package is a wrapper of its program, which is there by itself.
        node = {
            (path.rpartition("node_modules/")[2], package["version"])
            for path, package in lock["packages"].items()
            if path and not re.search(r"node_modules/(bun|@oven/.*)$", path)
        }

        assert {f"pkg:pypi/{name}@{version}" for name, version in locked} <= set(purls(bill))
        assert {
            f"pkg:npm/{name.replace('@', '%40')}@{version}" for name, version in node
        } <= set(purls(bill))
        assert any(one.startswith("pkg:generic/bun@1.") for one in purls(bill))

    def test_every_debian_package_is_in_it_with_its_version(self, bill: dict[str, Any]) -> None:
        said = run("dpkg-query -W -f '${Package} ${Version}\\n'", interpreter="bash").stdout
        listed = {
            f"{component['name']} {component['version']}"
            for component in bill["components"]
            if component["purl"].startswith("pkg:deb/")
        }

        assert listed == set(said.splitlines())

    def test_it_is_made_once_for_an_image(
        self, bill: dict[str, Any], work_dir: WorkDir
    ) -> None:
        ensure_sbom(IMAGE, work_dir, lambda line: pytest.fail(f"made again: {line}"))

        assert json.loads(sbom_path(IMAGE, work_dir).read_text("utf-8")) == bill

    def test_one_that_is_broken_is_made_again(
        self, bill: dict[str, Any], work_dir: WorkDir
    ) -> None:
        sbom_path(IMAGE, work_dir).write_text("{", encoding="utf-8")

        again = json.loads(ensure_sbom(IMAGE, work_dir, lambda _: None).read_text("utf-8"))
        assert purls(again) == purls(bill)

    def test_an_image_that_is_not_there_is_told(self, work_dir: WorkDir) -> None:
        with pytest.raises(ImageError, match="code-command build makes it"):
            ensure_sbom("code-sandbox:not-there", work_dir, lambda _: None)
