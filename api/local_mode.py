"""`LOCAL_MODE`: everybody on this machine is let in, and nobody else.

Listening on loopback keeps other machines out, but not the pages of other sites in a browser
here: one can send a form to `http://127.0.0.1:8095`, and a name of its own may lead here (DNS
rebinding). A browser tells both, in `Origin` and in `Host`.
"""

import ipaddress
from urllib.parse import urlsplit

from litestar.datastructures import Headers

from api.auth_errors import ForeignPageError
from api.caller import Caller

LOCAL_CALLER = Caller(tenant="local", user="local-test-user", tenant_class="local")


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine's own."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def local_caller(headers: Headers, allowed_origins: list[str]) -> Caller:
    """Return whom a request without credentials is from.

    Raises:
        ForeignPageError: A browser sent it on behalf of another site.
    """
    host = _host_of(f"//{headers.get('host', '')}")
    if host is None or not is_loopback(host):
        raise ForeignPageError
    origin = headers.get("origin")
    if origin is not None and origin not in allowed_origins:
        page = _host_of(origin)
        if page is None or not is_loopback(page):
            raise ForeignPageError
    return LOCAL_CALLER


def _host_of(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
