"""Opening connections: TLS to the hub, straight or through a proxy, that notice a dead link in seconds."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import os
import socket
import ssl
import sys
import urllib.parse
from typing import Mapping, Optional, Tuple

import h11

Streams = Tuple[asyncio.StreamReader, asyncio.StreamWriter]

# A half-open connection (a modem that lost its carrier, a NAT that forgot us) answers nothing: the kernel is told
# to ask after 15 s of silence, and to give up on unacknowledged bytes after 20 s instead of some 15 minutes.
_KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 20_000),
)


@dataclasses.dataclass(frozen=True)
class Url:
    """Scheme, host (IPv6 without brackets), port; what follows them, if anything, is `path`."""

    scheme: str
    host: str
    port: int
    path: str = ""
    userinfo: str = dataclasses.field(default="", repr=False)

    @classmethod
    def parse(cls, text: str, schemes: Tuple[str, ...] = ("https",)) -> Url:
        """Raises ValueError with the mend for anything but scheme://host[:port]."""
        parts = urllib.parse.urlsplit(text if "://" in text else f"{schemes[0]}://{text}")
        if parts.scheme not in schemes or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"{text!r} is not {' or '.join(f'{scheme}://HOST[:PORT]' for scheme in schemes)}")
        default = 443 if parts.scheme == "https" else 80
        userinfo = parts.netloc.rpartition("@")[0]
        return cls(parts.scheme, parts.hostname, parts.port or default, parts.path.rstrip("/"), userinfo)

    @property
    def authority(self) -> str:
        """host:port as HTTP writes it, IPv6 in brackets."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


def proxy_from_environment(url: Url, environment: Mapping[str, str] = os.environ) -> str:
    """The proxy that HTTPS_PROXY names for `url`, unless NO_PROXY lists its host, a parent domain or `*`."""
    proxy = environment.get("HTTPS_PROXY") or environment.get("https_proxy") or ""
    for entry in (environment.get("NO_PROXY") or environment.get("no_proxy") or "").split(","):
        name = entry.strip().lower().lstrip(".")
        if name and (name == "*" or url.host.lower() == name or url.host.lower().endswith(f".{name}")):
            return ""
    return proxy


async def _upgrade(writer: asyncio.StreamWriter, context: ssl.SSLContext, hostname: str) -> Streams:
    """TLS over a connection that is there already."""
    loop = asyncio.get_running_loop()
    transport = writer.transport
    if sys.version_info < (3, 11):
        # TLS inside TLS works there too, but asyncio asks for a mark that its own TLS transport lacks.
        transport._start_tls_compatible = True  # type: ignore[attr-defined,unused-ignore]  # noqa: SLF001
    reader = asyncio.StreamReader()
    protocol = asyncio.StreamReaderProtocol(reader)
    secured = await loop.start_tls(transport, protocol, context, server_hostname=hostname)
    if secured is None:
        raise ConnectionResetError("closed during the TLS handshake")
    protocol.connection_made(secured)  # start_tls leaves that to whoever brings a new protocol
    return reader, _Inner(secured, protocol, reader, loop, writer)


class _Inner(asyncio.StreamWriter):
    """A writer that keeps the one below it alive: collected, that one would close the connection of both."""

    def __init__(
        self,
        transport: asyncio.Transport,
        protocol: asyncio.StreamReaderProtocol,
        reader: asyncio.StreamReader,
        loop: asyncio.AbstractEventLoop,
        outer: asyncio.StreamWriter,
    ) -> None:
        super().__init__(transport, protocol, reader, loop)
        self._outer = outer


async def _connect_through(streams: Streams, proxy: Url, target: Url) -> None:
    """Ask a proxy for a tunnel. Raises ConnectionError with the proxy's answer where it refuses."""
    reader, writer = streams
    headers = [("Host", target.authority)]
    if proxy.userinfo:
        secret = base64.b64encode(urllib.parse.unquote(proxy.userinfo).encode()).decode()
        headers.append(("Proxy-Authorization", f"Basic {secret}"))
    connection = h11.Connection(h11.CLIENT)
    writer.write(connection.send(h11.Request(method="CONNECT", target=target.authority, headers=headers)) or b"")
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(4096))
        elif isinstance(event, h11.Response):
            break
        elif not isinstance(event, h11.InformationalResponse):
            raise ConnectionError(f"proxy {proxy.authority} closed the connection")
    if event.status_code >= 300:
        raise ConnectionError(f"proxy {proxy.authority} answered {event.status_code} {event.reason.decode()}")


async def dial(target: Url, context: ssl.SSLContext, proxy: str = "") -> Streams:
    """Connect and shake hands. Raises OSError, ssl.SSLError, ValueError for a malformed proxy."""
    if not proxy:
        streams = await asyncio.open_connection(
            target.host, target.port, ssl=context, server_hostname=target.host, happy_eyeballs_delay=0.25
        )
        _tune(streams[1])
        return streams
    via = Url.parse(proxy, ("http", "https"))
    outer: Optional[ssl.SSLContext] = ssl.create_default_context() if via.scheme == "https" else None
    streams = await asyncio.open_connection(via.host, via.port, ssl=outer, happy_eyeballs_delay=0.25)
    try:
        _tune(streams[1])
        await _connect_through(streams, via, target)
        return await _upgrade(streams[1], context, target.host)
    except BaseException:
        streams[1].close()
        raise


def _tune(writer: asyncio.StreamWriter) -> None:
    raw = writer.get_extra_info("socket")
    for level, option, value in _KEEPALIVE:
        raw.setsockopt(level, option, value)
