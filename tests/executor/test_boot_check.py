"""What is told of known holes, and when a host is refused for them."""

import logging
import subprocess
from pathlib import Path

import pytest
from typing_extensions import override

from executor.boot_check import KnownEscapeError, Mended, find, lines, refusal, refuse, tell
from executor.known_escapes import Part
from executor.oci_version import runtime_part
from executor.package_changelog import changelog, is_distributions
from executor.sandbox import SandboxUnavailableError
from tests.executor.local_engine import LocalEngine

DEBIANS = Part(name="runc", version="1.1.5+ds1", build="1.1.5+ds1-1+deb12u1")
UPSTREAMS = Part(name="runc", version="1.1.5", build="v1.1.5-0-gf19387a6")
MENDED = Part(name="runc", version="1.4.3", build="v1.4.3-0-gdeadbee")
OLD_ENGINE = Part(name="docker", version="20.10.24", build="5d6db84")

CHANGELOG = """\
runc (1.1.5+ds1-1+deb12u1) bookworm-security; urgency=high
  * CVE-2024-21626: several container breakouts due to internally leaked fds

 -- A Maintainer <maintainer@example.org>  Fri, 02 Feb 2024 21:53:05 +0800

runc (1.1.5+ds1-1) unstable; urgency=medium
  * New upstream version 1.1.5+ds1

 -- A Maintainer <maintainer@example.org>  Wed, 29 Mar 2023 17:24:36 +0800
"""
CUT = "\n# Older entries have been removed from this changelog.\n"


class EngineWith(LocalEngine):
    """An engine that says which programs it has."""

    def __init__(self, *parts: Part) -> None:
        super().__init__()
        self.has = parts

    @override
    async def parts(self) -> tuple[Part, ...]:
        await self.check()
        return self.has


def unreadable(part: Part) -> str | None:
    assert part.name
    return None


def named(part: Part) -> str | None:
    assert part.name
    return CHANGELOG


class TestDistributions:
    @pytest.mark.parametrize(
        ("part", "is_theirs"),
        [
            (DEBIANS, True),
            (Part(name="runc", version="1.1.12", build="1.1.12-0ubuntu2~22.04.1"), True),
            (Part(name="docker", version="20.10.24+dfsg1", build="5d6db84"), True),
            (Part(name="containerd", version="1.6.20~ds1"), True),
            (Part(name="runc", version="1.1.12", build="1.1.12-3.el9"), True),
            (UPSTREAMS, False),
            (OLD_ENGINE, False),
            (Part(name="containerd", version="v1.7.27", build="05044ec0a9a7"), False),
        ],
    )
    def test_they_are_told_by_what_they_append(self, part: Part, *, is_theirs: bool) -> None:
        assert is_distributions(part) == is_theirs

    def test_what_their_changelog_names_is_mended_and_the_rest_is_not(self) -> None:
        mended = {
            found.escape.cve: found.mended for found in find([DEBIANS], read_changelog=named)
        }

        assert mended["CVE-2024-21626"] is Mended.YES
        assert mended["CVE-2025-31133"] is Mended.NO

    def test_one_that_was_cut_off_says_nothing_of_what_may_have_been_before(self) -> None:
        old = Part(name="runc", version="1.0.0~rc6+dfsg1", build="1.0.0~rc6+dfsg1-3")

        mended = {
            found.escape.cve: found.mended
            for found in find([old], read_changelog=lambda _: CHANGELOG + CUT)
        }

        assert mended["CVE-2019-5736"] is Mended.UNKNOWN
        assert mended["CVE-2021-30465"] is Mended.UNKNOWN
        assert mended["CVE-2025-31133"] is Mended.NO

    def test_without_a_changelog_nobody_knows(self) -> None:
        found = find([DEBIANS], read_changelog=unreadable)

        assert {finding.mended for finding in found} == {Mended.UNKNOWN}

    def test_upstreams_own_build_is_what_its_version_says(self) -> None:
        found = find([UPSTREAMS], read_changelog=named)

        assert {finding.mended for finding in found} == {Mended.NO}

    @pytest.mark.skipif(
        not Path("/usr/bin/dpkg-query").exists(), reason="no distribution with dpkg"
    )
    def test_this_hosts_is_read_for_the_package_that_is_installed_and_no_other(self) -> None:
        asked = ("dpkg-query", "--show", "--showformat=${Version}", "bash")
        version = subprocess.run(asked, capture_output=True, text=True, check=True).stdout
        installed = Part(name="bash", version=version.rpartition(":")[2])

        text = changelog(installed)

        # Containers' images come without documentation, and rebuilds without an entry.
        assert text is None or f"bash ({version.partition('+b')[0]})" in text
        assert changelog(Part(name="bash", version="0.0.1+ds1")) is None

    def test_documentation_that_is_left_out_is_no_changelog(self, tmp_path: Path) -> None:
        assert changelog(DEBIANS, tmp_path) is None


