"""The pod network that the agent writes: pods reach out and are reached, with one set of rules for all of them."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import suanli_containerd as sc
from suanli_agent import cni
from suanli_clusters import until
from suanli_pods import Box, container, pod

HOST_PORT = 8099
WORD = "seen-from-outside"


def ip(*words: str) -> str:
    return subprocess.run(["ip", *words], check=True, capture_output=True, text=True).stdout


@pytest.fixture
def namespace() -> Iterator[str]:
    """A network namespace with firewall rules of its own."""
    name = f"suanli-{os.getpid()}"
    ip("netns", "add", name)
    ip("-n", name, "link", "set", "lo", "up")
    yield name
    ip("netns", "delete", name)


@contextlib.contextmanager
def neighbour(namespace: str) -> Iterator[tuple[str, str]]:
    """A machine beside this one that knows no way to its pods: (its address, ours on the wire between)."""
    here = f"slv{os.getpid()}"
    ours, theirs, *_ = (str(each) for each in ipaddress.IPv4Network(sc.free_subnet()).hosts())
    ip("link", "add", here, "type", "veth", "peer", "name", "eth0", "netns", namespace)
    try:
        ip("address", "add", f"{ours}/24", "dev", here)
        ip("link", "set", here, "up")
        ip("-n", namespace, "address", "add", f"{theirs}/24", "dev", "eth0")
        ip("-n", namespace, "link", "set", "eth0", "up")
        yield theirs, ours
    finally:
        ip("link", "delete", here)


@contextlib.contextmanager
def answering(namespace: str, port: int) -> Iterator[None]:
    """Whoever connects there is told WORD."""
    command = ["ip", "netns", "exec", namespace, "busybox", "nc", "-ll", "-p", str(port), "-e", "echo", WORD]
    server = subprocess.Popen(command)
    probe = ["ip", "netns", "exec", namespace, "busybox", "nc", "127.0.0.1", str(port)]
    try:
        until(
            lambda: WORD in subprocess.run(probe, capture_output=True, text=True, check=False).stdout,
            "the neighbour to answer",
        )
        yield
    finally:
        server.kill()
        server.wait()


async def test_a_pod_reaches_out_under_the_boxs_address(box: Box, namespace: str) -> None:
    """The neighbour has no way back to a pod: its answer comes only where the box stands in for it."""
    with neighbour(namespace) as (theirs, _), answering(namespace, 8000):
        wanted = pod(container(f"nc -w 5 {theirs} 8000 < /dev/null"), restartPolicy="Never")
        assert WORD in await box.output(wanted)


async def test_a_host_port_is_reached_from_outside(box: Box, namespace: str) -> None:
    serving = container(f"nc -ll -p 8000 -e echo {WORD}", ports=[{"containerPort": 8000, "hostPort": HOST_PORT}])
    with neighbour(namespace) as (_, ours):
        await box.run(pod(serving))
        asking = ["ip", "netns", "exec", namespace, "busybox", "nc", "-w", "5", ours, str(HOST_PORT)]
        until(
            lambda: WORD in subprocess.run(asking, capture_output=True, text=True, check=False).stdout,
            "the pod's answer",
        )


def test_the_rules_are_set_once(namespace: str, tmp_path: Path) -> None:
    """`suanli-agent network` sets the three rules of the network that join wrote; again, and nothing changes."""
    subnet = ipaddress.IPv4Network("10.9.8.0/24")
    (tmp_path / cni.FILE).write_text(json.dumps(cni.network(subnet, per_pod=False)))
    inside = ["ip", "netns", "exec", namespace]
    environment = {**os.environ, "SUANLI_AGENT_CNI_DIR": str(tmp_path)}

    def rules() -> list[str]:
        said = [
            subprocess.run(
                [*inside, "iptables", "-t", table, "-S"], check=True, capture_output=True, text=True
            ).stdout
            for table in ("nat", "filter")
        ]
        return [line for line in "".join(said).splitlines() if line.startswith("-A")]

    for _ in range(2):
        subprocess.run([*inside, sys.executable, "-m", "suanli_agent", "network"], check=True, env=environment)
        assert sorted(rule.split()[1] for rule in rules()) == ["FORWARD", "FORWARD", "POSTROUTING"]
    assert f"-A POSTROUTING -s {subnet} ! -o suanli0 -j MASQUERADE" in rules()


def test_a_box_that_left_keeps_nothing_of_the_pod_network(namespace: str, tmp_path: Path) -> None:
    """What `leave` does last: rules, bridge and configuration go; a second time there is nothing to do."""
    (tmp_path / cni.FILE).write_text(json.dumps(cni.network(ipaddress.IPv4Network("10.9.8.0/24"), per_pod=False)))
    inside = ["ip", "netns", "exec", namespace]
    environment = {**os.environ, "SUANLI_AGENT_CNI_DIR": str(tmp_path)}
    subprocess.run([*inside, "ip", "link", "add", cni.BRIDGE, "type", "bridge"], check=True)
    subprocess.run([*inside, sys.executable, "-m", "suanli_agent", "network"], check=True, env=environment)
    for _ in range(2):
        taking = f"from suanli_agent import cni; cni.remove({str(tmp_path)!r})"
        subprocess.run([*inside, sys.executable, "-c", taking], check=True)
    left = subprocess.run(
        [*inside, "sh", "-c", "iptables -S; iptables -t nat -S; ip link"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert cni.BRIDGE not in left.stdout
    assert not list(tmp_path.iterdir())


def test_without_a_network_of_ours_no_rule_is_set(namespace: str, tmp_path: Path) -> None:
    environment = {**os.environ, "SUANLI_AGENT_CNI_DIR": str(tmp_path)}
    inside = ["ip", "netns", "exec", namespace]
    subprocess.run([*inside, sys.executable, "-m", "suanli_agent", "network"], check=True, env=environment)
    said = subprocess.run([*inside, "iptables", "-t", "nat", "-S"], check=True, capture_output=True, text=True)
    assert "MASQUERADE" not in said.stdout
