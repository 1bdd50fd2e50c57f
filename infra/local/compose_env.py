"""`init`: what `infra/compose.yaml` has no default for, made once."""

from pathlib import Path

from infra.local.config import CHECKOUT
from infra.local.console import Console
from infra.local.credentials import random_key
from infra.local.dotenv import read_dotenv
from infra.local.work_dir import write_private

COMPOSE_ENV = CHECKOUT / "infra" / ".env"
DOCKER_SOCKET = Path("/var/run/docker.sock")

SECRETS = ("CODE_API_KEY", "S3_ACCESS_KEY_ID", "S3_SECRET_ACCESS_KEY", "BROKER_PASSWORD")
"""The access key's name is one of them: to the last MinIO image it is enough to know the name
(CVE-2026-40344)."""

OBJECT_STORE = "minio"
"""The profile of compose.yaml that holds the object store, unless the file names another."""

_HEAD = """\
# Made by `./code-command init` for infra/compose.yaml. Keep it secret, and keep it: the
# volumes know these values. `.env.example` lists what else can be set here.
"""


def init(
    console: Console, path: Path = COMPOSE_ENV, *, docker_socket: Path = DOCKER_SOCKET
) -> int:
    """Write the file, or add what one made by an earlier version lacks.

    What is in it stays as it is: other values would not open the volumes any more.

    Raises:
        BadSettingError: There is such a file, and it cannot be understood.
    """
    present = read_dotenv(path)
    wanted = dict.fromkeys(SECRETS, "") | {"COMPOSE_PROFILES": OBJECT_STORE}
    if docker_socket.exists():
        # Whoever is in the socket's group may use the engine, without being root.
        wanted["DOCKER_GID"] = str(docker_socket.stat().st_gid)
    missing = {name: value for name, value in wanted.items() if not present.get(name)}
    if missing:
        text = path.read_text(encoding="utf-8") if path.exists() else _HEAD
        if not text.endswith("\n"):
            text += "\n"
        lines = (f"{name}={value or random_key()}\n" for name, value in missing.items())
        write_private(path, text + "".join(lines))
        console.done(f"{path}: made {', '.join(missing)}")
    else:
        path.chmod(0o600)
        console.done(f"{path} is complete and was left as it is")
    if "DOCKER_GID" not in present | missing:
        console.say(
            f"there is no {docker_socket} here: set DOCKER_GID in the file to the group of "
            "the socket, or run this again where the Docker engine runs"
        )
    console.plain(
        "Next:\n  ./code-command build --service    # the images, unless they are there"
    )
    console.plain("  docker compose -f infra/compose.yaml up --wait")
    return 0
