"""Which file names can exist beside each other in one folder."""


class DestinationError(Exception):
    """A name that cannot be added; the text is librechat-contract 2.2's."""


class Destinations:
    """The files that `/mnt/data` will hold."""

    def __init__(self) -> None:
        self._files: set[str] = set()
        self._folders: dict[str, str] = {}
        """Each folder with a file that lies in it."""

    def add(self, name: str) -> None:
        """Add a file by its canonical path.

        Raises:
            DestinationError: It is there already, or one would be a folder of the other.
                Nothing is added.
        """
        if name in self._files:
            raise DestinationError(f'files contains duplicate destination "{name}"')
        if name in self._folders:
            raise _conflict(name, self._folders[name])
        steps = name.split("/")
        folders = ["/".join(steps[:depth]) for depth in range(1, len(steps))]
        for folder in folders:
            if folder in self._files:
                raise _conflict(folder, name)
        self._files.add(name)
        for folder in folders:
            self._folders.setdefault(folder, name)

    def __len__(self) -> int:
        """Count the files."""
        return len(self._files)


def _conflict(folder: str, name: str) -> DestinationError:
    return DestinationError(f'files contains conflicting destinations "{folder}" and "{name}"')
