"""Which of a machine's registry settings a build gets, and what happens to them."""

from pathlib import Path

import pytest

from infra.local.image_secrets import MAX_SECRET_BYTES, build_secrets, collect
from infra.local.image_settings import (
    apt_configuration,
    apt_sources,
    certificates,
    debian_mirrors,
    parse_pip_settings,
    pip_configuration,
    read_pip_settings,
)

MIRROR = "https://mirror.example/debian"


def _quiet(_line: str) -> None:
    pass


def test_pips_environment_has_the_last_word_over_its_files() -> None:
    listing = (
        ":env:.index-url='https://env.example/simple'\nglobal.index-url='https://file.example'"
    )
    assert parse_pip_settings(listing) == {"index-url": "https://env.example/simple"}


def test_what_is_no_setting_in_pips_listing_is_passed_over() -> None:
    listing = (
        "WARNING: something\nglobal.timeout='60'\nfreeze.user='true'\nglobal.proxy=unquoted"
    )
    assert parse_pip_settings(listing) == {"timeout": "60"}


def test_a_pip_conf_has_what_reaches_a_registry() -> None:
    settings = {
        "index-url": "https://someone:key@mirror.example/simple",
        "extra-index-url": "https://a.example/simple https://b.example/simple",
        "trusted-host": "a.example\nb.example",
        "proxy": "http://proxy.example:3128",
        "default-timeout": "180",
        "retries": "9",
    }
    assert pip_configuration(settings) == (
        "[global]\n"
        "timeout = 180\n"
        "extra-index-url = https://a.example/simple\n    https://b.example/simple\n"
        "index-url = https://someone:key@mirror.example/simple\n"
        "proxy = http://proxy.example:3128\n"
        "retries = 9\n"
        "trusted-host = a.example\n    b.example\n"
    )


def test_what_names_files_of_this_machine_stays_out_of_a_pip_conf() -> None:
    settings = {
        "cert": "/etc/ssl/certs/ca-certificates.crt",
        "client-cert": "/root/me.pem",
        "constraint": "/etc/pip/constraints.txt",
        "find-links": "/opt/wheels",
        "cache-dir": "/var/cache/pip",
        "index-url": "file:///opt/simple",
        "extra-index-url": "file:///opt/more /opt/even-more https://a.example/simple",
    }
    assert (
        pip_configuration(settings) == "[global]\nextra-index-url = https://a.example/simple\n"
    )


def test_without_usable_settings_there_is_no_pip_conf() -> None:
    assert pip_configuration({"find-links": "/opt/wheels", "index-url": "file:///opt"}) == ""


def test_pips_variables_count_on_a_machine_without_pip(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.executable", str(tmp_path / "no-python"))
    monkeypatch.setenv("PATH", str(tmp_path))
    assert read_pip_settings({"PIP_INDEX_URL": "https://a.example", "HOME": "/"}) == {
        "index-url": "https://a.example"
    }


def test_apts_proxies_and_patience_are_kept_and_its_paths_are_not() -> None:
    dump = (
        'Acquire::http::Proxy "http://proxy.example:3142";\n'
        'Acquire::https::Proxy::mirror.example "DIRECT";\n'
        'Acquire::http::Proxy "";\n'
        'Acquire::Retries "5";\n'
        'Acquire::Check-Valid-Until "false";\n'
        'Acquire::https::CAInfo "/root/ours.pem";\n'
        'Acquire::http::Proxy-Auto-Detect "/usr/local/bin/find-proxy";\n'
        'Dir::Etc::SourceList "/srv/sources.list";\n'
        'DPkg::Post-Invoke:: "rm -f /var/cache/apt/archives/*.deb || true";\n'
    )
    assert apt_configuration(dump) == (
        'Acquire::http::Proxy "http://proxy.example:3142";\n'
        'Acquire::https::Proxy::mirror.example "DIRECT";\n'
        'Acquire::Retries "5";\n'
        'Acquire::Check-Valid-Until "false";\n'
    )


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "a.sources",
            (
                f"# ours\nTypes: deb deb-src\nURIs: {MIRROR}\nSuites: trixie trixie-updates\n"
                "Components: main\n\nTypes: deb\nURIs: https://fixes.example/\n"
                "Suites: bookworm-security\n"
            ),
        ),
        (
            "sources.list",
            (
                f"# deb https://old.example sid main\ndeb [arch=amd64] {MIRROR} bookworm main\n"
                "deb https://fixes.example/ bookworm-security main\n"
            ),
        ),
    ],
)
def test_a_debian_machines_mirrors_serve_the_images_release(name: str, text: str) -> None:
    assert apt_sources(debian_mirrors([(name, text)]), release="trixie") == (
        f"deb {MIRROR} trixie main\n"
        f"deb {MIRROR} trixie-updates main\n"
        "deb https://fixes.example/ trixie-security main\n"
    )


