"""Whatever a program leaves behind, each regular file is kept or told, and never both."""

import os
import stat
import tempfile
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sandbox.supervisor.scan import RESERVED_NAMES
from sandbox.supervisor.skips import MAX_NAMED_SKIPS, SkipReason
from sandbox.supervisor.workspace import Collection
from tests.sandbox.folder import Folder

LIMITS = {"file_bytes": 100, "total_bytes": 300, "files": 4, "depth": 3, "path_chars": 40}

PARTS = st.one_of(
    st.sampled_from(["a", "b", "c.csv", "D.CSV", ".hidden", ".dirkeep", "_ptc_history.json"]),
    st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=12),
    st.binary(min_size=1, max_size=6).map(
        lambda raw: os.fsdecode(raw.replace(b"/", b"_").replace(b"\0", b"_"))
    ),
).filter(lambda part: part not in {".", ".."} and len(os.fsencode(part)) < 100)

PATHS = st.lists(PARTS, min_size=1, max_size=5).map("/".join)

THINGS = st.one_of(
    st.integers(0, 150),  # A file of so many bytes.
    st.sampled_from(["folder", "link", "pipe", "closed folder", "sparse"]),
)

INPUTS = st.lists(
    st.tuples(
        st.lists(
            st.sampled_from(["a", "b", "c.csv", ".hidden", ".dirkeep"]), min_size=1, max_size=3
        ).map("/".join),
        st.binary(max_size=20),
    ),
    max_size=4,
)

TREES = st.lists(st.tuples(PATHS, THINGS), max_size=12)


Inputs = list[tuple[str, bytes]]
Tree = list[tuple[str, int | str]]


def build(folder: Folder, inputs: Inputs, tree: Tree) -> None:
    for name, content in inputs:
        try:
            folder.put(name, content)
        except OSError:
            continue  # Two that cannot lie side by side; the API refuses those.
    for name, thing in tree:
        try:
            make(folder.root / name, thing)
        except (OSError, ValueError):
            continue  # It cannot be beside what is there already.


def make(path: Path, thing: int | str) -> None:
    """Make something new. Links lead nowhere, and nothing is ever written through one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(thing, int):
        with path.open("xb") as file:
            file.write(bytes(thing))
    elif thing == "link":
        path.symlink_to("leads-nowhere")
    elif thing == "pipe":
        os.mkfifo(path)
    elif thing == "sparse":
        with path.open("xb") as file:
            file.truncate(1 << 40)
    else:
        path.mkdir()
        if thing == "closed folder":
            path.chmod(0)


def regular_files(root: Path) -> set[str]:
    """Every regular file, found by other means than ours."""
    found: set[str] = set()
    for where, _, names in os.walk(root):
        for name in names:
            path = Path(where) / name
            if stat.S_ISREG(path.lstat().st_mode):
                found.add(path.relative_to(root).as_posix())
    return found


def is_told(name: str, told: set[str]) -> bool:
    """Whether a file is named as not kept, or lies in a folder that is."""
    shown = name.encode("utf-8", "backslashreplace").decode()
    return any(
        shown[: len(one)] == one and (len(shown) == len(one) or cut(one) or below(shown, one))
        for one in told
    )


def cut(told: str) -> bool:
    return len(told) == LIMITS["path_chars"]


def below(shown: str, folder: str) -> bool:
    return folder.endswith("/") or shown[len(folder)] == "/"


def collected(root: str, inputs: Inputs, tree: Tree) -> tuple[Folder, Collection]:
    folder = Folder(Path(root))
    build(folder, inputs, tree)
    return folder, folder.collect(**LIMITS)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inputs=INPUTS, tree=TREES)
def test_every_regular_file_is_kept_or_told_and_never_both(inputs: Inputs, tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder, found = collected(root, inputs, tree)
        on_disk = regular_files(folder.root)
        markers = {output.name for output in found.outputs if output.name not in on_disk}
        kept = {output.name for output in found.outputs} | set(found.unchanged)
        told = {name for name, _ in found.skipped}

        assert found.skipped_count <= MAX_NAMED_SKIPS  # Else not all could be named.
        for name in on_disk:
            if name.rpartition("/")[2] in RESERVED_NAMES:
                assert name not in kept
            else:
                assert (name in kept) != is_told(name, told), (name, found)
        for name in markers:
            assert name.endswith("/.dirkeep")
            assert not any((folder.root / name.removesuffix("/.dirkeep")).iterdir())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inputs=INPUTS, tree=TREES)
def test_what_is_kept_is_within_the_limits_and_can_be_read(inputs: Inputs, tree: Tree) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder, found = collected(root, inputs, tree)

        assert len(found.outputs) <= LIMITS["files"]
        assert sum(output.size_bytes for output in found.outputs) <= LIMITS["total_bytes"]
        for output in found.outputs:
            assert len(output.name) <= LIMITS["path_chars"]
            assert output.name.count("/") < LIMITS["depth"]
            output.name.encode()
            content = b"".join(folder.workspace.read(output))
            assert len(content) == output.size_bytes <= LIMITS["file_bytes"]


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(inputs=INPUTS, tree=TREES)
def test_every_input_is_unchanged_or_an_output_or_told_or_deleted(
    inputs: Inputs, tree: Tree
) -> None:
    with tempfile.TemporaryDirectory() as root:
        folder = Folder(Path(root))
        build(folder, inputs, [])
        put = set(folder.collect(**LIMITS).unchanged)
        build(folder, [], tree)
        found = folder.collect(**LIMITS)

        told = {
            name for name, reason in found.skipped if reason != SkipReason.NOT_A_REGULAR_FILE
        }
        states = [set(found.unchanged), {o.name for o in found.outputs}, set(found.deleted)]
        for name in put:
            assert sum(name in state for state in states) + is_told(name, told) == 1, (
                name,
                found,
            )
        assert set(found.deleted) <= put
