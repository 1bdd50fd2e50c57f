"""Every option that isolates a sandbox is in the bundle, as in the call to a Docker engine."""

import json
from pathlib import Path
from typing import Any

import pytest

from executor.docker_spec import container_spec
from executor.oci_bundle import PROGRAM_UID, UnpackedImage, bundle
from executor.policy import MAX_INODES, SandboxPolicy
from executor.settings import MIB, ExecutorSettings

FIRST_UID = 600_000_000
IMAGE = UnpackedImage(
    root=Path("/images/abc/root"),
    entrypoint=("/opt/python/bin/python3", "/opt/code-command/supervisor"),
    environment=("PATH=/usr/bin", "LANG=en_US.UTF-8"),
)
POLICY = SandboxPolicy(
    image="code-sandbox:latest",
    runtime="runc",
    cpus=0.5,
    memory_bytes=356 * MIB,
    workspace_bytes=100 * MIB,
)


def config(policy: SandboxPolicy = POLICY, assets: Path | None = Path("/a")) -> dict[str, Any]:
    return bundle(policy, IMAGE, first_uid=FIRST_UID, assets=assets, cgroup="/code-command/x")


def mounts(assets: Path | None = Path("/a")) -> dict[str, Any]:
    return {mount["destination"]: mount for mount in config(assets=assets)["mounts"]}


class TestTheHostIsProtected:
    def test_by_every_namespace_there_is(self) -> None:
        kinds = {namespace["type"] for namespace in config()["linux"]["namespaces"]}

        assert kinds == {"cgroup", "ipc", "mount", "network", "pid", "user", "uts"}
        assert not any("path" in each for each in config()["linux"]["namespaces"])

    def test_by_taking_every_capability_and_the_way_to_more(self) -> None:
        process = config()["process"]

        assert process["capabilities"] == {}
        assert process["noNewPrivileges"] is True

    def test_by_users_that_are_nobody_outside(self) -> None:
        linux = config()["linux"]

        assert linux["uidMappings"] == linux["gidMappings"]
        for mapping in linux["uidMappings"]:
            assert mapping["hostID"] >= FIRST_UID
            assert mapping["size"] == 1
        assert config()["process"]["user"] == {"uid": PROGRAM_UID, "gid": PROGRAM_UID}

    def test_by_the_kernels_limits(self) -> None:
        resources = config()["linux"]["resources"]

        assert resources["memory"] == {"limit": 356 * MIB, "swap": 356 * MIB}
        assert resources["cpu"] == {"quota": 500_000, "period": 1_000_000}
        assert resources["pids"] == {"limit": 50}
        assert resources["devices"] == [{"allow": False, "access": "rwm"}]

    def test_by_a_list_of_the_system_calls_that_are_allowed(self) -> None:
        seccomp = config()["linux"]["seccomp"]

        assert seccomp["defaultAction"] == "SCMP_ACT_ERRNO"
        allowed = {
            name
            for rule in seccomp["syscalls"]
            if rule["action"] == "SCMP_ACT_ALLOW"
            for name in rule["names"]
        }
        refused = {"mount", "ptrace", "bpf", "io_uring_setup", "userfaultfd", "keyctl", "setns"}
        assert refused & allowed == set()

    def test_by_naming_the_one_way_into_the_kernel(self) -> None:
        """Without the name runc answers calls of newer kernels with EPERM, not ENOSYS."""
        assert config()["linux"]["seccomp"]["architectures"] in (
            ["SCMP_ARCH_X86_64"],
            ["SCMP_ARCH_AARCH64"],
        )

    @pytest.mark.parametrize("path", ["/proc/kcore", "/sys/firmware", "/proc/keys"])
    def test_by_masks(self, path: str) -> None:
        assert path in config()["linux"]["maskedPaths"]

    @pytest.mark.parametrize("path", ["/proc/sys", "/proc/sysrq-trigger", "/proc/bus"])
    def test_by_what_may_not_be_written(self, path: str) -> None:
        assert path in config()["linux"]["readonlyPaths"]


