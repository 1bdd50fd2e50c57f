"""The policy in the words of the Engine API (`POST /containers/create`)."""

import json
import secrets
from typing import Any

from executor.policy import (
    CPU_PERIOD_US,
    HOSTNAME,
    OOM_SCORE,
    READONLY_PATHS,
    SHARED,
    SHM_BYTES,
    WORKSPACE,
    SandboxPolicy,
    masked_paths,
)

ROLE_LABEL = "com.code-command.role"
OWNER_LABEL = "com.code-command.owner"
SANDBOX_ROLE = "sandbox"
ASSETS_ROLE = "shared-assets"
NOBODY = 65_534


def container_name() -> str:
    """Return a name that no other container has, and that says whose it is."""
    return f"code-command-{secrets.token_hex(8)}"


def owner_filter(owner: str) -> list[str]:
    """Return the label filter that finds everything of one executor."""
    return [f"{OWNER_LABEL}={owner}"]


def container_spec(
    policy: SandboxPolicy, *, uid: int, owner: str, shared_volume: str | None
) -> dict[str, Any]:
    """Return the body of the call that creates one sandbox.

    No value in it comes from a request: neither names, nor the working directory
    (CVE-2024-21626), nor the environment.
    """
    return {
        "Image": policy.image,
        "User": f"{uid}:{uid}",
        "Hostname": HOSTNAME,
        "WorkingDir": WORKSPACE,
        "Tty": False,
        "OpenStdin": True,
        # When the executor dies the engine closes the supervisor's input, and it ends.
        "StdinOnce": True,
        "AttachStdin": True,
        "AttachStdout": True,
        "AttachStderr": False,
        "NetworkDisabled": True,
        "Labels": {ROLE_LABEL: SANDBOX_ROLE, OWNER_LABEL: owner},
        "HostConfig": _host_config(policy, uid, shared_volume),
    }


def filler_spec(*, image: str, owner: str, volume: str) -> dict[str, Any]:
    """Return the body of the call that creates the container through which a volume is filled.

    It is never started, and could do nothing if it were.
    """
    mount = {
        "Type": "volume",
        "Source": volume,
        "Target": SHARED,
        "ReadOnly": False,
        # Without this the engine would put there what the image has at the target.
        "VolumeOptions": {"NoCopy": True},
    }
    return {
        "Image": image,
        "User": f"{NOBODY}:{NOBODY}",
        "Labels": {ROLE_LABEL: ASSETS_ROLE, OWNER_LABEL: owner},
        "NetworkDisabled": True,
        "HostConfig": {
            "NetworkMode": "none",
            "CapDrop": ["ALL"],
            "SecurityOpt": ["no-new-privileges"],
            "Mounts": [mount],
        },
    }


def _host_config(policy: SandboxPolicy, uid: int, shared_volume: str | None) -> dict[str, Any]:
    return {
        "Runtime": policy.runtime,
        "NetworkMode": "none",
        "IpcMode": "private",
        # Else `/proc/self/cgroup` tells the container's id, where cgroups are version 1.
        "CgroupnsMode": "private",
        "ReadonlyRootfs": True,
        "CapDrop": ["ALL"],
        "Privileged": False,
        "SecurityOpt": ["no-new-privileges", f"seccomp={json.dumps(policy.seccomp())}"],
        "Memory": policy.memory_bytes,
        "MemorySwap": policy.memory_bytes,
        "CpuPeriod": CPU_PERIOD_US,
        "CpuQuota": policy.cpu_quota_us,
        "PidsLimit": policy.tasks,
        "Ulimits": [
            {"Name": name.lower(), "Soft": most, "Hard": most}
            for name, most in policy.process_limits().items()
        ],
        "OomScoreAdj": OOM_SCORE,
        # These replace the engine's own lists, which are shorter.
        "MaskedPaths": list(masked_paths()),
        "ReadonlyPaths": list(READONLY_PATHS),
        "ShmSize": SHM_BYTES,
        "Tmpfs": policy.tmpfs_mounts(uid),
        "Mounts": _mounts(shared_volume),
        # Output goes over the attached connection alone: a program that prints 10 GB must
        # not fill the host's disk through a log file.
        "LogConfig": {"Type": "none", "Config": {}},
        "RestartPolicy": {"Name": "no"},
    }


def _mounts(shared_volume: str | None) -> list[dict[str, Any]]:
    if shared_volume is None:
        return []
    volume = {"Type": "volume", "Source": shared_volume, "Target": SHARED, "ReadOnly": True}
    # Without NoCopy the engine would copy what the image has at the target.
    return [volume | {"VolumeOptions": {"NoCopy": True}}]
