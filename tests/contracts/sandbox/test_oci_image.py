"""Images unpacked from the Docker engine: once, harmless, and only while they are needed."""

import shutil
import stat
import tarfile
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import docker  # noqa: TID251 - makes the images that are unpacked
import pytest

from executor.oci_image import UnpackedImages
from tests.executor import docker_view

pytestmark = pytest.mark.docker

TAG = "code-command-unpacked"


@pytest.fixture
def image() -> Iterator[str]:
    """A small image with one harmful file."""
    name = f"{TAG}:first"
    make_image(name, {"greeting": b"good day\n"})
    yield name
    remove_images()


@pytest.fixture
def images(tmp_path: Path, owner: str) -> Iterator[UnpackedImages]:
    images = UnpackedImages(tmp_path / "images", owner=owner)
    yield images
    images.close()
    assert docker_view.containers_of(owner) == set()


def make_image(name: str, contents: dict[str, bytes]) -> None:
    archive = BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for file, content in contents.items():
            entry = tarfile.TarInfo(file)
            entry.size = len(content)
            entry.mode = 0o6755
            tar.addfile(entry, BytesIO(content))
    repository, _, tag = name.partition(":")
    client = docker.from_env()
    client.api.import_image_from_data(
        archive.getvalue(),
        repository=repository,
        tag=tag,
        changes=['ENTRYPOINT ["/greeting", "-x"]', "ENV MOOD=good"],
    )
    client.close()


def remove_images() -> None:
    client = docker.from_env()
    for image in client.images.list(name=TAG):
        client.images.remove(image.id, force=True)
    client.close()


def folders(images: Path) -> set[str]:
    return {folder.name for folder in images.iterdir()}


def test_an_image_is_unpacked_where_it_was_told_once(
    images: UnpackedImages, image: str, tmp_path: Path
) -> None:
    first = images.open(image)
    made_at = first.root.stat().st_ctime_ns
    second = images.open(image)

    assert first == second
    assert first.root.is_relative_to(tmp_path / "images")
    assert (first.root / "greeting").read_bytes() == b"good day\n"
    assert first.entrypoint == ("/greeting", "-x")
    assert "MOOD=good" in first.environment
    assert second.root.stat().st_ctime_ns == made_at
    assert len(folders(tmp_path / "images")) == 1


def test_nobody_becomes_somebody_else_by_a_file_of_it(
    images: UnpackedImages, image: str
) -> None:
    """The host's own users can reach the folder."""
    mode = (images.open(image).root / "greeting").stat().st_mode

    assert stat.S_IMODE(mode) == 0o755


def test_one_that_the_engine_has_no_longer_goes_with_the_next(
    images: UnpackedImages, image: str, tmp_path: Path
) -> None:
    images.open(image)
    remove_images()
    make_image(image, {"greeting": b"good evening\n"})

    root = images.open(image).root

    assert folders(tmp_path / "images") == {root.parent.name}


def test_what_is_none_of_ours_is_let_be(
    images: UnpackedImages, image: str, tmp_path: Path
) -> None:
    """A disk that is mounted there has a folder of its own, and operators leave notes."""
    (tmp_path / "images" / "lost+found").mkdir(parents=True)
    (tmp_path / "images" / "notes.txt").touch()

    place = images.open(image).root.parent

    assert folders(tmp_path / "images") == {place.name, "lost+found", "notes.txt"}


def test_one_that_somebody_else_uses_stays(
    images: UnpackedImages, image: str, owner: str, tmp_path: Path
) -> None:
    neighbour = UnpackedImages(tmp_path / "images", owner=owner)
    used = neighbour.open(image).root
    remove_images()
    make_image(image, {"greeting": b"good evening\n"})

    images.open(image)
    assert (used / "greeting").read_bytes() == b"good day\n"
    neighbour.close()


def test_what_a_killed_process_left_half_unpacked_goes(
    images: UnpackedImages, image: str, tmp_path: Path
) -> None:
    place = images.open(image).root.parent
    gone = place.with_name(f"{place.name}.4194305")  # No process has so high a number.
    shutil.copytree(place, gone)

    images.open(image)

    assert folders(tmp_path / "images") == {place.name}
