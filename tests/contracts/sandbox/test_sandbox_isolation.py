"""What a program sees of the world: as good as nothing (attack-cases.md, cases 16-36)."""

import json

import pytest

from tests.contracts.sandbox.lab import Lab

pytestmark = [pytest.mark.anyio, pytest.mark.docker]

HOST_UID = "awk -v u=$(id -u) 'u >= $1 && u < $1 + $3 { print u - $1 + $2 }' /proc/self/uid_map"
"""Who the program is outside of its user namespace (user_namespaces(7))."""

ENVIRONMENT = {
    "GOMAXPROCS",
    "HOME",
    "LANG",
    "LOGNAME",
    "MATPLOTLIBRC",
    "MKL_NUM_THREADS",
    "MPLBACKEND",
    "MPLCONFIGDIR",
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "PATH",
    "PWD",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONUNBUFFERED",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
}


class TestEnvironment:
    async def test_it_holds_the_contracts_variables_and_no_others(self, lab: Lab) -> None:
        ran = await lab.python("import os, json; print(json.dumps(dict(os.environ)))")

        environment = json.loads(ran.stdout)
        assert environment.keys() == ENVIRONMENT
        for name, value in {
            "HOME": "/mnt/data",
            "PWD": "/mnt/data",
            "LANG": "en_US.UTF-8",
            "MPLBACKEND": "Agg",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }.items():
            assert environment[name] == value

    async def test_bash_has_the_same(self, lab: Lab) -> None:
        ran = await lab.bash("env -0 | cut -z -d= -f1 | tr '\\0' ' '")

        assert set(ran.stdout.split()) - {"_", "SHLVL", "OLDPWD"} == ENVIRONMENT

    async def test_the_locale_exists(self, lab: Lab) -> None:
        ran = await lab.bash("locale 2>&1 | grep -c en_US.UTF-8; printf 'ü' | wc -m")

        assert ran.stderr == ""
        assert ran.stdout.splitlines()[1] == "1"

    async def test_names_of_the_host_are_not_given_away(self, lab: Lab) -> None:
        ran = await lab.bash("hostname; whoami 2>/dev/null; cat /etc/machine-id 2>/dev/null")

        assert ran.stdout.splitlines()[0] == "sandbox"
        assert len(ran.stdout.splitlines()) <= 2


class TestIdentity:
    async def test_it_is_nobody_in_particular_without_any_rights(self, lab: Lab) -> None:
        ran = await lab.bash(
            "grep -E '^(Uid|Gid|Groups|Cap|NoNewPrivs|Seccomp:)' /proc/self/status"
        )
        status = {
            name: value.split()
            for name, _, value in (line.partition(":") for line in ran.stdout.splitlines())
        }

        for capabilities in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            assert status[capabilities] == ["0" * 16]
        assert status["NoNewPrivs"] == ["1"]
        assert status["Seccomp"] == ["2"]
        assert set(status["Uid"]) == set(status["Gid"])
        assert int(status["Uid"][0]) >= 1000

    async def test_no_two_sandboxes_share_a_user_of_the_host(self, lab: Lab) -> None:
        """What one leaves behind is nobody else's; none can signal another's processes."""
        first, second = [
            (await lab.bash(f"id -u; {HOST_UID}")).stdout.split() for _ in range(2)
        ]

        assert first[1] != second[1]
        assert min(int(first[1]), int(second[1])) >= 100_000

    async def test_privileged_calls_are_refused(self, lab: Lab) -> None:
        attempts = (
            "os.setuid(0)",
            "os.chown('main.py', 0, 0)",
            "os.chroot('/tmp')",
            "os.nice(-5)",
            "os.mknod('/mnt/data/dev', 0o600 | 0o060000, os.makedev(8, 0))",
            "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))",
            "os.unshare(os.CLONE_NEWUSER)",
            "os.unshare(os.CLONE_NEWNET)",
            "os.setns(os.open('/proc/1/ns/mnt', 0), 0)",
        )
        ran = await lab.python(f"""
            import errno, os
            for attempt in {attempts!r}:
                try:
                    exec(attempt)
                    print(attempt, "succeeded")
                except OSError as error:
                    if error.errno not in (errno.EPERM, errno.EACCES, errno.ENOSYS):
                        print(attempt, error)
            """)

        assert (ran.stdout, ran.exit_code) == ("", 0)

    async def test_a_setuid_file_gains_nothing(self, lab: Lab) -> None:
        ran = await lab.bash(
            "cp /usr/bin/id . && chmod 4755 id && [ $(./id -u) = $(id -u) ] && echo same"
        )

        assert ran.stdout == "same\n"

    async def test_the_image_has_no_setuid_file(self, lab: Lab) -> None:
        ran = await lab.bash("find / -xdev -perm /6000 -type f 2>/dev/null")

        assert ran.stdout == ""


