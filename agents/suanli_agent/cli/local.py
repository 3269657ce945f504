"""Asking the daemon over its unix socket; plain http.client, for a verb lives a second."""

from __future__ import annotations

import http.client
import json
import socket
from typing import Any, Iterator

from suanli_agent import settings as settings_module
from suanli_agent.cli.words import say

SECONDS = 35.0


class LocalError(Exception):
    """The daemon does not answer, or refuses; the message is for the person at the box."""


class _Connection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _open(settings: settings_module.Settings, path: str, method: str, follow: bool) -> http.client.HTTPResponse:
    connection = _Connection(str(settings.socket))
    try:
        connection.request(method, path)
        response = connection.getresponse()
        if follow and connection.sock is not None:
            connection.sock.settimeout(None)
    except OSError as error:
        raise LocalError(say("no-daemon", f"{settings.socket}: {error.strerror or error}")) from error
    if response.status >= 400:
        raise LocalError(response.read().decode(errors="replace").strip())
    return response


def ask(settings: settings_module.Settings, path: str, method: str = "GET") -> Any:
    """The daemon's answer, decoded where it is JSON. Raises LocalError."""
    response = _open(settings, path, method, follow=False)
    body = response.read()
    return json.loads(body) if response.headers.get_content_type() == "application/json" else body.decode()


def stream(settings: settings_module.Settings, path: str) -> Iterator[bytes]:
    """The chunks of an answer that goes on. Raises LocalError."""
    response = _open(settings, path, "GET", follow=True)
    while chunk := response.read1(1 << 16):
        yield chunk
