"""`bench`: how fast it is, beside fresh containers, on this machine."""

import os
import shutil
import tempfile
from pathlib import Path

from infra.local.bench_options import BenchOptions
from infra.local.config import DEFAULT_SANDBOX_IMAGE
from infra.local.console import Console
from infra.local.engine_setup import ensure_engine
from infra.local.errors import BadSettingError
from infra.local.image import ensure_base_image, ensure_sandbox_image
from infra.local.supervisor import Supervisor


def run_bench(options: BenchOptions, console: Console) -> int:
    """Set up what the bench needs, and measure; everything started is stopped at the end.

    Returns:
        0, or 1 where something could not be measured. A missed target is no failure.

    Raises:
        LocalError: There is no engine, no image, or no case of that name.
        KeyboardInterrupt: A signal ended it; what it had started is stopped.
    """
    # Imported here: needs httpx and minio, which are there at the level `dev` alone.
    from tests.bench.command import bench, rewrite_documents  # noqa: PLC0415 - see above

    if options.rewrite_docs:
        return rewrite_documents(console)
    if options.write_docs and (options.is_short or options.url):
        raise BadSettingError("--write-docs is for whole runs on a service of the bench's own")
    work_dir = Path(tempfile.mkdtemp(prefix="code-command-bench-engine-"))
    with Supervisor(console) as supervisor:
        supervisor.at_stop(lambda: shutil.rmtree(work_dir, ignore_errors=True))
        ensure_engine(supervisor, console, work_dir / "dockerd.log")
        ensure_base_image(console.say)
        image = os.environ.get("SANDBOX_IMAGE") or DEFAULT_SANDBOX_IMAGE
        ensure_sandbox_image(image, console.say)
        console.done(f"sandbox image {image} is there")
        return bench(options, console)


def report_briefly(console: Console) -> None:
    """Measure the short form, for who reads the log of the tests; it fails nothing."""
    try:
        run_bench(BenchOptions(is_short=True), console)
    except Exception as fault:  # noqa: BLE001 - it reports: whatever it is, tests go on
        console.error(f"the short bench: {fault}")
