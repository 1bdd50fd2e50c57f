"""What `doctor` looks at, and how it is found out."""

import shutil
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from docker.errors import DockerException, ImageNotFound  # noqa: TID251 - infra/local may

from api.settings import WELL_KNOWN_KEY
from executor.boot_check import Finding, find
from executor.docker_versions import RUNC_NAMES, parts_of
from executor.known_escapes import Part
from executor.oci_version import runtime_part
from executor.policy import is_gvisor
from executor.sandbox import SandboxUnavailableError
from infra.local.config import Config
from infra.local.engine import Answer, ask, connect, engine_address
from infra.local.image import DIGEST_LABEL, ROOT, has_registry_host
from infra.local.image_digest import source_digest
from infra.local.sandbox_engine import DEFAULT_RUNTIME, SandboxEngine, likely_engine

SWAPS = Path("/proc/swaps")

_SILENCE = {
    Answer.READY: "",
    Answer.SILENT: "nobody listens there",
    Answer.DENIED: "this user may not use it",
}


class Kernel(Enum):
    """Whose kernel programs talk to."""

    HOST = "the host's"
    GVISOR = "gVisor's"
    VIRTUAL_MACHINE = "a virtual machine's"


class Image(Enum):
    """How the sandbox image is."""

    CURRENT = "current"
    OUTDATED = "outdated"
    """Built from other files than this checkout's."""
    FOREIGN = "foreign"
    """Of a registry: somebody else keeps it current."""
    MISSING = "missing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What a Docker engine that answers tells of itself and of its host."""

    version: str
    is_local: bool
    kernel_release: str
    cgroup_version: str
    limits: Mapping[str, bool]
    """`memory`, `swap`, `processes`, `processors`: whether the kernel can limit them."""
    has_seccomp: bool
    has_userns_remap: bool
    is_rootless: bool
    confinement: str
    """`AppArmor`, `SELinux`, or nothing."""
    knows_runtime: bool
    image: Image


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What decides a grade."""

    address: str
    engine: Engine | None
    """`None` where none answers."""
    silence: str = ""
    """Why it does not."""
    is_denied: bool = False
    """Whether there is one, and this user may not use it."""
    sandbox_engine: SandboxEngine
    runtime: str
    kernel: Kernel
    findings: tuple[Finding, ...]
    versions_problem: str = ""
    """Why nothing is known of the versions."""
    image: str
    """Its name."""
    has_swap: bool | None
    """`None` where the host is another one."""
    has_well_known_key: bool
    is_loopback: bool
    is_strict: bool


def look_around(config: Config) -> Facts:
    """Ask the engine, and this host. Changes nothing, and makes no sandbox."""
    environment = config.environment
    runtime = environment.get("SANDBOX_RUNTIME") or DEFAULT_RUNTIME
    sandbox_engine = likely_engine(environment)
    engine, answer, path = None, dict[str, Any](), runtime
    asked = ask(engine_address())
    silence = _SILENCE[asked]
    try:
        with closing(connect()) as client:
            answer = client.version()
            told = client.info()
            path = (told.get("Runtimes") or {}).get(runtime, {}).get("path") or runtime
            image = _image(client, config)
            engine = _engine(told, runtime=runtime, image=image, on=sandbox_engine)
    except (DockerException, OSError) as fault:
        silence = silence or (str(fault).splitlines() or [type(fault).__name__])[0]
    parts, problem = (), ""
    try:
        parts = sandbox_parts(sandbox_engine, runtime, answer)
    except SandboxUnavailableError as fault:
        problem = str(fault)
    return Facts(
        address=engine_address(),
        engine=engine,
        silence=silence,
        is_denied=asked is Answer.DENIED,
        sandbox_engine=sandbox_engine,
        runtime=runtime,
        kernel=kernel_of(runtime, path),
        findings=find(parts),
        versions_problem=problem or silence,
        image=config.sandbox_image,
        has_swap=_has_swap() if _is_local(engine_address()) else None,
        has_well_known_key=environment.get("CODE_API_KEY") == WELL_KNOWN_KEY,
        is_loopback=config.is_loopback,
        is_strict=environment.get("SANDBOX_STRICT", "").lower() in {"1", "true", "yes", "on"},
    )


def kernel_of(runtime: str, path: str) -> Kernel:
    """Tell from a runtime's name, and from that of its program, whose kernel programs see."""
    names = f"{runtime} {Path(path).name}".lower()
    if is_gvisor(names):
        return Kernel.GVISOR
    return Kernel.VIRTUAL_MACHINE if "kata" in names else Kernel.HOST


def sandbox_parts(
    engine: SandboxEngine, runtime: str, answer: Mapping[str, Any] | None = None
) -> tuple[Part, ...]:
    """Return the programs that sandboxes would be made with.

    Args:
        engine: What would make them.
        runtime: What that would start them with.
        answer: The Docker engine's to `GET /version`, if it was asked before.

    Raises:
        SandboxUnavailableError, DockerException, OSError: They do not answer.
    """
    if engine == "oci":
        return (runtime_part(runtime),)
    return parts_of(_version() if answer is None else answer, runtime=runtime)


def _version() -> Mapping[str, Any]:
    with closing(connect()) as client:
        return client.version()


def _engine(
    told: Mapping[str, Any], *, runtime: str, image: Image, on: SandboxEngine
) -> Engine:
    options = [str(option) for option in told.get("SecurityOptions") or ()]

    def has(name: str) -> bool:
        return any(name in option.removeprefix("name=").split(",") for option in options)

    if on == "oci":
        knows_runtime = shutil.which(runtime) is not None
    else:
        knows_runtime = runtime in RUNC_NAMES or runtime in (told.get("Runtimes") or {})
    return Engine(
        version=str(told.get("ServerVersion", "unknown")),
        is_local=_is_local(engine_address()),
        kernel_release=str(told.get("KernelVersion", "unknown")),
        # Engines that do not tell know version 1 alone.
        cgroup_version=str(told.get("CgroupVersion") or "1"),
        limits={
            "memory": bool(told.get("MemoryLimit")),
            "swap": bool(told.get("SwapLimit")),
            "processes": bool(told.get("PidsLimit")),
            "processors": bool(told.get("CpuCfsQuota")),
        },
        has_seccomp=has("seccomp"),
        has_userns_remap=has("userns"),
        is_rootless=has("rootless"),
        confinement="AppArmor" if has("apparmor") else "SELinux" if has("selinux") else "",
        knows_runtime=knows_runtime,
        image=image,
    )


def _image(client: Any, config: Config) -> Image:
    try:
        labels = client.images.get(config.sandbox_image).labels or {}
    except ImageNotFound:
        return Image.MISSING
    if has_registry_host(config.sandbox_image):
        return Image.FOREIGN
    current = labels.get(DIGEST_LABEL) == source_digest(ROOT, config.sandbox_languages)
    return Image.CURRENT if current else Image.OUTDATED


def _is_local(address: str) -> bool:
    return address.startswith("unix://")


def _has_swap() -> bool:
    """Say whether anything is in the kernel's list, below its heading."""
    return SWAPS.exists() and len(SWAPS.read_text(encoding="utf-8").splitlines()) > 1