class TestMounts:
    def test_the_root_may_not_be_written(self) -> None:
        assert config()["root"] == {"path": "/images/abc/root", "readonly": True}

    @pytest.mark.parametrize(
        ("target", "size_bytes", "execution"),
        [
            ("/mnt/data", 100 * MIB, "exec"),
            ("/run/build", 64 * MIB, "exec"),
            ("/tmp", 64 * MIB, "noexec"),
        ],
    )
    def test_what_can_be_written_is_bounded_and_knows_no_devices_or_setuid(
        self, target: str, size_bytes: int, execution: str
    ) -> None:
        options = set(mounts()[target]["options"])

        assert {"nosuid", "nodev", execution, f"size={size_bytes}"} <= options
        assert {f"uid={PROGRAM_UID}", f"nr_inodes={MAX_INODES}"} <= options

    def test_nothing_else_is_mounted_from_the_host_than_the_shared_files(self) -> None:
        bound = [mount for mount in config()["mounts"] if "bind" in mount["options"]]

        assert [(mount["source"], mount["destination"]) for mount in bound] == [
            ("/a", "/mnt/shared")
        ]
        assert {"ro", "nosuid", "nodev", "noexec"} <= set(bound[0]["options"])
        assert "/mnt/shared" not in mounts(assets=None)

    @pytest.mark.parametrize("target", ["/sys", "/sys/fs/cgroup"])
    def test_what_the_kernel_tells_can_only_be_read(self, target: str) -> None:
        assert "ro" in mounts()[target]["options"]


class TestWhatIsSeen:
    def test_what_runs_is_the_images_entry_point_in_the_images_environment(self) -> None:
        process = config()["process"]

        assert process["args"] == list(IMAGE.entrypoint)
        assert process["env"] == [*IMAGE.environment, "HOSTNAME=sandbox"]

    def test_names_are_the_same_for_everybody(self) -> None:
        assert config()["hostname"] == "sandbox"
        assert config()["process"]["cwd"] == "/mnt/data"


class TestOnePolicy:
    """Docker's options and the bundle come from one object, and say the same."""

    @pytest.mark.parametrize(
        "changes",
        [
            {},
            {"cpu_limit": 1.5},
            {"memory_limit": 512 * MIB},
            {"workspace_size_limit": 10 * MIB},
        ],
        ids=str,
    )
    def test_both_engines_have_the_same_limits(self, changes: dict[str, object]) -> None:
        settings = ExecutorSettings().model_copy(update=changes)
        policy = SandboxPolicy.from_settings(settings)
        docker = container_spec(policy, uid=1, owner="me", shared_volume=None)["HostConfig"]

        resources = config(policy)["linux"]["resources"]

        assert resources["memory"]["limit"] == docker["Memory"]
        assert resources["memory"]["swap"] == docker["MemorySwap"]
        assert resources["cpu"]["quota"] == docker["CpuQuota"]
        assert resources["cpu"]["period"] == docker["CpuPeriod"]
        assert resources["pids"]["limit"] == docker["PidsLimit"]
        assert set(docker["Tmpfs"]) <= {mount["destination"] for mount in config()["mounts"]}

    def test_both_have_the_same_limits_of_each_process_and_masks(self) -> None:
        docker = container_spec(POLICY, uid=1, owner="me", shared_volume=None)["HostConfig"]
        oci = config()

        assert {
            f"RLIMIT_{limit['Name'].upper()}": (limit["Soft"], limit["Hard"])
            for limit in docker["Ulimits"]
        } == {
            limit["type"]: (limit["soft"], limit["hard"]) for limit in oci["process"]["rlimits"]
        }
        assert docker["OomScoreAdj"] == oci["process"]["oomScoreAdj"]
        assert docker["MaskedPaths"] == oci["linux"]["maskedPaths"]
        assert docker["ReadonlyPaths"] == oci["linux"]["readonlyPaths"]

    def test_both_have_the_same_list_of_system_calls(self) -> None:
        docker = container_spec(POLICY, uid=1, owner="me", shared_volume=None)
        (option,) = [
            option
            for option in docker["HostConfig"]["SecurityOpt"]
            if option.startswith("seccomp=")
        ]

        assert json.loads(option.removeprefix("seccomp=")) == config()["linux"]["seccomp"]


def test_it_is_json() -> None:
    assert json.loads(json.dumps(config())) == config()
