"""The building machine's registry settings as build secrets, for as long as a build runs."""

import contextlib
import tempfile
from collections.abc import Generator, Mapping
from pathlib import Path

from infra.local.image_docker import Report
from infra.local.image_npm import npm_configuration, npm_settings_files, read_npm_settings
from infra.local.image_settings import (
    apt_configuration,
    apt_sources,
    certificates,
    debian_mirrors,
    pip_configuration,
    read_apt_configuration,
    read_apt_sources,
    read_pip_settings,
)

MAX_SECRET_BYTES = 500 * 1024
"""BuildKit refuses a larger secret (`MaxSecretSize` in its `session/secrets`)."""

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "ALL_PROXY", "NO_PROXY")
"""Docker knows these arguments, and keeps them out of the image's history by itself."""


@contextlib.contextmanager
def build_secrets(
    environment: Mapping[str, str], report: Report, *, release: str
) -> Generator[list[str]]:
    """Yield the options of `docker build` that hand over this machine's settings.

    The files lie in a folder that only we can read, and are gone afterwards.

    Args:
        environment: Our environment variables.
        report: Told which settings are used, by kind: never their contents.
        release: The Debian release of the image.
    """
    with tempfile.TemporaryDirectory(prefix="code-command-build-") as folder:
        used: list[str] = []
        options: list[str] = []
        for name, content in collect(environment, report, release=release).items():
            path = Path(folder, name)
            path.touch(mode=0o600)
            path.write_bytes(content)
            options += ["--secret", f"id={name},src={path}"]
            used.append(name)
        for variable in (*PROXY_VARIABLES, *map(str.lower, PROXY_VARIABLES)):
            if environment.get(variable):
                # Without a value: the command takes it from its environment, where a list
                # of processes does not show it.
                options += ["--build-arg", variable]
                used.append(variable)
        if used:
            report(f"uses this machine's settings: {', '.join(used)}")
        yield options


def collect(
    environment: Mapping[str, str], report: Report, *, release: str
) -> dict[str, bytes]:
    """Return the secrets there are to hand over, by the names that the Dockerfile uses."""
    pip_settings = read_pip_settings(environment)
    npm_settings = read_npm_settings(npm_settings_files(environment, Path.home()), environment)
    secrets = {
        "npm_conf": npm_configuration(npm_settings).encode(),
        "pip_conf": pip_configuration(pip_settings).encode(),
        "apt_conf": apt_configuration(read_apt_configuration()).encode(),
        "apt_sources": apt_sources(
            debian_mirrors(read_apt_sources()), release=release
        ).encode(),
    }
    bundle = certificates(environment, pip_settings)
    if bundle is not None:
        secrets["ca_bundle"] = bundle.read_bytes()
    for name in [name for name, content in secrets.items() if len(content) > MAX_SECRET_BYTES]:
        report(f"{name} is left out: more than {MAX_SECRET_BYTES} bytes are no build secret")
        del secrets[name]
    return {name: content for name, content in secrets.items() if content}
