"""The operator's shared files, unpacked on this host for sandboxes that need no Docker.

One folder for each content, mounted read-only into sandboxes. What sandboxes had before stays
for as long as one of them has it: under `/run` it takes the host's memory.
"""

import io
import shutil
import tarfile
from collections.abc import Collection
from pathlib import Path

from executor.shared_assets import PREFIX, AssetArchive


class AssetFolders:
    """The folders of one executor. All methods block."""

    def __init__(self, home: Path, *, owner: str) -> None:
        """Keep them in `home`, which need not be there yet."""
        self._home = home
        self._owner = owner

    def of(self, assets: AssetArchive) -> Path:
        """Return where `assets` are, or would be."""
        return self._home / assets.name(self._owner)

    def bring(self, assets: AssetArchive) -> None:
        """Unpack them, unless they are there. Safe to repeat.

        Raises:
            OSError: The host refuses, as where it has no room.
        """
        self._home.mkdir(parents=True, exist_ok=True, mode=0o711)
        folder = self.of(assets)
        if folder.exists():
            return
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()  # An archive without files makes none.
        with tarfile.open(fileobj=io.BytesIO(assets.tar), mode="r:") as archive:
            archive.extractall(draft, filter="tar")
        draft.chmod(0o755)
        draft.rename(folder)

    def remove_all_but(self, used: Collection[Path]) -> None:
        """Remove what was brought, but the folders that are `used`; and what is unfinished."""
        for folder in self._home.glob(f"{PREFIX}*"):
            if folder not in used:
                shutil.rmtree(folder, ignore_errors=True)
