"""The policy in the words of the OCI runtime specification (`config.json`, version 1.0.2)."""

from dataclasses import dataclass
from pathlib import Path
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

PROGRAM_UID = 1000
"""What programs see. On the host it is a uid that nothing else has."""

IDS_PER_SANDBOX = 2
"""Of the user namespace: root, which sets the sandbox up and which nobody is afterwards, and
the program's."""

_MOST_PTYS = "max=16"
"""The kernel counts those of all containers together, 3,072 as hosts come: one program took
them all, and no neighbour had any. Docker's own mount has no such option."""

_NAMESPACES = ("cgroup", "ipc", "mount", "network", "pid", "user", "uts")


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedImage:
    """An image as a folder, and what of its configuration matters here."""

    root: Path
    entrypoint: tuple[str, ...]
    environment: tuple[str, ...]
    """As `NAME=value`."""


def bundle(
    policy: SandboxPolicy,
    image: UnpackedImage,
    *,
    first_uid: int,
    assets: Path | None,
    cgroup: str,
) -> dict[str, Any]:
    """Return the configuration of one sandbox. No value in it comes from a request.

    Args:
        policy: The same that Docker's options are made from.
        image: Whose root it has, read-only.
        first_uid: On the host; the sandbox has this and the next one for itself.
        assets: Folder that programs see at `/mnt/shared`.
        cgroup: Path below the root of each hierarchy.
    """
    ids = [
        {"containerID": 0, "hostID": first_uid, "size": 1},
        {"containerID": PROGRAM_UID, "hostID": first_uid + 1, "size": 1},
    ]
    return {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": PROGRAM_UID, "gid": PROGRAM_UID},
            "args": list(image.entrypoint),
            "env": [*image.environment, f"HOSTNAME={HOSTNAME}"],
            "cwd": WORKSPACE,
            "capabilities": {},
            "noNewPrivileges": True,
            "rlimits": [
                {"type": f"RLIMIT_{name}", "soft": most, "hard": most}
                for name, most in policy.process_limits().items()
            ],
            "oomScoreAdj": OOM_SCORE,
        },
        "root": {"path": str(image.root), "readonly": True},
        "hostname": HOSTNAME,
        "mounts": _mounts(policy, assets),
        "linux": {
            "namespaces": [{"type": kind} for kind in _NAMESPACES],
            "uidMappings": ids,
            "gidMappings": ids,
            "cgroupsPath": cgroup,
            "resources": _resources(policy),
            "seccomp": policy.seccomp(),
            "maskedPaths": list(masked_paths()),
            "readonlyPaths": list(READONLY_PATHS),
        },
    }


def _resources(policy: SandboxPolicy) -> dict[str, Any]:
    return {
        # All but null, zero, random and the like, which the runtime allows by itself.
        "devices": [{"allow": False, "access": "rwm"}],
        "memory": {"limit": policy.memory_bytes, "swap": policy.memory_bytes},
        "cpu": {"quota": policy.cpu_quota_us, "period": CPU_PERIOD_US},
        "pids": {"limit": policy.tasks},
    }


def _mounts(policy: SandboxPolicy, assets: Path | None) -> list[dict[str, Any]]:
    inert = ["nosuid", "noexec", "nodev"]
    mounts = [
        _mount("/proc", "proc", *inert),
        _mount("/dev", "tmpfs", "nosuid", "noexec", "strictatime", "mode=755", "size=65536k"),
        _mount(
            *("/dev/pts", "devpts", "nosuid", "noexec", "newinstance", "ptmxmode=0666"),
            _MOST_PTYS,
        ),
        _mount("/dev/shm", "tmpfs", *inert, "mode=1777", f"size={SHM_BYTES}"),  # noqa: S108 - the sandbox's own
        _mount("/sys", "sysfs", *inert, "ro"),
        # Java and others size themselves by it; the supervisor reads what the kernel killed.
        _mount("/sys/fs/cgroup", "cgroup", *inert, "ro"),
        *(
            _mount(target, "tmpfs", *options.split(","))
            for target, options in policy.tmpfs_mounts(PROGRAM_UID).items()
        ),
    ]
    if assets is not None:
        shared = _mount(SHARED, "bind", "bind", "ro", *inert)
        mounts.append(shared | {"source": str(assets)})
    return mounts


def _mount(target: str, kind: str, *options: str) -> dict[str, Any]:
    return {"destination": target, "type": kind, "source": kind, "options": list(options)}
