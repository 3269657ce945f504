"""Environment, volumes and disk of pods on a real containerd: containers get what their spec says, and no more."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import pytest

import suanli_containerd as sc
from suanli_agent.pods import storage
from suanli_pods import Box, container, pod


def env(name: str, **fields: object) -> dict[str, object]:
    return {"name": name, **fields}


def ref(path: str) -> dict[str, object]:
    return {"fieldRef": {"fieldPath": path}}


async def test_environment_comes_from_everywhere(box: Box) -> None:
    box.hub.put("ConfigMap", "default", "conf", data={"a": "1", "b": "2"})
    box.hub.put("Secret", "default", "word", data={"s": base64.b64encode(b"hidden").decode()})
    variables = [
        env("PLAIN", value="x-$(FROM_a)"),
        env("NAME", valueFrom=ref("metadata.name")),
        env("IP", valueFrom=ref("status.podIP")),
        env("KEY", valueFrom={"configMapKeyRef": {"name": "conf", "key": "b"}}),
        env("SECRET", valueFrom={"secretKeyRef": {"name": "word", "key": "s"}}),
        env("LIMIT", valueFrom={"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}),
    ]
    wanted = pod(
        container(
            "echo $PLAIN $NAME $KEY $SECRET $LIMIT $KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT; test -n $IP",
            env=variables,
            envFrom=[{"prefix": "FROM_", "configMapRef": {"name": "conf"}}],
            resources={"limits": {"memory": "64Mi"}},
        ),
        restartPolicy="Never",
    )
    name = wanted["metadata"]["name"]
    assert await box.output(wanted) == f"x-1 {name} 2 hidden 64 10.9.8.7:6443\n"


async def test_missing_config_map_keeps_the_container_waiting_until_it_is_there(box: Box) -> None:
    wanted = pod(container(env=[env("A", valueFrom={"configMapKeyRef": {"name": "late", "key": "k"}})]))
    uid = box.send(wanted)
    await box.hub.until(
        lambda: (
            box.container(uid).get("state", {}).get("waiting", {}).get("reason") == "CreateContainerConfigError"
        )
    )
    box.hub.put("ConfigMap", "default", "late", data={"k": "v"})
    await box.hub.until(lambda: box.ready(uid))


async def test_volumes_of_all_kinds_have_their_files(box: Box, tmp_path: Path) -> None:
    box.hub.put("ConfigMap", "default", "conf", data={"a": "1"}, binaryData={"bin": "AAE="})
    box.hub.put("Secret", "default", "word", data={"s": base64.b64encode(b"hidden").decode()})
    (tmp_path / "host").mkdir()
    (tmp_path / "host" / "f").write_text("from the host")
    token = {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600, "audience": "me"}}
    volumes = [
        {"name": "conf", "configMap": {"name": "conf", "defaultMode": 0o440}},
        {"name": "word", "secret": {"secretName": "word"}},
        {"name": "down", "downwardAPI": {"items": [{"path": "labels", **ref("metadata.labels")}]}},
        {"name": "both", "projected": {"sources": [token, {"configMap": {"name": "conf"}}]}},
        {"name": "host", "hostPath": {"path": str(tmp_path / "host"), "type": "Directory"}},
        {"name": "none", "configMap": {"name": "none", "optional": True}},
        {"name": "mem", "emptyDir": {"medium": "Memory", "sizeLimit": "4Mi"}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/v/{volume['name']}"} for volume in volumes]
    script = (
        "stat -L -c %a /v/conf/a; cat /v/conf/a; wc -c < /v/conf/bin; cat /v/word/s; echo; cat /v/down/labels; echo;"
        "cat /v/both/token; echo; cat /v/both/a; echo; cat /v/host/f; echo; ls /v/none;"
        "grep ' /v/mem ' /proc/mounts | cut -d' ' -f3; grep -o size=4096k /proc/mounts"
    )
    wanted = pod(container(script, volumeMounts=mounts), volumes=volumes, restartPolicy="Never")
    wanted["metadata"]["labels"] = {"app": "x"}
    lines = (await box.output(wanted)).splitlines()
    assert lines[:3] == ["440", "12", "hidden"]
    assert lines[3] == 'app="x"'
    assert lines[4].endswith(f"{wanted['metadata']['uid']}.me")
    assert lines[5:7] == ["1", "from the host"]
    assert lines[7:] == ["tmpfs", "size=4096k"]


@pytest.mark.parametrize("spec", [{}, {"fsGroup": 3000, "runAsUser": 1000}], ids=["root", "fsGroup"])
async def test_what_the_agent_writes_cannot_be_written_by_a_container(box: Box, spec: dict[str, object]) -> None:
    """Else it could put a link there for the agent, which is root, to follow."""
    box.hub.put("ConfigMap", "default", "conf", data={"a": "1"})
    box.hub.put("Secret", "default", "word", data={"s": base64.b64encode(b"hidden").decode()})
    volumes = [
        {"name": "conf", "configMap": {"name": "conf"}},
        {"name": "word", "secret": {"secretName": "word"}},
        {"name": "down", "downwardAPI": {"items": [{"path": "name", **ref("metadata.name")}]}},
        {"name": "both", "projected": {"sources": [{"configMap": {"name": "conf"}}]}},
    ]
    mounts = [{"name": volume["name"], "mountPath": f"/v/{volume['name']}"} for volume in volumes]
    script = "for v in conf word down both; do ln -s /var/lib /v/$v/x 2>&1; rm /v/$v/..data 2>&1; done"
    wanted = pod(
        container(script, volumeMounts=mounts), volumes=volumes, securityContext=spec, restartPolicy="Never"
    )
    lines = (await box.output(wanted)).splitlines()
    assert [line.rpartition(": ")[2] for line in lines] == ["Read-only file system"] * 8


async def test_changed_config_map_and_labels_reach_the_running_pod(
    containerd: sc.Containerd, tmp_path: Path
) -> None:
    async with Box(containerd, tmp_path, refresh_seconds=0.5) as box:
        box.hub.put("ConfigMap", "default", "conf", data={"a": "old"})
        mounts = [{"name": "conf", "mountPath": "/v"}, {"name": "down", "mountPath": "/d"}]
        labels = {"downwardAPI": {"items": [{"path": "labels", **ref("metadata.labels")}]}}
        volumes = [{"name": "conf", "configMap": {"name": "conf"}}, {"name": "down", **labels}]
        wanted = pod(container(volumeMounts=mounts), volumes=volumes)
        await box.run(wanted)
        uid = wanted["metadata"]["uid"]
        box.hub.put("ConfigMap", "default", "conf", data={"a": "new", "b": "more"})
        wanted["metadata"]["labels"] = {"k": "v"}
        box.send(wanted)

        async def settled() -> bool:
            return (await box.execute(uid, "cat", "/v/a", "/v/b", "/d/labels"))[1] == 'newmorek="v"'

        for _ in range(100):
            if await settled():
                break
            await asyncio.sleep(0.1)
        assert await settled()
        assert box.container(uid)["restartCount"] == 0


async def test_sub_path_cannot_lead_out_of_its_volume(box: Box) -> None:
    """A link that a container made in a shared volume must not become a window to the host."""
    share = [{"name": "v", "mountPath": "/v"}]
    wanted = pod(
        container(volumeMounts=[{"name": "v", "mountPath": "/x", "subPath": "out"}]),
        initContainers=[container("ln -s /etc /v/out", name="i", volumeMounts=share)],
        volumes=[{"name": "v", "emptyDir": {}}],
    )
    uid = box.send(wanted)
    await box.hub.until(lambda: any("leads out of the volume" in note.message for note in box.hub.events))
    assert "running" not in box.container(uid).get("state", {})


async def test_sub_path_of_a_config_map_is_one_file(box: Box) -> None:
    box.hub.put("ConfigMap", "default", "conf", data={"a": "1", "b": "2"})
    mounts = [{"name": "v", "mountPath": "/etc/one", "subPath": "b"}]
    wanted = pod(
        container("cat /etc/one", volumeMounts=mounts),
        volumes=[{"name": "v", "configMap": {"name": "conf"}}],
        restartPolicy="Never",
    )
    assert await box.output(wanted) == "2"


# --- disk


def filling(path: str, mebibytes: int) -> str:
    return f"dd if=/dev/zero of={path} bs=1M count={mebibytes}; sync; sleep 1000 & wait $!"


def limited(amount: str) -> dict[str, object]:
    return {"limits": {"ephemeral-storage": amount}, "requests": {"ephemeral-storage": amount}}


@pytest.mark.parametrize(
    ("path", "fields", "said"),
    [
        ("/v/fill", {}, 'Usage of EmptyDir volume "v" exceeds the limit "1Mi".'),
        ("/fill", {"resources": limited("2Mi")}, 'Container c exceeded its local ephemeral storage limit "2Mi".'),
    ],
)
async def test_a_pod_that_takes_more_disk_than_it_may_is_evicted(
    box: Box, monkeypatch: pytest.MonkeyPatch, path: str, fields: dict[str, object], said: str
) -> None:
    monkeypatch.setattr(storage, "PERIOD_SECONDS", 0.2)
    await box.restart()
    mounts_ = [{"name": "v", "mountPath": "/v"}]
    wanted = pod(
        container(filling(path, 4), volumeMounts=mounts_, **fields),
        volumes=[{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}],
    )
    told = await box.finish(wanted)
    assert (told["phase"], told["reason"], told["message"]) == ("Failed", "Evicted", said)
    assert "Evicted" in box.reasons(wanted["metadata"]["uid"])


async def test_a_resize_waits_for_the_next_start_and_is_said_to(box: Box) -> None:
    wanted = pod(container(resources={"limits": {"memory": "32Mi"}}))
    uid = wanted["metadata"]["uid"]
    await box.run(wanted)
    wanted["spec"]["containers"][0]["resources"] = {"limits": {"memory": "48Mi"}}
    box.send(wanted)
    await box.hub.until(lambda: box.condition(uid, "PodResizePending") == "True")
    await box.restart()
    await box.execute(uid, "kill", "1")
    await box.hub.until(lambda: box.container(uid)["restartCount"] == 1 and box.ready(uid))
    assert box.condition(uid, "PodResizePending") == "False"
