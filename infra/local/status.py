"""`status`: hosts, pools and queues, of this machine's `up` or of a fleet."""

from api.show_status import Fleet, show
from infra.local.broker import kept_url
from infra.local.config import Config
from infra.local.errors import BadSettingError


def status(config: Config, *, as_json: bool) -> int:
    """Show them; return 0 if programs can be run.

    Raises:
        BadSettingError: Nobody says where the broker is.
    """
    broker_url = config.environment.get("BROKER_URL") or kept_url(config.work_dir)
    if broker_url is None:
        raise BadSettingError(
            f"nothing was started with CODE_WORK_DIR {config.work_dir}; start it with"
            " ./code-command up, or name a fleet's broker in BROKER_URL"
        )
    result_url = config.environment.get("RESULT_BACKEND_URL") or broker_url
    return show(Fleet(broker_url=broker_url, result_url=result_url), as_json=as_json)
