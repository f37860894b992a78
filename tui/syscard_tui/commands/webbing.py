"""`serve --only web`: the card on the web, without a receiver beside it."""

from __future__ import annotations

import os
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from syscard_tui.options import note

if TYPE_CHECKING:
    from syscard_tui.wiring import House


def serve_web(house: House, host: str, port: int, cert: Path | None, key: Path | None, *, behind_proxy: bool) -> None:
    """Answer until ctrl-c, by the same rules as a receiver: any address but loopback needs a token and TLS.

    Raises:
        UsageError: a port is taken, or a host that others reach has no token or no TLS.
        MissingExtra: the server's libraries are not installed.
    """
    from syscard_tracing.serving import address, bind, check_host, check_tls, read_token
    from syscard_web.server import serve

    token, tls = read_token(os.environ), check_tls(cert, key)
    check_host(host, token, tls, behind_proxy=behind_proxy)
    with closing(bind(host, port)) as listener:
        scheme, taken = "https" if tls else "http", listener.getsockname()[1]

        def ready() -> None:
            note(f"the card: {scheme}://{address(host, taken)}/, home {house.home.root}; ctrl-c stops")

        serve(
            house.home.records,
            listener,
            token=token,
            clock=house.clock,
            cert=tls.cert if tls else None,
            key=tls.key if tls else None,
            on_ready=ready,
        )
