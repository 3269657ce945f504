"""What the process of a container is given: its identity, its limits, and the accelerator cards that it asked for.

Ordinary device nodes stand in for those of a driver.
"""

import base64
import os
import stat
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import suanli_containerd as sc
from suanli_agent.core import devices
from suanli_pods import Box, container, pod

NPU = "huawei.com/Ascend910"


@pytest.fixture
def cards(tmp_path: Path) -> list[str]:
    """Nodes of two cards (/dev/zero's and /dev/full's numbers) and one that every user needs (/dev/null's)."""
    made = []
    for name, minor in (("davinci0", 5), ("davinci1", 7), ("davinci_manager", 3)):
        made.append(str(tmp_path / name))
        os.mknod(made[-1], stat.S_IFCHR | 0o666, os.makedev(1, minor))
    return made


@pytest.fixture
async def box(containerd: sc.Containerd, tmp_path: Path, cards: list[str]) -> AsyncIterator[Box]:
    made = Box(containerd, tmp_path)
    made.cards = {NPU: devices.Pool(((cards[0],), (cards[1],)), (cards[2],))}
    async with made:
        yield made


def wants(count: int, name: str = "c", script: str = "sleep 1000") -> dict[str, Any]:
    return container(script, name=name, resources={"limits": {NPU: str(count)}})


async def seen(box: Box, uid: str, cards: list[str], name: str = "c") -> list[bool]:
    """Which of the nodes a container can open."""
    return [(await box.execute(uid, "dd", f"if={node}", "count=0", name=name))[0] == 0 for node in cards]


async def test_each_container_has_its_own_cards_and_no_other(box: Box, cards: list[str]) -> None:
    """Through a restart of the agent too; who asked for none has none."""
    both = pod(wants(1, "a"), wants(1, "b"))
    await box.run(both)
    uid = both["metadata"]["uid"]
    assert await seen(box, uid, cards, "a") == [True, False, True]
    assert await seen(box, uid, cards, "b") == [False, True, True]
    assert (await box.execute(uid, "dd", f"if={cards[0]}", "bs=1", "count=1", name="a"))[0] == 0
    plain = pod()
    await box.run(plain)
    assert await seen(box, plain["metadata"]["uid"], cards) == [False, False, False]
    await box.restart()
    late = pod(wants(1))
    box.send(late)
    await box.hub.until(lambda: "1 wanted, 0 of the 2 cards" in str(box.container(late["metadata"]["uid"])))
    assert await seen(box, uid, cards, "b") == [False, True, True]


async def test_cards_are_free_again_when_their_pod_has_ended(box: Box, cards: list[str]) -> None:
    """A Job that is done keeps its object on the hub, not its cards: kube-scheduler counts them as free."""
    await box.finish(pod(wants(2, script="true"), restartPolicy="Never"))
    second = pod(wants(2))
    await box.run(second)
    assert await seen(box, second["metadata"]["uid"], cards) == [True, True, True]


# --- identity and limits of the process


