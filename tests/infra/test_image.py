"""Which image is built, when, and with what: on a real engine, with a small Dockerfile."""

import os
import uuid
from collections.abc import Generator
from pathlib import Path

import pytest

from executor.image_version import LABEL, supervisor_digest
from infra.local import image
from infra.local.image import describe, ensure_sandbox_image, has_registry_host
from infra.local.image_digest import source_digest
from infra.local.image_docker import ImageError, ask, find_docker

DOCKERFILE = """\
ARG BASE_IMAGE=debian:trixie-slim
FROM ${BASE_IMAGE}
COPY sandbox/packages /packages
RUN --mount=type=secret,id=ca_bundle,mode=0444 test -s /run/secrets/ca_bundle
"""


def _quiet(_line: str) -> None:
    pass


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A repository with just what the digest covers."""
    for folder in ("packages", "image", "supervisor"):
        (tmp_path / "sandbox" / folder).mkdir(parents=True)
        (tmp_path / "sandbox" / folder / "a.txt").write_text(folder)
    (tmp_path / "sandbox" / "Dockerfile").write_text(DOCKERFILE)
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "sandbox/Dockerfile",
        "sandbox/packages/a.txt",
        "sandbox/image/a.txt",
        "sandbox/supervisor/a.txt",
    ],
)
def test_a_change_of_any_source_changes_the_digest(checkout: Path, path: str) -> None:
    before = source_digest(checkout)
    (checkout / path).write_text("changed")
    assert source_digest(checkout) != before


def test_a_new_a_renamed_and_an_executable_file_change_the_digest(checkout: Path) -> None:
    file = checkout / "sandbox" / "image" / "b.sh"
    digests = [source_digest(checkout)]
    file.write_text("")
    digests.append(source_digest(checkout))
    file.chmod(0o755)
    digests.append(source_digest(checkout))
    file.rename(file.with_name("c.sh"))
    digests.append(source_digest(checkout))
    assert len(set(digests)) == 4


def test_the_small_image_is_another_than_the_one_with_all_languages(checkout: Path) -> None:
    assert source_digest(checkout, "small") != source_digest(checkout, "all")
    assert source_digest(checkout, "all") == source_digest(checkout)


def test_byte_code_and_the_date_do_not_change_the_digest(checkout: Path) -> None:
    before = source_digest(checkout)
    cache = checkout / "sandbox" / "supervisor" / "__pycache__"
    cache.mkdir()
    (cache / "a.cpython-313.pyc").write_bytes(b"\0")
    os.utime(checkout / "sandbox" / "Dockerfile", (0, 0))
    assert source_digest(checkout) == before


def test_the_digest_covers_exactly_what_the_build_context_lets_through() -> None:
    ignore = (image.ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert {line[1:] for line in ignore if line.startswith("!")} == {
        "sandbox/Dockerfile",
        "sandbox/packages",
        "sandbox/image",
        "sandbox/supervisor",
    }


@pytest.mark.parametrize(
    ("name", "is_foreign"),
    [
        ("code-sandbox:latest", False),
        ("code-sandbox", False),
        ("team/code-sandbox:1", False),
        ("registry.example.org/code-sandbox:1", True),
        ("localhost/code-sandbox", True),
        ("registry:5000/code-sandbox", True),
    ],
)
def test_only_a_name_with_a_registrys_host_is_pulled(name: str, *, is_foreign: bool) -> None:
    assert has_registry_host(name) is is_foreign


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (
            "#9 [python 3/6] RUN --mount=type=secret,id=pip_conf     /build/x.sh -r y",
            "[python 3/6] RUN /build/x.sh -r y",
        ),
        ("#9 12.40 Downloading numpy-2.5.whl (16 MB)", "Downloading numpy-2.5.whl (16 MB)"),
        ("#9 0.521 Setting up graphviz (2.42) ...", "Setting up graphviz (2.42) ..."),
        ("#9 0.521 Looking in indexes: https://user:key@mirror.example/simple", None),
        ("#9 sha256:0123456789", None),
        ("#9 DONE 0.5s", None),
        ("", None),
    ],
)
def test_progress_shows_steps_and_packages_and_no_addresses(
    line: str, told: str | None
) -> None:
    assert describe(line) == told


@pytest.fixture
def name() -> Generator[str]:
    """A name for an image of this test alone."""
    name = f"code-command-test:{uuid.uuid4().hex}"
    yield name
    if ask(find_docker(), "image", "inspect", "--format", "{{.Id}}", name) is not None:
        ask(find_docker(), "image", "rm", "--force", name)


def _id_of(name: str) -> str | None:
    return ask(find_docker(), "image", "inspect", "--format", "{{.Id}}", name)


@pytest.mark.docker
def test_an_image_is_built_once_and_again_when_a_source_has_changed(
    checkout: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "ROOT", checkout)
    assert ensure_sandbox_image(name, _quiet) is True
    first = _id_of(name)
    assert ensure_sandbox_image(name, _quiet) is False
    assert _id_of(name) == first

    (checkout / "sandbox" / "packages" / "a.txt").write_text("one more")
    assert ensure_sandbox_image(name, _quiet) is True
    assert _id_of(name) != first
    assert first is not None
    assert _id_of(first) is None, "the replaced image takes up space"


@pytest.mark.docker
def test_a_replaced_image_stays_where_it_has_another_name(
    checkout: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "ROOT", checkout)
    kept = f"{name}-kept"
    ensure_sandbox_image(name, _quiet)
    first = _id_of(name)
    ask(find_docker(), "tag", name, kept)

    (checkout / "sandbox" / "packages" / "a.txt").write_text("one more")
    ensure_sandbox_image(name, _quiet)

    assert first == _id_of(kept) != _id_of(name)
    ask(find_docker(), "image", "rm", kept)


@pytest.mark.docker
def test_an_image_is_built_with_the_languages_asked_for(
    checkout: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "ROOT", checkout)
    with (checkout / "sandbox" / "Dockerfile").open("a") as dockerfile:
        dockerfile.write("ARG LANGUAGES\nLABEL languages=$LANGUAGES\n")
    asked = ("image", "inspect", "--format", '{{index .Config.Labels "languages"}}', name)

    assert ensure_sandbox_image(name, _quiet, languages="small") is True
    assert ask(find_docker(), *asked) == "small"
    assert ensure_sandbox_image(name, _quiet, languages="small") is False
    assert ensure_sandbox_image(name, _quiet) is True
    assert ask(find_docker(), *asked) == "all"


@pytest.mark.docker
def test_an_image_says_which_supervisor_it_has(
    checkout: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "ROOT", checkout)
    asked = ("image", "inspect", "--format", f'{{{{index .Config.Labels "{LABEL}"}}}}', name)

    ensure_sandbox_image(name, _quiet)

    assert ask(find_docker(), *asked) == supervisor_digest(checkout / "sandbox/supervisor")


@pytest.mark.docker
def test_rebuild_builds_what_has_not_changed(
    checkout: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "ROOT", checkout)
    ensure_sandbox_image(name, _quiet)
    assert ensure_sandbox_image(name, _quiet, rebuild=True) is True


@pytest.mark.docker
def test_a_build_that_fails_tells_its_last_lines(
    checkout: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image, "ROOT", checkout)
    with (checkout / "sandbox" / "Dockerfile").open("a") as dockerfile:
        dockerfile.write("RUN echo this-is-why && false\n")
    with pytest.raises(ImageError, match="this-is-why"):
        ensure_sandbox_image(name, _quiet)
    assert _id_of(name) is None


@pytest.mark.docker
def test_settings_of_this_machine_reach_the_build_and_no_layer(
    checkout: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    proxy, index = "http://proxy.example:3128", "https://someone:key@mirror.example/simple"
    monkeypatch.setattr(image, "ROOT", checkout)
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    monkeypatch.setenv("PIP_INDEX_URL", index)
    bundle = tmp_path / "our-authority.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----")
    monkeypatch.setenv("PIP_CERT", str(bundle))
    with (checkout / "sandbox" / "Dockerfile").open("a") as dockerfile:
        dockerfile.write(
            "RUN --mount=type=secret,id=ca_bundle --mount=type=secret,id=pip_conf "
            'grep -q "BEGIN CERTIFICATE" /run/secrets/ca_bundle '
            f"&& grep -q {index} /run/secrets/pip_conf "
            f'&& test "$HTTPS_PROXY" = {proxy} && touch /the-build-saw-them\n'
        )
    told: list[str] = []
    ensure_sandbox_image(name, told.append)
    docker = find_docker()
    history = ask(docker, "history", "--no-trunc", "--format", "{{json .CreatedBy}}", name)
    inspected = ask(docker, "image", "inspect", name)
    # Both name the step that looked for them, which this test wrote; nothing else may.
    history = "\n".join(line for line in (history or "").splitlines() if "saw-them" not in line)
    for text in (history, inspected, *told):
        assert text
        assert proxy not in text
        assert "someone:key" not in text
