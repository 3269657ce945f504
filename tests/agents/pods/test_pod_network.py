"""Hostnames, hosts files and resolv.conf of pods; checks over HTTP, TCP and by named ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from tests.pod_makers import make_pod

from suanli_agent.core import objects
from suanli_agent.pods import checks, network, settings
from suanli_agent.runtime import client

HOST_RESOLV = "# comment\nnameserver 1.1.1.1\nsearch corp.example\noptions timeout:1\n"
KNOBS = settings.Settings(cluster_dns=("10.0.0.10",))


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        ({}, "p"),
        ({"hostname": "web"}, "web"),
        ({"hostname": "web", "subdomain": "s", "setHostnameAsFQDN": True}, "web.s.default.svc.cluster.local"),
        ({"hostname": "web", "hostnameOverride": "other.name"}, "other.name"),
    ],
)
def test_hostname(spec: dict[str, object], name: str) -> None:
    assert network.hostname(make_pod(**spec), "cluster.local") == name  # type: ignore[arg-type]


def test_long_names_are_cut_but_a_full_name_is_refused() -> None:
    long = {"name": "x" * 80, "namespace": "default", "uid": "u"}
    assert len(network.hostname(make_pod(meta=long), "cluster.local")) == 63
    with pytest.raises(ValueError, match="setHostnameAsFQDN"):
        network.hostname(make_pod(meta=long, subdomain="s", setHostnameAsFQDN=True), "cluster.local")


def test_hosts_file_of_a_pod_on_the_host_network_is_the_box_s_own() -> None:
    pod = make_pod(hostNetwork=True, hostAliases=[{"ip": "9.9.9.9", "hostnames": ["a"]}])
    content = network.hosts_file(pod, ("10.1.1.2",), "cluster.local", "127.0.0.1 box\n")
    assert content.splitlines()[:2] == ["# Kubernetes-managed hosts file (host network).", "127.0.0.1 box"]
    assert "9.9.9.9\ta" in content
    assert "10.1.1.2" not in content


@pytest.mark.parametrize(
    ("spec", "knobs", "servers", "searches"),
    [
        (
            {},
            KNOBS,
            ["10.0.0.10"],
            ["default.svc.cluster.local", "svc.cluster.local", "cluster.local", "corp.example"],
        ),
        ({}, settings.Settings(), ["1.1.1.1"], ["corp.example"]),
        ({"dnsPolicy": "Default"}, KNOBS, ["1.1.1.1"], ["corp.example"]),
        ({"hostNetwork": True}, KNOBS, ["1.1.1.1"], ["corp.example"]),
        ({"dnsPolicy": "None", "dnsConfig": {"nameservers": ["8.8.8.8"]}}, KNOBS, ["8.8.8.8"], []),
    ],
)
def test_dns_policies(
    spec: dict[str, object], knobs: settings.Settings, servers: list[str], searches: list[str]
) -> None:
    found = network.dns(make_pod(**spec), knobs, HOST_RESOLV)  # type: ignore[arg-type]
    assert (list(found.servers), list(found.searches)) == (servers, searches)


def test_own_dns_options_win() -> None:
    own = {"options": [{"name": "timeout", "value": "5"}, {"name": "rotate"}]}
    found = network.dns(make_pod(dnsPolicy="Default", dnsConfig=own), KNOBS, HOST_RESOLV)
    assert list(found.options) == ["timeout:5", "rotate"]


# --- checks

Serve = Callable[[bytes], Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """serve(answer) starts a server that answers every request with these bytes; its port."""
    servers: list[asyncio.Server] = []

    async def start(answer: bytes) -> int:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n" if path == b"/there" else answer)
            writer.close()

        servers.append(await asyncio.start_server(handle, "127.0.0.1", 0))
        return int(servers[-1].sockets[0].getsockname()[1])

    yield start
    for server in servers:
        server.close()


async def get(port: int) -> checks.Outcome:
    probe = objects.Probe(http_get=objects.HTTPGetAction(port=port, path="/"))
    target = checks.Target("id", objects.Container(), "127.0.0.1")
    return await checks.probe(client.Runtime("/none"), probe, target)


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\nfine", True),
        (b"HTTP/1.0 302 Found\r\nLocation: /there\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", False),
        (b"HTTP/1.1 500 Oh\r\n\r\n", False),
        (b"nonsense\r\n\r\n", False),
        (b"", False),
    ],
)
async def test_http_answers(serve: Serve, answer: bytes, good: bool) -> None:
    assert (await get(await serve(answer))).ok is good


async def test_redirect_to_another_host_is_success_with_a_warning(serve: Serve) -> None:
    outcome = await get(await serve(b"HTTP/1.1 302 Found\r\nLocation: http://0.0.0.0/\r\n\r\nelsewhere"))
    assert outcome.ok
    assert "elsewhere" in outcome.warning


async def test_closed_port_fails(unused_tcp_port: int) -> None:
    assert (await get(unused_tcp_port)).ok is False


async def test_missing_runtime_proves_nothing() -> None:
    """An exec probe that could not be made counts neither way."""
    probe = objects.Probe(exec=objects.ExecAction(command=["true"]))
    outcome = await checks.probe(client.Runtime("/none"), probe, checks.Target("id", objects.Container(), ""))
    assert outcome.ok is None


def test_ports_by_name() -> None:
    container = objects.Container(name="c", ports=[objects.ContainerPort(name="web", container_port=80)])
    assert checks.port_number("web", container) == 80
    assert checks.port_number("81", container) == 81
    with pytest.raises(ValueError, match="no port named 'other'"):
        checks.port_number("other", container)
