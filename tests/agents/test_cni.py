"""The bridge that joining writes where a box has no pod network."""

import ipaddress
import json
import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_agent import cni
from suanli_agent.hardware import root

ROUTES = (
    "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\n"
    "eth0\t00000000\t0100A8C0\t0003\t0\t0\t0\t00000000\n"
    "eth0\t0000800A\t00000000\t0001\t0\t0\t0\t0000C0FF\n"  # 10.128.0.0/10
)


def test_a_network_that_is_there_is_left_alone(tmp_path: pathlib.Path) -> None:
    (tmp_path / "05-mine.conf").write_text("{}")
    assert cni.ensure(str(tmp_path), "", root.Root(), "box") == ""
    assert [path.name for path in tmp_path.iterdir()] == ["05-mine.conf"]


def test_the_bridge_has_the_subnet_that_was_asked_for(tmp_path: pathlib.Path) -> None:
    written = cni.ensure(str(tmp_path / "new"), "10.9.8.0/24", root.Root(str(tmp_path)), "box")
    made = json.loads(pathlib.Path(written).read_text())
    assert made["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.9.8.0/24"}]]


def test_a_subnet_that_is_none_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match=r"10\.9\.8\.7/24"):
        cni.ensure(str(tmp_path), "10.9.8.7/24", root.Root(str(tmp_path)), "box")


@pytest.mark.parametrize("program", ["usr/sbin/firewalld", "proc/version"])
def test_pods_get_rules_of_their_own_where_no_one_sets_them_at_boot(tmp_path: pathlib.Path, program: str) -> None:
    """With firewalld, and in a container: then the file asks the plugins, and boot has nothing to do."""
    (tmp_path / program).parent.mkdir(parents=True)
    (tmp_path / program).touch()
    cni.ensure(str(tmp_path / "net"), "10.9.8.0/24", root.Root(str(tmp_path)), "box")
    made = json.loads((tmp_path / "net" / cni.FILE).read_text())
    assert made["plugins"][0]["ipMasq"] is True
    assert made["plugins"][-1] == {"type": "firewall"}
    assert cni.without_rules(str(tmp_path / "net")) is None


def test_rules_at_boot_are_for_our_own_network_alone(tmp_path: pathlib.Path) -> None:
    subnet = ipaddress.IPv4Network("10.9.8.0/24")
    assert cni.without_rules(str(tmp_path)) is None
    (tmp_path / cni.FILE).write_text(json.dumps(cni.network(subnet, per_pod=False, bridge="mine0")))
    assert cni.without_rules(str(tmp_path)) is None
    (tmp_path / cni.FILE).write_text(json.dumps(cni.network(subnet, per_pod=False)))
    assert cni.without_rules(str(tmp_path)) == subnet


@given(st.text(max_size=63))
def test_no_route_of_the_box_is_covered(node: str) -> None:
    """Law: whatever the name, the subnet lies in our range and outside every route."""
    subnet = cni.free_subnet(ROUTES, node)
    assert subnet.subnet_of(ipaddress.IPv4Network("10.128.0.0/9"))
    assert not subnet.overlaps(ipaddress.IPv4Network("10.128.0.0/10"))
