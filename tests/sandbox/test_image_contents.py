"""What the sandbox image contains, and what it must not."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from infra.local.image_docker import find_docker
from tests.sandbox.image_container import IMAGE, run

pytestmark = pytest.mark.docker

PACKAGES = Path(__file__).resolve().parents[2] / "sandbox" / "packages"
IMPORT_NAMES = {
    "beautifulsoup4": "bs4",
    "opencv-python-headless": "cv2",
    "pillow": "PIL",
    "python-docx": "docx",
    "python-pptx": "pptx",
    "pyyaml": "yaml",
    "scikit-learn": "sklearn",
}


def _names(file: str) -> list[str]:
    lines = (PACKAGES / file).read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_every_python_package_of_the_list_imports() -> None:
    modules = [IMPORT_NAMES.get(name, name) for name in _names("python.in")]
    ran = run("\n".join(f"import {module}" for module in modules))
    assert (ran.status, ran.stderr) == (0, "")


def test_the_versions_installed_are_those_of_the_lock() -> None:
    lock = (PACKAGES / "python.lock").read_text("utf-8")
    locked = dict(re.findall(r"^([a-z0-9-]+)==(\S+)", lock, re.MULTILINE))
    ran = run(
        "import json\nfrom importlib.metadata import version\n"
        f"print(json.dumps({{name: version(name) for name in {list(locked)}}}))"
    )
    assert ran.answer == locked


def test_every_locked_package_has_hashes_and_no_file_names_where_it_came_from() -> None:
    lock = (PACKAGES / "python.lock").read_text("utf-8")
    for block in re.split(r"\n(?=[a-z])", lock)[1:]:
        assert "--hash=sha256:" in block, block[:60]
    for file in filter(Path.is_file, PACKAGES.rglob("*")):
        # npm notes where to thank an author; that is no place to install from.
        text = re.sub(r'"url": "https://github.com/sponsors/.*"', "", file.read_text("utf-8"))
        assert not re.search(r"https?://|file:|--index-url [^\\]", text), file


def test_the_commands_that_scripts_expect_are_there() -> None:
    names = "awk bash bc cat dot fc-list file find gzip head jq less pdftotext pdftoppm ps"
    names += " python python3 rsvg-convert sed sort sqlite3 tar tree unzip xz zip"
    ran = run(
        f"for name in {names}; do command -v $name > /dev/null || echo $name; done",
        interpreter="bash",
    )
    assert (ran.stdout, ran.stderr) == ("", "")


def test_python_is_3_13_under_both_names() -> None:
    ran = run("python --version; python3 --version; command -v python3", interpreter="bash")
    assert re.fullmatch(r"(Python 3\.13\.\d+\n){2}/opt/python/bin/python3\n", ran.stdout)


def test_the_environment_is_the_contracts() -> None:
    ran = run("import json, os\nprint(json.dumps(dict(os.environ)))")
    expected = {
        "HOME": "/mnt/data",
        "LANG": "en_US.UTF-8",
        "LOGNAME": "sandbox",
        "MPLBACKEND": "Agg",
        "MPLCONFIGDIR": "/tmp/matplotlib",
        "MKL_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "USER": "sandbox",
    }
    assert ran.answer.items() >= expected.items()


def test_the_locale_exists_and_messages_are_english() -> None:
    ran = run(
        "locale -k charmap; cat missing; printf 'b\\na\\nÄ\\n' | sort", interpreter="bash"
    )
    assert ran.stdout == 'charmap="UTF-8"\na\nÄ\nb\n'
    assert ran.stderr == "cat: missing: No such file or directory\n"


def test_workspace_and_mnt_data_are_one_folder_that_any_uid_may_write_to() -> None:
    ran = run("pwd; echo hello > /workspace/new; cat /mnt/data/new", interpreter="bash")
    assert ran.stdout == "/mnt/data\nhello\n"
    assert ran.files == {"new": b"hello\n"}


def test_the_fonts_are_there() -> None:
    families = run("fc-list : family", interpreter="bash").stdout
    for family in ("Liberation Sans", "Liberation Serif", "DejaVu Sans", "WenQuanYi Micro Hei"):
        assert family in families


def test_no_file_runs_with_another_users_rights() -> None:
    ran = run("find / -xdev -type f -perm /6000 2> /dev/null", interpreter="bash")
    assert ran.stdout == ""


def test_no_file_carries_capabilities() -> None:
    ran = run(
        "import os\n"
        "for folder, _, names in os.walk('/usr'):\n"
        "    for name in names:\n"
        "        path = f'{folder}/{name}'\n"
        "        if 'security.capability' in os.listxattr(path, follow_symlinks=False):\n"
        "            print(path)\n"
    )
    assert (ran.stdout, ran.stderr) == ("", "")


def test_everything_can_be_read_and_nothing_be_changed_by_an_unprivileged_user() -> None:
    ran = run(
        "find /opt /usr ! -readable ! -type l\n"
        "find / -xdev -writable ! -type l -path '/[!p]*' 2> /dev/null | sort",
        interpreter="bash",
    )
    # What is world-writable in any Debian; the root is read-only besides.
    assert set(ran.stdout.split()) <= {"/mnt/data", "/run/lock", "/tmp", "/var/tmp"}


def test_nothing_of_the_building_machine_is_left_in_the_files() -> None:
    ran = run(
        "shopt -s nullglob\n"
        "ls -d /run/secrets /build /etc/apt/sources.list* /etc/apt/apt.conf.d /etc/pip.conf "
        "/root/.config /root/.pip /root/.npmrc /root/.npm /root/.cache /opt/node/.npmrc "
        "/var/lib/apt/lists/* 2> /dev/null\n"
        "grep -rlE 'https?://[^ ]+/simple|index-url|Acquire::' /etc /opt/python/pip.conf "
        "/root /var/lib/apt /opt/code-command",
        interpreter="bash",
        user="0:0",
    )
    assert (ran.stdout, ran.stderr) == ("", "")


def test_the_certificate_authorities_are_debians_and_no_others() -> None:
    ran = run(
        "cat /usr/share/ca-certificates/mozilla/*.crt | grep -v -- -- | sort -u > /tmp/debian\n"
        "grep -v -- -- /etc/ssl/certs/ca-certificates.crt | sort -u | comm -13 /tmp/debian -\n"
        "ls /usr/local/share/ca-certificates 2> /dev/null",
        interpreter="bash",
    )
    assert (ran.stdout, ran.stderr) == ("", "")


def test_every_package_of_npm_is_pinned_by_a_hash() -> None:
    lock = json.loads((PACKAGES / "node" / "package-lock.json").read_text("utf-8"))
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    for name, entry in packages.items():
        assert entry["integrity"].startswith("sha512-"), name
        assert "resolved" not in entry, name


def test_nothing_of_the_building_machine_is_left_in_the_history() -> None:
    docker = find_docker().program
    for question in (("history", "--no-trunc", "--format", "{{json .}}"), ("image", "inspect")):
        told = subprocess.run(
            (docker, *question, IMAGE), capture_output=True, text=True, timeout=60, check=True
        ).stdout
        assert not re.search(r"https?://|secret|proxy|BEGIN CERT", told, re.IGNORECASE)


def test_byte_code_is_there_for_what_programs_import() -> None:
    ran = run(
        "import json, pandas, sys\n"
        "from os.path import exists\n"
        "files = {name: module.__spec__ and module.__spec__.cached\n"
        "         for name, module in sys.modules.items() if hasattr(module, '__spec__')}\n"
        "print(json.dumps([name for name, file in files.items() if file and not exists(file)]))"
    )
    assert ran.answer == []


def test_pip_knows_what_is_there_and_does_not_wait_for_a_network() -> None:
    ran = run(
        "time -p python3 -m pip install numpy; time -p pip install leftpad", interpreter="bash"
    )
    assert "Requirement already satisfied: numpy" in ran.stdout
    assert "No matching distribution found for leftpad" in ran.stderr
    for seconds in re.findall(r"real ([\d.]+)", ran.stderr):
        assert float(seconds) < 10
