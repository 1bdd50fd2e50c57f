"""Every option that isolates a container is in the call that creates it."""

import dataclasses
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from executor.docker_spec import container_spec, owner_filter
from executor.policy import MAX_INODES, SandboxPolicy
from executor.settings import MIB, ExecutorSettings

UID = 234_567
POLICY = SandboxPolicy(
    image="code-sandbox:latest",
    runtime="runc",
    cpus=0.5,
    memory_bytes=356 * MIB,
    workspace_bytes=100 * MIB,
)


def spec(policy: SandboxPolicy = POLICY, volume: str | None = "assets") -> dict[str, Any]:
    return container_spec(policy, uid=UID, owner="me", shared_volume=volume)


def host_config(policy: SandboxPolicy = POLICY, volume: str | None = "assets") -> Any:
    return spec(policy, volume)["HostConfig"]


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("ReadonlyRootfs", True),
        ("CapDrop", ["ALL"]),
        ("Privileged", False),
        ("NetworkMode", "none"),
        ("IpcMode", "private"),
        ("CgroupnsMode", "private"),
        ("OomScoreAdj", 500),
        ("PidsLimit", 50),
        ("Memory", 356 * MIB),
        ("MemorySwap", 356 * MIB),  # Equal to memory: no swap on top.
        ("CpuPeriod", 1_000_000),
        ("CpuQuota", 500_000),
        ("LogConfig", {"Type": "none", "Config": {}}),
        ("RestartPolicy", {"Name": "no"}),
        ("Runtime", "runc"),
    ],
)
def test_the_host_is_protected_by(option: str, value: object) -> None:
    assert host_config()[option] == value


def test_gvisors_own_threads_do_not_count_as_the_programs() -> None:
    """With 50 no sandbox of gVisor's lived until its first program."""
    assert host_config(replace(POLICY, runtime="runsc"))["PidsLimit"] == 500


def test_privileges_cannot_be_gained() -> None:
    options = host_config()["SecurityOpt"]

    assert "no-new-privileges" in options
    assert not any("unconfined" in option for option in options)


def test_nothing_of_the_host_is_shared() -> None:
    given = host_config().keys()
    assert not {"CapAdd", "Devices", "DeviceRequests", "Binds", "VolumesFrom"} & given
    for option in ("PidMode", "UTSMode", "UsernsMode", "CgroupnsMode"):
        assert host_config().get(option) != "host"


def test_the_masks_are_at_least_the_engines_own() -> None:
    """They replace Docker's defaults (`daemon/pkg/oci/defaults.go`), these of version 29."""
    assert set(host_config()["MaskedPaths"]) >= {
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/proc/timer_stats",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
        *map(str, Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle")),
    }
    assert set(host_config()["ReadonlyPaths"]) >= {
        "/proc/bus",
        "/proc/fs",
        "/proc/irq",
        "/proc/sys",
        "/proc/sysrq-trigger",
    }


@pytest.mark.parametrize(
    ("workspace_bytes", "file_bytes"), [(100 * MIB, 100 * MIB), (MIB, 64 * MIB)]
)
def test_each_process_has_limits_that_it_cannot_raise(
    workspace_bytes: int, file_bytes: int
) -> None:
    """Go's programs are built and `/tmp` is filled whatever the workspace's size."""
    policy = dataclasses.replace(POLICY, workspace_bytes=workspace_bytes)

    assert host_config(policy)["Ulimits"] == [
        {"Name": "core", "Soft": 0, "Hard": 0},
        {"Name": "fsize", "Soft": file_bytes, "Hard": file_bytes},
        {"Name": "nofile", "Soft": 2048, "Hard": 2048},
    ]


def test_there_is_no_network() -> None:
    assert spec()["NetworkDisabled"] is True
    assert not {"ExposedPorts", "NetworkingConfig"} & spec().keys()


def test_it_runs_under_the_given_uid() -> None:
    assert spec()["User"] == f"{UID}:{UID}"


@pytest.mark.parametrize(
    ("target", "size_bytes", "execution"),
    [
        ("/mnt/data", 100 * MIB, "exec"),
        ("/run/build", 64 * MIB, "exec"),
        ("/tmp", 64 * MIB, "noexec"),
    ],
)
def test_what_can_be_written_is_bounded_and_knows_no_devices_or_setuid(
    target: str, size_bytes: int, execution: str
) -> None:
    options = host_config()["Tmpfs"][target].split(",")

    assert {"nosuid", "nodev", execution, f"size={size_bytes}"} <= set(options)
    assert {f"uid={UID}", f"gid={UID}", f"nr_inodes={MAX_INODES}"} <= set(options)


def test_nothing_else_can_be_written() -> None:
    assert set(host_config()["Tmpfs"]) == {"/mnt/data", "/run/build", "/tmp"}
    assert all(mount["ReadOnly"] for mount in host_config()["Mounts"])


def test_shared_assets_are_a_volume_and_not_a_path_of_the_host() -> None:
    (mount,) = host_config(volume="assets")["Mounts"]

    assert (mount["Type"], mount["Source"], mount["Target"]) == (
        "volume",
        "assets",
        "/mnt/shared",
    )
    assert host_config(volume=None)["Mounts"] == []


def test_input_and_output_are_attached_and_input_closes_with_the_executor() -> None:
    body = spec()

    assert (body["AttachStdin"], body["AttachStdout"], body["OpenStdin"]) == (True, True, True)
    assert body["StdinOnce"] is True
    assert body["Tty"] is False


def test_no_command_and_no_environment_is_given() -> None:
    """What runs is the image's entry point; what it sees is the image's environment."""
    assert not {"Cmd", "Entrypoint", "Env", "Volumes"} & spec().keys()


def test_names_are_the_same_for_everybody() -> None:
    """Nothing of a request, a tenant or the host is in there to be read."""
    assert (spec()["Hostname"], spec()["WorkingDir"]) == ("sandbox", "/mnt/data")
    assert container_spec.__annotations__.keys() == {
        "policy",
        "uid",
        "owner",
        "shared_volume",
        "return",
    }


def test_the_owners_label_finds_it() -> None:
    labels = [f"{name}={value}" for name, value in spec()["Labels"].items()]

    assert set(owner_filter("me")) <= set(labels)
    assert not set(owner_filter("somebody-else")) <= set(labels)


def test_the_body_is_json() -> None:
    assert json.loads(json.dumps(spec())) == spec()


@pytest.mark.parametrize(
    ("changes", "option", "value"),
    [
        ({"cpu_limit": 1.5}, "CpuQuota", 1_500_000),
        ({"memory_limit": 512 * MIB}, "Memory", 612 * MIB),
        ({"workspace_size_limit": 10 * MIB}, "Memory", 266 * MIB),
        ({"sandbox_runtime": "runsc"}, "Runtime", "runsc"),
    ],
    ids=str,
)
def test_settings_become_options(
    changes: dict[str, object], option: str, value: object
) -> None:
    settings = ExecutorSettings().model_copy(update=changes)

    assert host_config(SandboxPolicy.from_settings(settings))[option] == value


def test_the_image_is_the_settings() -> None:
    settings = ExecutorSettings().model_copy(update={"sandbox_image": "mine:1"})

    assert spec(SandboxPolicy.from_settings(settings))["Image"] == "mine:1"
