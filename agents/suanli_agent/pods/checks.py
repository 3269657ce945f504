"""One HTTP, TCP, gRPC or exec check, for probes and lifecycle hooks. Stateless; each call has its time limit."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import functools
import ssl
import urllib.parse
from typing import Any, Optional

import grpclib.client
import grpclib.exceptions

from suanli_agent.core import objects
from suanli_agent.runtime import client, errors, health_pb2

BODY_LIMIT = 10 * 1024
REDIRECT_LIMIT = 10
USER_AGENT = "kube-probe/suanli"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What came of a check.

    ok None: it could not be made, which proves nothing. warning: worth an Event although ok.
    """

    ok: Optional[bool]
    message: str = ""
    warning: str = ""


@dataclasses.dataclass(frozen=True)
class Target:
    """Whom to check: the container, its spec (for named ports) and the pod's address."""

    container_id: str
    container: objects.Container
    ip: str


async def probe(runtime: client.Runtime, wanted: objects.Probe, target: Target) -> Outcome:
    """One round of a probe."""
    seconds = float(wanted.timeout_seconds)
    if wanted.exec is not None:
        return await execute(runtime, target.container_id, wanted.exec.command, seconds)
    try:
        return await asyncio.wait_for(_network(wanted, target), seconds)
    except asyncio.TimeoutError:
        return Outcome(False, f"no answer within {wanted.timeout_seconds} s")
    except (OSError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as problem:
        return Outcome(False, str(problem) or type(problem).__name__)


async def execute(runtime: client.Runtime, container_id: str, command: list[str], seconds: float) -> Outcome:
    """Run a command in the container: exit code 0 is success."""
    try:
        code, output = await runtime.exec_sync(container_id, command, seconds)
    except errors.TimeoutFault as problem:
        return Outcome(False, f"command timed out: {problem}")
    except (errors.NotFoundFault, errors.UnavailableFault) as problem:
        return Outcome(None, str(problem))
    except errors.RuntimeFault as problem:
        return Outcome(False, str(problem))
    return Outcome(code == 0, output[:BODY_LIMIT].decode(errors="replace"))


async def _network(wanted: objects.Probe, target: Target) -> Outcome:
    if wanted.http_get is not None:
        return await http_get(wanted.http_get, target)
    if wanted.tcp_socket is not None:
        host = wanted.tcp_socket.host or target.ip
        return await _tcp(host, port_number(wanted.tcp_socket.port, target.container))
    if wanted.grpc is not None:
        return await _grpc(target.ip, wanted.grpc.port, wanted.grpc.service or "")
    return Outcome(None, "the probe has no handler")


async def _tcp(host: str, port: int) -> Outcome:
    writer = (await asyncio.open_connection(host, port))[1]
    writer.close()
    return Outcome(True)


async def _grpc(host: str, port: int, service: str) -> Outcome:
    channel = grpclib.client.Channel(host, port)
    request = health_pb2.HealthCheckRequest(service=service)
    method: Any = grpclib.client.UnaryUnaryMethod(
        channel, "/grpc.health.v1.Health/Check", health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
    )
    try:
        answer = await method(request)
    except (grpclib.exceptions.GRPCError, grpclib.exceptions.StreamTerminatedError) as problem:
        return Outcome(False, f"gRPC health check failed: {problem}")
    finally:
        channel.close()
    serving = answer.status == health_pb2.HealthCheckResponse.SERVING
    return Outcome(serving, "" if serving else f"service unhealthy (responded with status {answer.status})")


def port_number(port: objects.IntOrString, container: objects.Container) -> int:
    """A port by its number or by its name in the container. Raises ValueError for an unknown name."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    found = next((entry.container_port for entry in container.ports if entry.name == port), None)
    if found is None:
        raise ValueError(f"container {container.name} has no port named {port!r}")
    return found


async def http_get(action: objects.HTTPGetAction, target: Target) -> Outcome:
    """200 to 399 is success.

    Redirects are followed on the same host; one to elsewhere is success with a warning.
    """
    host = action.host or target.ip
    port = port_number(action.port, target.container)
    scheme, path = action.scheme.lower(), action.path if action.path.startswith("/") else "/" + action.path
    for _ in range(REDIRECT_LIMIT + 1):
        status, location, body = await _request(scheme, host, port, path, action.http_headers)
        if not (300 <= status < 400 and location):
            return _judged(status, body)
        there = urllib.parse.urlsplit(
            urllib.parse.urljoin(f"{scheme}://{_bracketed(host)}:{port}{path}", location)
        )
        if there.hostname != host:
            return Outcome(True, warning=f"Probe terminated redirects, Response body: {body}")
        scheme, port = there.scheme, there.port or (443 if there.scheme == "https" else 80)
        path = urllib.parse.urlunsplit(("", "", there.path or "/", there.query, ""))
    return Outcome(False, f"stopped after {REDIRECT_LIMIT} redirects")


def _judged(status: int, body: str) -> Outcome:
    if 200 <= status < 400:
        return Outcome(True, body)
    return Outcome(False, f"HTTP probe failed with statuscode: {status}")


async def _request(
    scheme: str, host: str, port: int, path: str, headers: list[objects.HTTPHeader]
) -> tuple[int, str, str]:
    """Status, Location header and the beginning of the body of one GET."""
    secure = _unverified() if scheme == "https" else None
    reader, writer = await asyncio.open_connection(host, port, ssl=secure)
    try:
        writer.write(_head(host, port, path, headers))
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ", 2)[1])
        found = (line.partition(":")[2].strip() for line in lines if line.lower().startswith("location:"))
        location = next(found, "")
        body = "" if 200 <= status < 300 else (await reader.read(BODY_LIMIT)).decode(errors="replace")
    except IndexError as problem:
        raise ValueError("malformed HTTP response") from problem
    finally:
        writer.close()
        with contextlib.suppress(OSError, ssl.SSLError):
            writer.transport.abort()
    return status, location, body


def _head(host: str, port: int, path: str, headers: list[objects.HTTPHeader]) -> bytes:
    given = {header.name.lower() for header in headers}
    lines = [f"GET {path} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {_bracketed(host)}:{port}")
    if "user-agent" not in given:
        lines.append(f"User-Agent: {USER_AGENT}")
    if "accept" not in given:
        lines.append("Accept: */*")
    lines += [
        f"{header.name}: {header.value}" for header in headers if header.value or header.name.lower() != "accept"
    ]
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1", errors="replace")


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


@functools.lru_cache(maxsize=1)
def _unverified() -> ssl.SSLContext:
    """Probes ask whether it answers, not who it is: kubelet does not verify either.

    Not create_default_context: it would keep every CA of the box in memory.
    """
    secure = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    secure.check_hostname = False
    secure.verify_mode = ssl.CERT_NONE
    return secure
