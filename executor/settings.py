"""What an executor is told by its environment."""

import os
import re
import socket
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from executor.host_memory import total_memory
from executor.left_behind import StateTerms
from executor.redis_connection import REDIS_SCHEMES, require_places
from sandbox.supervisor.languages import LANGUAGES
from storage.settings import StorageSettings
from telemetry.logs import LogFormat, LogLevel

MIB = 1024 * 1024

_LARGE_LANGUAGES = sorted(known.name for known in LANGUAGES.values() if known.compiles_large)


_WORD = re.compile(r"[\w.+-]{1,64}")


def listed(text: str) -> tuple[str, ...]:
    """Return the items of a comma list, in lower case and without what surrounds them."""
    return tuple(item.strip().lower() for item in text.split(",") if item.strip())


class S3Place(NamedTuple):
    """A folder of a bucket."""

    bucket: str
    prefix: str
    """Empty, or with a `/` at its end."""


class ExecutorSettings(StorageSettings):
    """Every variable that an executor reads; upper case in the environment."""

    broker_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    result_backend_url: SecretStr | None = None
    """Redis or Valkey; `broker_url` where that is one."""

    sandbox_image: str = Field(default="code-sandbox:latest", min_length=1)
    sandbox_engine: Literal["docker", "oci"] = "docker"
    """What makes sandboxes: a Docker engine, or the OCI runtime directly, which takes less
    of the machine but needs root on this host."""
    sandbox_images_dir: Path = Path("/var/lib/code-command/images")
    """Where `oci` keeps images unpacked. Every user must be able to enter the folders above."""
    sandbox_runtime: str = Field(default="runc", min_length=1)
    """OCI runtime, as the engine knows it."""
    sandbox_strict: bool = False
    """Whether a host whose engine or runtime has known escapes is refused
    (`executor.boot_check`)."""
    sandbox_pool_size: int = Field(default=2, ge=0, le=200)
    """Sandboxes that wait, preloaded: 130 to 160 MB each. 0 makes every run a cold one."""
    sandbox_pool_max: int = Field(default=8, ge=0, le=200)
    """How many may wait where many programs come; see `most_waiting_sandboxes`."""

    programmatic_max_waiting: int = Field(default=24, ge=1, le=1000)
    """Programs that may wait for their tools, each with its sandbox; the one that has waited
    longest makes room for another. They need no processor, but the memory that they have."""
    programmatic_max_waiting_per_tenant: int = Field(default=12, ge=1, le=1000)
    """Of those, how many of one tenant's."""

    code_exec_timeout: float = Field(default=120, gt=0, le=3600)
    """Longest run of a program, seconds."""
    cpu_limit: float = Field(default=0.5, ge=0.01, le=1024)
    """Processors per sandbox, on average over one second. The kernel takes no less than a
    thousandth; nothing starts in useful time with less than a hundredth."""
    memory_limit: int = Field(default=256 * MIB, ge=32 * MIB)
    """Bytes for the programs of a sandbox; the workspace's size is added to it."""
    memory_limit_large: int = Field(default=1024 * MIB, ge=32 * MIB)
    """The same for runs of the memory class `large`; see `large_memory_bytes`."""
    large_memory_for: str = ",".join((*_LARGE_LANGUAGES, "soffice", "libreoffice"))
    """Runs that are large unless the caller's key or plan says otherwise: languages, by their
    canonical names, and words that the program or an input's name has. Measured: compiling
    C++ with <bits/stdc++.h> and <regex> takes 414 MiB and D with `import std` 324, which with
    256 MB do not end before their time; a LibreOffice with a small document takes 229."""
    workspace_size_limit: int = Field(default=104_857_600, ge=MIB)
    """Bytes of `/mnt/data`."""
    executor_concurrency: int | None = Field(default=None, ge=1)
    """Programs that run at once; see `runs_at_once`."""
    executor_min_free_memory: int = Field(default=256 * MIB, ge=0)
    """With less, in bytes, the host takes no new runs. 0: it always does."""
    executor_min_free_disk: int = Field(default=1024 * MIB, ge=0)
    """Likewise, on the disk of the engine."""
    executor_shutdown_grace: float = Field(default=8, ge=0, le=3600)
    """Seconds that runs have to end once the executor was told to; then they are handed back,
    and run elsewhere."""
    state_size_limit: int = Field(default=104_857_600, ge=MIB)
    """Most bytes of a workspace that is kept from one run to the next."""
    state_persistence: Literal["files", "python"] = "files"
    """What is kept of it: files alone, or Python programs' variables too."""
    output_max_bytes: int = Field(default=65_536, ge=1024)
    """Most bytes of stdout, and of stderr. LibreChat assumes 64 KiB (contract 6.1)."""

    max_output_files: int = Field(default=50, ge=1, le=255)
    """Most files that a run ends with. A client sends them all back as inputs, of which there
    may be 256 with the program (librechat-contract 2.2)."""
    output_extensions: str | None = None
    """Extensions of the files that are kept, such as `csv,png,Dockerfile`; `None` keeps every
    regular file. Of dot files and names without an extension, the whole base name."""

    shared_assets_path: Path = Path(__file__).resolve().parent.parent / "shared_assets"
    """Folder that sandboxes see, read-only, at `/mnt/shared`; or `s3://bucket/prefix`."""
    cleanup_interval_minutes: float = Field(default=60, gt=0, le=10_080)
    """How often leftovers are looked for."""
    code_executor_id: str = Field(
        default_factory=socket.gethostname,
        pattern=r"^[A-Za-z0-9_.-]{1,64}$",
        examples=["host-1"],
    )
    """Names this executor across restarts, so that it knows its leftovers. Two executors
    that share one engine need different ones."""
    otel_exporter_otlp_endpoint: str | None = Field(
        default=None, pattern=r"^https?://\S+$", examples=["http://collector:4318"]
    )
    """Where traces go, as OTLP over HTTP; the name is OpenTelemetry's own."""
    log_format: LogFormat = "auto"
    """JSON or text; `auto`: text on a terminal."""
    log_level: LogLevel = "INFO"

    @field_validator("large_memory_for", "output_extensions")
    @classmethod
    def _lists_are_lists(cls, value: str | None) -> str | None:
        for item in listed(value or ""):
            if not _WORD.fullmatch(item):
                raise ValueError(f"{item!r} is no word of letters, digits, `_`, `.`, `+`, `-`")
        return value

    @model_validator(mode="after")
    def _large_is_not_small(self) -> Self:
        if (
            "memory_limit_large" in self.model_fields_set
            and self.memory_limit_large < self.memory_limit
        ):
            raise ValueError(
                f"MEMORY_LIMIT_LARGE: {self.memory_limit_large} is less than MEMORY_LIMIT,"
                f" {self.memory_limit}; a large run may not have less than the others"
            )
        return self

    @model_validator(mode="after")
    def _pool_has_room_for_its_size(self) -> Self:
        if (
            "sandbox_pool_max" in self.model_fields_set
            and self.sandbox_pool_max < self.sandbox_pool_size
        ):
            raise ValueError(
                f"SANDBOX_POOL_MAX: {self.sandbox_pool_max} is less than SANDBOX_POOL_SIZE,"
                f" {self.sandbox_pool_size}; so many are to wait always"
            )
        return self

    @model_validator(mode="after")
    def _results_have_a_place(self) -> Self:
        require_places(self.broker_url.get_secret_value(), self.result_url)
        return self

    @property
    def large_memory_bytes(self) -> int:
        """Bytes for the programs of a large run: never less than the others have.

        An operator who raises `MEMORY_LIMIT` alone above the other's default means all runs.
        """
        return max(self.memory_limit_large, self.memory_limit)

    @property
    def runs_at_once(self) -> int:
        """How many programs run at once: as many as the operator says, else as the host bears.

        Twice the processors: half of the programs wait for something. Fewer where they could
        not all have the memory of their limits.
        """
        if self.executor_concurrency is not None:
            return self.executor_concurrency
        by_processors = 2 * (os.cpu_count() or 1)
        memory_bytes = total_memory()
        if memory_bytes is None:
            return by_processors
        by_memory = memory_bytes // (self.memory_limit + self.workspace_size_limit)
        return max(1, min(by_processors, by_memory))

    @property
    def spare_runs(self) -> int:
        """How many more may run, each the only one of its tenant (`RunRequest.is_spare`).

        An eighth more, and one at least: so much must the memory bear beyond `runs_at_once`.
        """
        return max(1, self.runs_at_once // 8)

    @property
    def most_waiting_sandboxes(self) -> int:
        """How large the pool may become: never smaller than it always is.

        An operator who raises `SANDBOX_POOL_SIZE` alone above the other's default means that.
        """
        return max(self.sandbox_pool_max, self.sandbox_pool_size)

    @property
    def state_terms(self) -> StateTerms:
        """How workspaces are kept, where a run asks for it."""
        return StateTerms(
            max_bytes=self.state_size_limit, variables=self.state_persistence == "python"
        )

    @property
    def shared_assets_in_s3(self) -> S3Place | None:
        """Where the shared files are if they are in a bucket."""
        # A path, as which it was read, has but one slash in `s3://`.
        scheme, *parts = self.shared_assets_path.parts
        if scheme != "s3:":
            return None
        bucket = parts[0] if parts else ""
        return S3Place(bucket, "".join(f"{part}/" for part in parts[1:]))

    @property
    def kept_extensions(self) -> tuple[str, ...]:
        """`output_extensions` as `RunLimits` has them."""
        return tuple(item.lstrip(".") for item in listed(self.output_extensions or ""))

    @property
    def result_url(self) -> str:
        """Where results and heartbeats go."""
        return (self.result_backend_url or self.broker_url).get_secret_value()

    @property
    def clock_url(self) -> str:
        """The Redis whose clock counts: the broker, where it is one, as it is the API's."""
        broker_url = self.broker_url.get_secret_value()
        return broker_url if broker_url.startswith(REDIS_SCHEMES) else self.result_url
