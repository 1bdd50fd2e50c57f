"""The OCI runtime by itself: what it takes to start a sandbox without anything of ours."""

import asyncio
import secrets
import socket
import tempfile
import time
from pathlib import Path

from executor.oci_bundle import bundle
from executor.oci_cgroup import Cgroup
from executor.oci_image import UnpackedImages
from executor.oci_runtime import OciRuntime
from executor.policy import SandboxPolicy
from executor.settings import ExecutorSettings

_FIRST_UID = 0x7100_0000
"""Above those that the executor gives to sandboxes."""


class BareRuntime:
    """Starts containers like sandboxes through the runtime's command line, one at a time."""

    def __init__(self, image: str) -> None:
        """Unpack the image, unless an executor has done so."""
        settings = ExecutorSettings(sandbox_image=image)
        self._policy = SandboxPolicy.from_settings(settings)
        self._images = UnpackedImages(settings.sandbox_images_dir, owner="bench")
        self._image = self._images.open(image)

    def create_and_start(self) -> float:
        """Return the milliseconds that `run` takes; what was started is ended, uncounted."""
        name = f"code-command-bench-{secrets.token_hex(8)}"
        cgroup = Cgroup(f"/code-command/bench/{name}")
        config = bundle(
            self._policy, self._image, first_uid=_FIRST_UID, assets=None, cgroup=cgroup.name
        )
        ours, theirs = socket.socketpair()
        with tempfile.TemporaryDirectory(prefix="code-command-bench-") as folder, ours, theirs:
            runtime = OciRuntime(command=self._policy.runtime, state=Path(folder) / "state")
            began_at = time.perf_counter()
            init = runtime.start(name, Path(folder) / "bundle", config, theirs)
            took_ms = (time.perf_counter() - began_at) * 1000
            asyncio.run(init.end())
            asyncio.run(cgroup.remove())
            runtime.forget(name, Path(folder) / "bundle")
        return took_ms
