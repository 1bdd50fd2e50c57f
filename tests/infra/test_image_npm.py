"""A build installs npm packages from where the building machine does."""

from pathlib import Path

from infra.local.image_npm import npm_configuration, npm_settings_files, read_npm_settings


def test_registry_proxy_and_credentials_are_handed_over(tmp_path: Path) -> None:
    file = tmp_path / ".npmrc"
    file.write_text(
        "# ours\n"
        "registry = https://npm.example.org/\n"
        "@team:registry=https://team.example.org/\n"
        "//npm.example.org/:_authToken=${TOKEN}\n"
        "https-proxy='http://proxy.example.org:3128'\n"
    )

    settings = read_npm_settings([file], {"TOKEN": "made-up"})

    assert npm_configuration(settings) == (
        "//npm.example.org/:_authToken=made-up\n"
        "@team:registry=https://team.example.org/\n"
        "https-proxy=http://proxy.example.org:3128\n"
        "registry=https://npm.example.org/\n"
    )


def test_what_is_about_the_machine_itself_is_left_out(tmp_path: Path) -> None:
    file = tmp_path / ".npmrc"
    file.write_text("cafile=/etc/ssl/own.pem\ncache=/var/cache/npm\nprefix=/opt\n; a comment\n")

    assert npm_configuration(read_npm_settings([file], {})) == ""


def test_the_environment_wins_over_the_users_file_and_that_over_the_machines(
    tmp_path: Path,
) -> None:
    machine, user = tmp_path / "machine", tmp_path / "user"
    machine.write_text("registry=https://one.example.org/\nproxy=http://one.example.org\n")
    user.write_text("registry=https://two.example.org/\nproxy=http://two.example.org\n")
    environment = {"NPM_CONFIG_REGISTRY": "https://three.example.org/"}

    assert npm_configuration(read_npm_settings([machine, user], environment)) == (
        "proxy=http://two.example.org\nregistry=https://three.example.org/\n"
    )


def test_the_users_file_is_where_npm_looks_for_it(tmp_path: Path) -> None:
    assert npm_settings_files({}, tmp_path)[-1] == tmp_path / ".npmrc"
    named = {"NPM_CONFIG_USERCONFIG": "/elsewhere/npmrc"}
    assert npm_settings_files(named, tmp_path)[-1] == Path("/elsewhere/npmrc")


def test_a_machine_without_npm_has_no_settings(tmp_path: Path) -> None:
    assert read_npm_settings([tmp_path / "none"], {"PATH": "/bin"}) == {}