@pytest.mark.parametrize(
    "text",
    [
        "deb https://mirror.example/ubuntu noble main",
        "deb cdrom:[Debian]/ bookworm main",
        "deb file:///srv/mirror bookworm main",
        "deb https://docker.example/debian nodistro stable",
        "deb-src https://mirror.example/debian bookworm main",
    ],
)
def test_other_sources_are_no_mirror_of_debian(text: str) -> None:
    assert apt_sources(debian_mirrors([("a.list", text)]), release="trixie") == ""


def test_a_disabled_source_is_no_mirror() -> None:
    text = f"Types: deb\nURIs: {MIRROR}\nSuites: bookworm\nEnabled: no\n"
    assert debian_mirrors([("a.sources", text)]) == {}


def test_certificates_come_from_the_variables_then_pip_then_the_system(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("variable", "pip", "system")}
    for file in files.values():
        file.touch()
    variables = {"SSL_CERT_FILE": str(files["variable"]), "PIP_CERT": "/not/there"}
    pip, system = {"cert": str(files["pip"])}, [str(files["system"])]
    assert certificates(variables, pip, system) == files["variable"]
    assert certificates({}, pip, system) == files["pip"]
    assert certificates({}, {}, system) == files["system"]
    assert certificates({}, {}, []) is None


def test_secrets_are_private_files_and_gone_afterwards(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----")
    told: list[str] = []
    with build_secrets({"PIP_CERT": str(bundle)}, told.append, release="trixie") as options:
        files = [Path(option.partition("src=")[2]) for option in options if "src=" in option]
        assert {option[:3] for option in options[1::2]} == {"id="}
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in files)
        assert all(file.parent.stat().st_mode & 0o777 == 0o700 for file in files)
        assert [file.name for file in files].count("ca_bundle") == 1
    assert not any(file.exists() or file.parent.exists() for file in files)
    assert "ca_bundle" in told[0]
    assert "CERTIFICATE" not in told[0]


def test_secrets_are_gone_after_a_build_that_failed() -> None:
    files: list[Path] = []

    def build_that_fails() -> None:
        with build_secrets({"PIP_CERT": __file__}, _quiet, release="trixie") as options:
            files.extend(Path(word.partition("src=")[2]) for word in options if "src=" in word)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        build_that_fails()
    assert files
    assert not any(file.exists() for file in files)


def test_a_proxys_address_is_not_on_the_command_line() -> None:
    environment = {"HTTPS_PROXY": "http://someone:key@proxy.example", "no_proxy": "localhost"}
    with build_secrets(environment, _quiet, release="trixie") as options:
        assert [
            options[at + 1] for at, word in enumerate(options) if word == "--build-arg"
        ] == [
            "HTTPS_PROXY",
            "no_proxy",
        ]
        assert not any("key" in option for option in options)


def test_a_bundle_that_is_too_large_for_a_secret_is_left_out_and_said_so(
    tmp_path: Path,
) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_bytes(b"x" * (MAX_SECRET_BYTES + 1))
    told: list[str] = []
    secrets = collect({"PIP_CERT": str(bundle)}, told.append, release="trixie")
    assert "ca_bundle" not in secrets
    assert any("ca_bundle is left out" in line for line in told)