class TestTelling:
    def test_what_needs_the_same_done_is_one_line(self) -> None:
        links, image = lines(find([Part(name="runc", version="1.2.7")], unreadable))

        assert links == (
            "runc 1.2.7: CVE-2025-31133, CVE-2025-52565, CVE-2025-52881 (links swapped while a"
            " container starts redirect runc's mounts and writes), fixed upstream in 1.2.8,"
            " 1.3.3 and 1.4.0-rc.3; update it"
        )
        assert image == (
            "runc 1.2.7: CVE-2026-41579 (an image whose /dev is a link writes a little to the"
            " host), fixed upstream in 1.3.6, 1.4.3 and 1.5.0-rc.3; update it (not for"
            " sandboxes' sake: it needs an image of the attacker's)"
        )

    def test_a_mended_one_is_said_to_be(self) -> None:
        told = "\n".join(lines(find([DEBIANS], named)))

        assert (
            "runc 1.1.5+ds1-1+deb12u1: CVE-2024-21626 (a leaked descriptor leads to the host's"
            " files), fixed upstream in 1.1.12; the changelog of this host's package names it"
            " as mended" in told
        )

    def test_where_nobody_knows_it_is_said_where_to_look(self) -> None:
        told = "\n".join(lines(find([DEBIANS], unreadable)))

        assert "your distribution may have mended them" in told
        assert "apt-get changelog runc" in told

    @pytest.mark.anyio
    async def test_the_log_has_what_is_open_as_a_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)

        await tell(EngineWith(UPSTREAMS, OLD_ENGINE))

        warnings = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
        assert "sandboxes are made by runc 1.1.5, docker 20.10.24" in caplog.text
        assert all("runc 1.1.5" in entry.message for entry in warnings)
        assert any("CVE-2025-31133" in entry.message for entry in warnings)

    @pytest.mark.anyio
    async def test_of_what_is_up_to_date_there_is_no_warning(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO)

        await tell(EngineWith(MENDED))

        assert [entry.levelname for entry in caplog.records] == ["INFO"]


class TestStrict:
    @pytest.mark.anyio
    async def test_a_host_with_an_open_hole_is_refused_in_one_line(self) -> None:
        with pytest.raises(
            KnownEscapeError, match=r"SANDBOX_STRICT.*CVE-2025-31133"
        ) as refused:
            await refuse(EngineWith(UPSTREAMS))

        assert "\n" not in str(refused.value)

    @pytest.mark.anyio
    async def test_one_whose_holes_are_mended_passes(self) -> None:
        await refuse(EngineWith(MENDED))

    def test_one_that_may_be_mended_does_not(self) -> None:
        assert "may have mended" in refusal(find([DEBIANS], unreadable))

    def test_what_needs_something_that_executors_never_do_is_no_reason(self) -> None:
        found = find([OLD_ENGINE])

        assert "CVE-2026-41567" in {finding.escape.cve for finding in found}
        assert refusal(found) == ""

    @pytest.mark.anyio
    async def test_one_that_cannot_be_asked_does_not_pass(self) -> None:
        engine = EngineWith(MENDED)
        engine.fault = SandboxUnavailableError("nobody listens")

        with pytest.raises(KnownEscapeError, match=r"cannot be checked.*nobody listens"):
            await refuse(engine)


class TestRuntimes:
    def test_one_is_asked_for_its_version(self, tmp_path: Path) -> None:
        runtime = stand_in(tmp_path, "runc version 1.0.0-rc94\ncommit: 1.0.0-ubuntu1\nspec: 1")

        assert runtime_part(str(runtime)) == Part(
            name="runc", version="1.0.0-rc94", build="1.0.0-ubuntu1"
        )

    def test_one_that_says_something_else_cannot_be_asked(self, tmp_path: Path) -> None:
        with pytest.raises(SandboxUnavailableError, match="does not say its version"):
            runtime_part(str(stand_in(tmp_path, "hello")))

    def test_one_that_is_not_there_cannot_be_asked(self, tmp_path: Path) -> None:
        with pytest.raises(SandboxUnavailableError, match="no-such-runtime"):
            runtime_part(str(tmp_path / "no-such-runtime"))


def stand_in(folder: Path, said: str) -> Path:
    """Return a program that says `said`, whatever it is asked."""
    program = folder / "runc"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{said}\nEND\n", encoding="utf-8")
    program.chmod(0o755)
    return program