class TestFileSystem:
    async def test_the_workspace_has_two_names(self, lab: Lab) -> None:
        ran = await lab.bash("echo x > /workspace/a; cat /mnt/data/a; readlink -f /workspace")

        assert ran.stdout == "x\n/mnt/data\n"
        assert list(ran.files) == ["a"]

    async def test_nothing_else_can_be_written(self, lab: Lab) -> None:
        ran = await lab.bash("""
            for folder in / /etc /usr/lib /opt /var/tmp /mnt /mnt/shared /home /run /dev; do
                mkdir $folder/x 2>/dev/null && echo $folder
            done
            """)

        assert ran.stdout == ""

    async def test_even_where_permissions_would_allow_it(self, lab: Lab) -> None:
        ran = await lab.bash("""
            find / -xdev -writable -type d -not -path '/proc/*' 2>/dev/null |
            while read -r folder; do
                touch "$folder/x" 2>/dev/null && echo "$folder"
            done
            """)

        assert sorted(ran.stdout.split()) == ["/mnt/data", "/run/build", "/tmp"]

    async def test_programs_can_be_run_from_the_workspace_but_not_from_tmp(
        self, lab: Lab
    ) -> None:
        ran = await lab.bash(
            "cp /bin/echo /mnt/data/e; cp /bin/echo /tmp/e; ./e one; /tmp/e two || echo $?"
        )

        assert ran.stdout == "one\n126\n"

    async def test_shared_assets_can_be_read_and_not_written(self, lab: Lab) -> None:
        ran = await lab.bash("ls /mnt/shared; touch /mnt/shared/utils/x")

        assert "utils" in ran.stdout.split()
        assert "Read-only file system" in ran.stderr

    async def test_the_kernels_switches_are_out_of_reach(self, lab: Lab) -> None:
        ran = await lab.bash("""
            for switch in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/self/uid_map \
                /sys/fs/cgroup/*.max /sys/fs/cgroup/*/*limit_in_bytes /sys/fs/cgroup/*/*.max \
                /sys/fs/cgroup/cgroup.procs /sys/fs/cgroup/*/cgroup.procs \
                /sys/fs/cgroup/*/release_agent /sys/kernel/uevent_helper; do
                (echo 1 > $switch) 2>/dev/null && echo $switch
            done
            """)

        assert ran.stdout == ""

    @pytest.mark.parametrize(
        "place",
        [
            "/proc/acpi /proc/asound /proc/interrupts /proc/kcore /proc/keys",
            "/proc/latency_stats /proc/sched_debug /proc/scsi",
            "/proc/timer_list /proc/timer_stats",
            "/proc/cmdline /proc/config.gz /proc/kallsyms /proc/key-users /proc/modules",
            "/sys/firmware /sys/kernel /sys/module /sys/devices/virtual/dmi",
            "/sys/devices/virtual/powercap /sys/devices/system/cpu/cpu0/thermal_throttle",
        ],
    )
    async def test_what_the_kernel_tells_of_the_host_is_empty(
        self, lab: Lab, place: str
    ) -> None:
        ran = await lab.bash(f"find {place} -type f -exec cat {{}} + 2>/dev/null | wc -c")

        assert ran.stdout == "0\n"

    async def test_cgroups_are_named_as_if_there_were_no_others(self, lab: Lab) -> None:
        ran = await lab.bash("cut -d: -f3 /proc/self/cgroup /proc/1/cgroup | sort -u")

        assert ran.stdout == "/\n"

    async def test_where_files_can_be_made_are_no_devices_setuid_or_programs(
        self, lab: Lab
    ) -> None:
        """But for the two places where programs are made."""
        ran = await lab.python("""
            import json, os
            places = {line.split()[4] for line in open("/proc/self/mountinfo")}
            flags = ("ST_NOSUID", "ST_NODEV", "ST_NOEXEC")
            print(json.dumps({
                place: [f for f in flags if os.statvfs(place).f_flag & getattr(os, f)]
                for place in places
                if os.path.isdir(place) and os.access(place, os.W_OK)
            }))
            """)

        writable = json.loads(ran.stdout)
        for place in "/mnt/data", "/run/build":
            assert writable.pop(place) == ["ST_NOSUID", "ST_NODEV"], place
        assert {"/tmp", "/dev/shm"} <= writable.keys() <= {"/tmp", "/dev/shm", "/dev/mqueue"}
        for place, flags in writable.items():
            assert flags == ["ST_NOSUID", "ST_NODEV", "ST_NOEXEC"], place

    async def test_there_are_no_devices_to_read(self, lab: Lab) -> None:
        ran = await lab.bash("""
            for device in /proc/kcore /dev/mem /dev/kmsg /dev/kvm /dev/fuse /dev/[shv]d* \
                /dev/console; do
                head -c 1 $device 2>/dev/null
            done | wc -c
            """)

        assert ran.stdout == "0\n"

    async def test_no_socket_of_an_engine_is_there(self, lab: Lab) -> None:
        ran = await lab.bash("find / -xdev -type s 2>/dev/null; ls /run/*.sock 2>/dev/null")

        assert ran.stdout == ""


