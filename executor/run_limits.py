"""What one run may use, from the settings."""

from executor.sandbox import RunLimits
from executor.settings import ExecutorSettings


def run_limits(settings: ExecutorSettings) -> RunLimits:
    """Return what one run may use, as the operator set it."""
    return RunLimits(
        wall_time_s=settings.code_exec_timeout,
        stdout_bytes=settings.output_max_bytes,
        stderr_bytes=settings.output_max_bytes,
        file_bytes=settings.max_upload_size,
        total_bytes=settings.workspace_size_limit,
        files=settings.max_output_files,
        extensions=settings.kept_extensions,
    )
