"""Addresses of the network for the engine, by Python's own client, certificates and proxies."""

from __future__ import annotations

import http.client
import socket
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from . import _native

#: Seconds without a byte after which a server is given up.
_PATIENCE = 30


class _Redirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(
        self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        scheme = urlsplit(newurl).scheme
        if scheme not in ("http", "https"):
            what = f'the server sends on to "{scheme}:", which is no http:// or https:// address'
            raise OSError(what)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def opened(url: str) -> tuple[int | None, Any]:
    """The number of bytes at an address, if the server says, and a file that reads them.

    Raises
    ------
    OSError
        There is nothing; its text says why.
    """
    host = urlsplit(url).hostname
    # A mirror on this machine is never reached through a proxy on another one.
    local = host in ("127.0.0.1", "localhost", "::1")
    opener = urllib.request.OpenerDirector()
    opener.add_handler(urllib.request.ProxyHandler({} if local else None))
    for name in (
        "HTTPHandler",
        "HTTPSHandler",
        "HTTPErrorProcessor",
        "HTTPDefaultErrorHandler",
        "UnknownHandler",
    ):
        # A Python without TLS has no handler of https.
        if hasattr(urllib.request, name):
            opener.add_handler(getattr(urllib.request, name)())
    opener.add_handler(_Redirects())
    agent = {"User-Agent": f"bnn-cpu/{_native.__version__}"}
    try:
        answer = opener.open(urllib.request.Request(url, headers=agent), timeout=_PATIENCE)
    except urllib.error.HTTPError as error:
        raise OSError(f"the server answered with status {error.code}") from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, socket.gaierror):
            raise OSError("no such host, or no network") from None
        raise OSError(_plain(error.reason)) from None
    except (OSError, http.client.HTTPException) as error:
        raise OSError(_plain(error)) from None
    return answer.length, answer


def _plain(reason: object) -> str:
    """What went wrong, without the error number of the operating system."""
    if isinstance(reason, OSError) and reason.strerror:
        return reason.strerror
    return str(reason) or type(reason).__name__
