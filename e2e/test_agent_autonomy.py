"""What happens to pods when agent, runtime, power or hub fail; what is cleaned up and what never is."""

from __future__ import annotations

import base64
import dataclasses
from pathlib import Path

import suanli_containerd as sc
from suanli_agent.runtime import client
from suanli_pods import Box, container, pod


def forget_disk(folder: Path) -> None:
    for file in folder.glob("state.db*"):
        file.unlink()


async def test_restarted_agent_adopts_what_runs(box: Box) -> None:
    wanted = pod()
    await box.run(wanted)
    uid = wanted["metadata"]["uid"]
    before = box.container(uid)["containerID"]
    box.hub.away = True
    await box.restart()
    await box.hub.until(lambda: len(box.manager.views()) == 1)
    patches = len(box.hub.patches)
    box.hub.away = False
    box.manager.link_restored()
    await box.manager.tidy()
    assert box.container(uid)["containerID"] == before
    assert len(box.hub.patches) == patches, "nothing changed, so nothing is told"


async def test_reboot_without_a_hub_brings_every_pod_back(containerd: sc.Containerd, tmp_path: Path) -> None:
    """All processes, the sandbox's network and /run are gone; specs, ConfigMaps, Secrets and tokens come from
    disk, and that an optional one does not exist.
    """
    with sc.running(tmp_path / "ctd") as own:
        async with Box(own, tmp_path / "box") as box:
            box.hub.put("ConfigMap", "default", "conf", data={"a": "1"})
            box.hub.put("Secret", "default", "word", data={"s": base64.b64encode(b"hidden").decode()})
            token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}}
            volumes = [
                {"name": "conf", "configMap": {"name": "conf"}},
                {"name": "all", "projected": {"sources": [token, {"secret": {"name": "word"}}]}},
                {"name": "none", "configMap": {"name": "none", "optional": True}},
            ]
            mounts = [{"name": "conf", "mountPath": "/c"}, {"name": "all", "mountPath": "/a"}]
            wanted = pod(container(volumeMounts=mounts), volumes=volumes, imagePullSecrets=[{"name": "not-there"}])
            await box.run(wanted)
            uid = wanted["metadata"]["uid"]
            before = box.container(uid)["containerID"]
            box.hub.away = True
            await box.stop()
            own.reboot()
            box.lose_memory()
            own.start()
            await box.start()
            await box.hub.until(lambda: back(box))
            box.hub.away = False
            box.manager.link_restored()
            await box.hub.until(lambda: box.container(uid)["containerID"] != before and box.ready(uid))
            code, seen = await box.execute(uid, "sh", "-c", "cat /c/a /a/s; test -s /a/token")
            assert (code, seen) == (0, "1hidden")
            assert box.container(uid)["restartCount"] == 1


def back(box: Box) -> bool:
    """True once the pod was started anew. What it was is known from disk before."""
    (view,) = box.manager.views()
    return view.restarts == 1 and view.containers == {"c": "running"}


async def test_restarted_runtime_harms_no_container(box: Box, containerd: sc.Containerd) -> None:
    wanted = pod()
    await box.run(wanted)
    before = box.container(wanted["metadata"]["uid"])["containerID"]
    containerd.kill()
    assert not (await box.manager.engine()).ready
    containerd.start()
    later = pod()
    await box.run(later)
    assert box.container(wanted["metadata"]["uid"])["containerID"] == before
    assert box.container(wanted["metadata"]["uid"])["restartCount"] == 0


async def test_pod_that_ended_is_not_run_again_after_a_restart(box: Box) -> None:
    wanted = pod(container("exit 0"), restartPolicy="Never")
    await box.finish(wanted)
    uid = wanted["metadata"]["uid"]
    await box.hub.until(lambda: box.condition(uid, "PodReadyToStartContainers") == "False")
    told = of_pod(box, uid)
    await box.restart()
    await box.manager.tidy()
    assert box.manager.views()[0].phase == "Succeeded"
    await box.run(pod())  # which takes longer than what is no news waits
    assert of_pod(box, uid) == told, "its address too stays as the hub knows it, though the runtime has it no more"


def of_pod(box: Box, uid: str) -> list[dict[str, object]]:
    return [patch for patch in box.hub.patches if patch["metadata"]["uid"] == uid]


async def test_orphans_go_only_once_the_hub_has_spoken(box: Box, tmp_path: Path) -> None:
    """A lost disk does not stop what runs; a list from the hub does."""
    await box.run(pod())
    await box.stop()
    forget_disk(tmp_path)
    await box.start()
    await box.manager.tidy()
    assert box.containerd.ctr("tasks", "ls", "-q").split()
    box.manager.set_desired([])
    await box.manager.tidy()
    assert not box.containerd.ctr("tasks", "ls", "-q").split()


# --- cleaning up


async def test_full_disk_costs_unused_images_and_never_needed_ones(
    containerd: sc.Containerd, tmp_path: Path
) -> None:
    """A desired pod's image stays, running or not; so does the sandbox's own, which every pod needs."""
    for name in ("used", "wanted", "old"):
        image = dataclasses.replace(sc.busybox_image(), files={**sc.busybox_image().files, name: (b"x", 0o644)})
        containerd.load(f"suanli.test/{name}:1", image)
    async with Box(
        containerd, tmp_path, image_high_percent=0, image_low_percent=0, image_min_age_seconds=0
    ) as box:
        await box.run(pod(container(image="suanli.test/used:1")))
        waiting = [container("exit 1", image="suanli.test/missing:1", imagePullPolicy="Never", name="i")]
        box.send(pod(container(image="suanli.test/wanted:1"), initContainers=waiting))
        await box.manager.tidy()
        names = {tag for image in await client.Runtime(containerd.socket).list_images() for tag in image.tags}
    assert {"suanli.test/used:1", "suanli.test/wanted:1", sc.PAUSE} <= names
    containerd.load_basics()  # for the tests after this one
    assert "suanli.test/old:1" not in names


async def test_big_log_is_rotated_and_nothing_of_it_is_lost(containerd: sc.Containerd, tmp_path: Path) -> None:
    async with Box(containerd, tmp_path, log_max_bytes=1000, log_max_files=2) as box:
        wanted = pod(container("i=0; while true; do i=$((i+1)); echo line $i; sleep 0.01; done"))
        await box.run(wanted)
        folder = next((tmp_path / "log").iterdir()) / "c"
        await box.hub.until(lambda: (folder / "0.log").stat().st_size > 2000)
        await box.manager.tidy()
        await box.hub.until(lambda: (folder / "0.log").exists() and (folder / "0.log").stat().st_size > 100)
        old, new = sorted(folder.iterdir(), key=lambda path: -len(path.name))
        last = old.read_text().splitlines()[-1].split()[-1]
        first = new.read_text().splitlines()[0].split()[-1]
        assert int(first) == int(last) + 1
