"""The bill of materials of a sandbox image (SBOM), as CycloneDX has it: every package, offline.

The image itself is asked what it holds, not the lists that it was built from: what an
installation added, and what Debian's upgrades brought, is in there as well.
"""

import json
import re
import subprocess
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from infra.local import sbom_inventory
from infra.local.console import Console
from infra.local.errors import LocalError
from infra.local.image import DIGEST_LABEL
from infra.local.image_docker import DockerCommand, ImageError, Report, ask, find_docker
from infra.local.work_dir import WorkDir

SPEC_VERSION = "1.6"
INVENTORY_DEADLINE_S = 120.0

_CONFINED = (
    *("run", "--rm", "--interactive", "--network", "none", "--read-only", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--user", "65534:65534"),
)

Inventory = dict[str, Any]
"""What `sbom_inventory` prints."""


def ensure_sbom(image: str, work_dir: WorkDir, report: Report) -> Path:
    """Make sure that there is the bill of what `image` is now; return where.

    Raises:
        EngineError: The engine does not answer.
        ImageError: There is no such image, or it cannot be asked what it holds.
    """
    docker = find_docker()
    described = _image(docker, image)
    path = sbom_path(image, work_dir)
    if path.exists() and _image_id_in(path) == described["Id"]:
        return path
    report(f"sandbox image: listing what {image} holds")
    bill = bill_of(image, described, take_inventory(docker, image))
    path.parent.mkdir(exist_ok=True)
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(bill, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)
    return path


def report_sbom(image: str, work_dir: WorkDir, console: Console) -> None:
    """Make sure of it as `ensure_sbom` does, and say where it is, or why there is none."""
    try:
        path = ensure_sbom(image, work_dir, console.say)
    except LocalError as fault:
        console.say(f"there is no list of what {image} holds: {fault}")
        return
    console.done(f"what it holds is in {path}")


def sbom_path(image: str, work_dir: WorkDir) -> Path:
    """Return where the bill of an image is kept."""
    return work_dir.path / "sbom" / f"{re.sub(r'[^A-Za-z0-9.-]+', '_', image)}.cdx.json"


def take_inventory(docker: DockerCommand, image: str) -> Inventory:
    """Ask the image what is installed in it, in a container without network or rights.

    Raises:
        ImageError: It does not say.
    """
    program = Path(sbom_inventory.__file__).read_text(encoding="utf-8")
    try:
        done = subprocess.run(
            (docker.program, *_CONFINED, "--entrypoint", "python3", image, "-I", "-B", "-"),
            input=program,
            capture_output=True,
            text=True,
            timeout=INVENTORY_DEADLINE_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ImageError(f"{image} did not say within {INVENTORY_DEADLINE_S:.0f} s") from None
    if done.returncode != 0:
        raise ImageError(f"{image} does not say what it holds: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def bill_of(image: str, described: dict[str, Any], inventory: Inventory) -> dict[str, Any]:
    """Return the bill of materials, as CycloneDX 1.6.

    Args:
        image: The name that it is known by.
        described: What the engine says of it.
        inventory: What it says of itself.
    """
    digest = described["Id"].removeprefix("sha256:")
    name = image.rpartition("/")[2].partition(":")[0]
    labels = described["Config"]["Labels"] or {}
    components = {component["bom-ref"]: component for component in _components(inventory)}
    return {
        "bomFormat": "CycloneDX",
        "specVersion": SPEC_VERSION,
        "serialNumber": f"urn:uuid:{uuid.uuid4()}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.now(UTC).isoformat(timespec="seconds"),
            "component": {
                "type": "container",
                "bom-ref": f"image:{described['Id']}",
                "name": name,
                "version": described["Id"],
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "properties": [
                    {"name": "code-command:image-name", "value": image},
                    {"name": "code-command:sources", "value": labels.get(DIGEST_LABEL, "")},
                    *(
                        {"name": "code-command:repository-digest", "value": pulled}
                        for pulled in described["RepoDigests"] or []
                    ),
                ],
            },
        },
        "components": [components[reference] for reference in sorted(components)],
    }


def _components(inventory: Inventory) -> Iterator[dict[str, Any]]:
    distribution = inventory["distribution"]
    distro = f"{distribution['id']}-{distribution['version']}"
    for package in inventory["debian"]:
        more = f"?arch={package['architecture']}&distro={distro}"
        yield _component("library", f"deb/{distribution['id']}", package, more)
    for package in inventory["python"]:
        name = package["name"].lower().replace("_", "-")  # As package URLs want it.
        yield _component("library", "pypi", {**package, "name": name})
    for package in inventory["npm"]:
        yield _component("library", "npm", package)
    for package in inventory["programs"]:
        yield _component("application", "generic", package)


def _component(
    kind: str, origin: str, package: dict[str, str], more: str = ""
) -> dict[str, Any]:
    name, version = quote(package["name"], safe="/"), quote(package["version"], safe=":")
    url = f"pkg:{origin}/{name}@{version}{more}"
    return {
        "type": kind,
        "bom-ref": url,
        "name": package["name"],
        "version": package["version"],
        "purl": url,
    }


def _image(docker: DockerCommand, image: str) -> dict[str, Any]:
    found = ask(docker, "image", "inspect", image)
    if found is None:
        raise ImageError(f"there is no image {image}: ./code-command build makes it")
    (described,) = json.loads(found)
    return described


def _image_id_in(path: Path) -> str | None:
    try:
        return json.loads(path.read_text(encoding="utf-8"))["metadata"]["component"]["version"]
    except (ValueError, KeyError, TypeError):
        return None  # Not of our making, or cut off: it is made again.
