"""What an executor is told by its environment."""

import os
import socket
from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, model_validator

from storage.settings import StorageSettings

MIB = 1024 * 1024


class ExecutorSettings(StorageSettings):
    """Every variable that an executor reads; upper case in the environment."""

    broker_url: SecretStr = SecretStr("redis://127.0.0.1:6379/0")
    result_backend_url: SecretStr | None = None
    """Redis or Valkey; `broker_url` where that is one."""

    sandbox_image: str = Field(default="code-sandbox:latest", min_length=1)
    sandbox_runtime: str = Field(default="runc", min_length=1)
    """OCI runtime, as the engine knows it."""
    sandbox_pool_size: int = Field(default=2, ge=0, le=200)
    """Sandboxes that wait, preloaded. Each costs about 90 MB; 0 makes every run a cold one."""
    executor_concurrency: int = Field(default_factory=lambda: 2 * (os.cpu_count() or 1), ge=1)
    """Programs that run at once."""

    code_exec_timeout: float = Field(default=120, gt=0, le=3600)
    """Longest run of a program, seconds."""
    cpu_limit: float = Field(default=0.5, ge=0.01, le=1024)
    """Processors per sandbox, on average over one second. The kernel takes no less than a
    thousandth; nothing starts in useful time with less than a hundredth."""
    memory_limit: int = Field(default=256 * MIB, ge=32 * MIB)
    """Bytes for the programs of a sandbox; the workspace's size is added to it."""
    workspace_size_limit: int = Field(default=104_857_600, ge=MIB)
    """Bytes of `/mnt/data`."""
    output_max_bytes: int = Field(default=65_536, ge=1024)
    """Most bytes of stdout, and of stderr. LibreChat assumes 64 KiB (contract 6.1)."""

    shared_assets_path: Path = Path(__file__).resolve().parent.parent / "shared_assets"
    """Folder that sandboxes see, read-only, at `/mnt/shared`."""
    cleanup_interval_minutes: float = Field(default=60, gt=0, le=10_080)
    """How often leftovers are looked for."""
    code_executor_id: str = Field(
        default_factory=socket.gethostname, pattern=r"^[A-Za-z0-9_.-]{1,64}$"
    )
    """Names this executor across restarts, so that it knows its leftovers. Two executors
    that share one engine need different ones."""
    log_level: str = Field(default="INFO", pattern=r"^(DEBUG|INFO|WARNING|ERROR)$")

    @model_validator(mode="after")
    def _results_have_a_place(self) -> Self:
        if not self.result_url.startswith(("redis://", "rediss://", "unix://")):
            raise ValueError(
                "RESULT_BACKEND_URL: must be the redis:// URL of a Redis or Valkey server;"
                " it is needed where BROKER_URL is not one"
            )
        return self

    @property
    def result_url(self) -> str:
        """Where results and heartbeats go."""
        return (self.result_backend_url or self.broker_url).get_secret_value()