async def test_security_context_reaches_the_process(box: Box) -> None:
    # One stream: the runtime writes lines of two in any order.
    script = (
        "exec 2>&1; id -u; id -g; id -G; grep -E 'NoNewPrivs|CapEff|Seccomp:' /proc/self/status; touch /x || true"
    )
    context = {
        "runAsUser": 1234,
        "runAsGroup": 2345,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    wanted = pod(
        container(script, securityContext=context),
        securityContext={"fsGroup": 999, "supplementalGroups": [555]},
        restartPolicy="Never",
    )
    lines = (await box.output(wanted)).splitlines()
    assert lines[:2] == ["1234", "2345"]
    assert set(lines[2].split()) == {"2345", "555", "999"}
    assert lines[3:6] == ["CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"]
    assert "Read-only file system" in lines[6]


async def test_image_of_root_is_refused_where_non_root_is_asked(box: Box) -> None:
    uid = box.send(pod(container(securityContext={"runAsNonRoot": True})))
    await box.hub.until(
        lambda: (
            box.container(uid).get("state", {}).get("waiting", {}).get("reason") == "CreateContainerConfigError"
        )
    )
    assert "runAsNonRoot" in box.container(uid)["state"]["waiting"]["message"]


async def test_fs_group_owns_the_volumes(box: Box) -> None:
    box.hub.put("Secret", "default", "word", data={"s": base64.b64encode(b"hidden").decode()})
    mounts = [{"name": "e", "mountPath": "/e"}, {"name": "s", "mountPath": "/s"}]
    script = "stat -c '%g %a' /e; touch /e/f; stat -c %g /e/f; stat -L -c '%g %a' /s/s; cat /s/s"
    wanted = pod(
        container(script, volumeMounts=mounts),
        volumes=[
            {"name": "e", "emptyDir": {}},
            {"name": "s", "secret": {"secretName": "word", "defaultMode": 0o400}},
        ],
        securityContext={"fsGroup": 999, "runAsUser": 1000},
        restartPolicy="Never",
    )
    assert (await box.output(wanted)).splitlines() == ["999 2777", "999", "999 440", "hidden"]


async def test_limits_become_cgroup_values(box: Box) -> None:
    files = ("memory/memory.limit_in_bytes", "cpu/cpu.shares", "cpu/cpu.cfs_quota_us", "memory.max", "cpu.max")
    script = f"cd /sys/fs/cgroup; for f in {' '.join(files)}; do [ -e $f ] && cat $f; done; true"
    limits = {"limits": {"memory": "64Mi", "cpu": "500m"}, "requests": {"cpu": "250m"}}
    lines = (await box.output(pod(container(script, resources=limits), restartPolicy="Never"))).split()
    assert str(64 * 2**20) in lines
    assert "50000" in lines


async def test_process_that_takes_too_much_memory_is_reported_as_killed(box: Box) -> None:
    wanted = pod(
        container("tail /dev/zero", resources={"limits": {"memory": "16Mi"}}),
        restartPolicy="Never",
    )
    told = await box.finish(wanted)
    assert told["containerStatuses"][0]["state"]["terminated"]["reason"] == "OOMKilled"


# --- the control group of all pods


async def test_the_group_of_the_pods_is_what_the_box_reads(box: Box) -> None:
    """What is counted as theirs, and not as another program's, is under the parent that the runtime was given."""
    await box.run(pod())
    held = [Path("/sys/fs/cgroup/memory/suanli"), Path("/sys/fs/cgroup/suanli")]
    assert [place for place in held if place.is_dir()]


async def test_a_runtime_whose_groups_systemd_makes_is_given_a_slice(tmp_path: Path) -> None:
    """It says so itself; runc takes no other parent, and refuses a path before it looks for systemd."""
    with sc.running(tmp_path / "ctd", systemd_cgroup=True) as runtime:
        async with Box(runtime, tmp_path / "box") as box:
            box.send(pod())
            await box.hub.until(lambda: box.hub.events)
            assert box.manager._ctx.settings.cgroup_parent == "suanli.slice"
            assert not [each for each in box.hub.events if "expected cgroupsPath" in each.message]


# --- the disk that all of them take


async def test_images_and_what_pods_write_are_known_as_theirs(box: Box, tmp_path: Path) -> None:
    before = await box.manager.disk_use()
    assert before is not None
    wanted = pod(
        container("sleep 1000", volumeMounts=[{"name": "e", "mountPath": "/e"}]),
        volumes=[{"name": "e", "emptyDir": {}}],
    )
    await box.run(wanted)
    uid = wanted["metadata"]["uid"]
    assert (await box.execute(uid, "dd", "if=/dev/zero", "of=/e/f", "bs=1M", "count=5"))[0] == 0
    after = await box.manager.disk_use()
    assert after is not None
    images = next(place for place in after if place.startswith(str(box.containerd.root)))
    assert after[images] > 100_000, "busybox alone is larger"
    assert after[str(tmp_path / "root")] >= before[str(tmp_path / "root")] + 5 * 2**20
