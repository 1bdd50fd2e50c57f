"""When a build of the image is refused for want of disk, before it takes its minutes."""

import shutil
from pathlib import Path

import pytest

from infra.local import image_disk
from infra.local.image_disk import require_disk
from infra.local.image_docker import DockerCommand, ImageError, ask, find_docker


def _engine_at(folder: Path, data_root: Path, *, cache: str = "0B") -> DockerCommand:
    """A docker command whose engine keeps its data in `data_root`."""
    program = folder / "docker"
    program.write_text(
        "#!/bin/sh\n"
        f"if [ $1 = info ]; then echo {data_root}; "
        f"else printf 'Images 4.2GB\\nLocal Volumes 274.4kB\\nBuild Cache {cache}\\n'; fi\n"
    )
    program.chmod(0o755)
    return DockerCommand(str(program))


def _need(monkeypatch: pytest.MonkeyPatch, folder: Path, *, more_than_free: int) -> None:
    """Have a first build need so many bytes more than the disk has."""
    needed = shutil.disk_usage(folder).free + more_than_free
    monkeypatch.setattr(image_disk, "NEEDED_BYTES", needed)


def test_a_full_disk_is_named_before_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _need(monkeypatch, tmp_path, more_than_free=10**18)
    with pytest.raises(ImageError, match=r"100\d{7} GB below .* GB are free.*docker builder"):
        require_disk(_engine_at(tmp_path, tmp_path))


def test_what_the_cache_holds_is_not_needed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _need(monkeypatch, tmp_path, more_than_free=10 * 10**12)
    require_disk(_engine_at(tmp_path, tmp_path, cache="10.1TB"))


@pytest.mark.parametrize("cache", ["0B", "17.31GB", "9.9TB"])
def test_a_cache_that_is_too_small_does_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    _need(monkeypatch, tmp_path, more_than_free=10 * 10**12)
    with pytest.raises(ImageError, match="building the sandbox image takes"):
        require_disk(_engine_at(tmp_path, tmp_path, cache=cache))


def test_a_build_from_the_cache_still_takes_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_disk, "LEAST_BYTES", 10**18)
    with pytest.raises(ImageError, match="takes about 1000000000 GB"):
        require_disk(_engine_at(tmp_path, tmp_path, cache="900GB"))


def test_the_disk_of_an_engine_elsewhere_is_not_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _need(monkeypatch, tmp_path, more_than_free=10**18)
    require_disk(_engine_at(tmp_path, tmp_path / "on-another-machine"))


@pytest.mark.docker
def test_a_real_engine_tells_how_large_its_cache_is() -> None:
    """The wording of `docker system df` is what the sum depends on."""
    table = ask(find_docker(), "system", "df", "--format", "{{.Type}} {{.Size}}")
    assert table is not None
    assert image_disk.CACHE_SIZE.search(table)