class TestNetwork:
    async def test_no_address_can_be_reached(self, lab: Lab) -> None:
        ran = await lab.python("""
            import socket, time
            for address in "1.1.1.1", "169.254.169.254", "172.17.0.1", "10.0.0.1", "::2":
                started = time.time()
                try:
                    socket.create_connection((address, 80), timeout=5)
                except OSError as error:
                    print(error.strerror, time.time() - started < 1)
            """)

        assert set(ran.stdout.splitlines()) <= {
            "Network is unreachable True",
            "Cannot assign requested address True",  # IPv6, where the kernel has none.
        }
        assert len(ran.stdout.splitlines()) == 5

    async def test_no_name_is_resolved(self, lab: Lab) -> None:
        ran = await lab.python(
            "import socket, time\nstarted = time.time()\n"
            "for name in ('example.com', 'host.docker.internal', 'metadata.google.internal'):\n"
            "    try: print(socket.getaddrinfo(name, 80))\n"
            "    except socket.gaierror: pass\n"
            "print(time.time() - started < 5)"
        )

        assert ran.stdout == "True\n"

    async def test_there_is_no_other_interface_than_the_loopback(self, lab: Lab) -> None:
        ran = await lab.bash("ls /sys/class/net; wc -l < /proc/net/route")

        assert ran.stdout == "lo\n1\n"

    async def test_its_own_loopback_works(self, lab: Lab) -> None:
        ran = await lab.python(
            "import socket\ns = socket.create_server(('127.0.0.1', 0))\n"
            "c = socket.create_connection(s.getsockname()); c.send(b'hi')\n"
            "print(s.accept()[0].recv(2))"
        )

        assert ran.stdout == "b'hi'\n"

    async def test_localhost_is_its_name(self, lab: Lab) -> None:
        ran = await lab.python("import socket; print(socket.gethostbyname('localhost'))")

        assert ran.stdout == "127.0.0.1\n"
