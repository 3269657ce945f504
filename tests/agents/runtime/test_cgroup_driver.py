"""Who makes control groups for the runtime, from what runtimes answer, and the parent that their sandboxes get.

The bytes are those of RuntimeConfig's messages in k8s.io/cri-api; the configuration is what containerd 1.6 tells.
"""

import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpclib import const, server
from hypothesis import given
from hypothesis import strategies as st
from tests.pod_makers import make_pod

from suanli_agent import state
from suanli_agent.core import cgroups
from suanli_agent.pods import configs, manager, ports, settings
from suanli_agent.runtime import client, records
from suanli_agent.runtime import cri_pb2 as cri
from suanli_memory_hub import MemoryHub

LINUX_WITH_SYSTEMD, LINUX_WITH_CGROUPFS, NOTHING = b"\x0a\x00", b"\x0a\x02\x08\x01", b""


def containerd(options: object) -> dict[str, str]:
    """The part of containerd's verbose Status that matters; a default runtime beside another one."""
    runtimes = {
        "runc": {"runtimeType": "io.containerd.runc.v2", "options": options},
        "other": {"options": {"SystemdCgroup": options is None}},
    }
    whole = {"containerd": {"defaultRuntimeName": "runc", "runtimes": runtimes}, "systemdCgroup": False}
    return {"config": json.dumps(whole), "golang": '"go1.19.8"'}


CRIO = {"config": '{"sandboxImage":"registry.k8s.io/pause:3.9"}'}


@pytest.mark.parametrize(
    ("answer", "driver"),
    [(LINUX_WITH_SYSTEMD, "systemd"), (LINUX_WITH_CGROUPFS, "cgroupfs"), (NOTHING, "")],
)
def test_runtime_config_names_the_driver(answer: bytes, driver: str) -> None:
    """systemd is 0, which proto3 leaves out: only an answer about Linux names it."""
    assert records.cgroup_driver(cri.RuntimeConfigResponse.FromString(answer)) == driver


@pytest.mark.parametrize(
    ("info", "driver"),
    [
        (containerd({"SystemdCgroup": True, "BinaryName": ""}), "systemd"),
        (containerd({"SystemdCgroup": False}), "cgroupfs"),
        (containerd(None), "cgroupfs"),
        (CRIO, ""),
        ({}, ""),
        ({"config": "no JSON"}, ""),
        ({"config": "[]"}, ""),
    ],
)
def test_containerd_shows_the_driver_of_its_default_runtime(info: dict[str, str], driver: str) -> None:
    assert records.configured_driver(info) == driver


class Spoken:
    """A runtime's socket that gives set answers; a method that it lacks is Unimplemented, as of an older one."""

    def __init__(self, name: str, info: dict[str, str], config: bytes | None) -> None:
        self.answers: dict[str, tuple[type[Any], type[Any], Any]] = {
            "Version": (cri.VersionRequest, cri.VersionResponse, cri.VersionResponse(runtime_name=name)),
            "Status": (cri.StatusRequest, cri.StatusResponse, cri.StatusResponse(info=info)),
            "ListPodSandbox": (
                cri.ListPodSandboxRequest, cri.ListPodSandboxResponse, cri.ListPodSandboxResponse(),
            ),
            "ListContainers": (
                cri.ListContainersRequest, cri.ListContainersResponse, cri.ListContainersResponse(),
            ),
        }  # fmt: skip
        if config is not None:
            told = cri.RuntimeConfigResponse.FromString(config)
            self.answers["RuntimeConfig"] = (cri.RuntimeConfigRequest, cri.RuntimeConfigResponse, told)

    def __mapping__(self) -> dict[str, const.Handler]:
        return {client.RUNTIME + name: self._handler(*answer) for name, answer in self.answers.items()}

    @staticmethod
    def _handler(request: type[Any], reply: type[Any], answer: Any) -> const.Handler:
        async def handle(stream: "server.Stream[Any, Any]") -> None:
            await stream.recv_message()
            await stream.send_message(answer)

        return const.Handler(handle, const.Cardinality.UNARY_UNARY, request, reply)

    @contextlib.asynccontextmanager
    async def pods(self, folder: Path, parent: str = "") -> AsyncIterator[manager.PodManager]:
        """The pods of a box with this runtime, started."""
        listening, store = server.Server([self]), state.Store(folder / "state.db")
        await listening.start(path=str(folder / "cri.sock"))
        runtime = client.Runtime(str(folder / "cri.sock"))
        knobs = settings.Settings(root=folder, run_root=folder, seccomp_root=folder, cgroup_parent=parent)
        made = manager.PodManager(knobs, runtime, store, MemoryHub(), ports.NodeFacts("box", ("10.0.0.1",), {}))
        await made.start()
        try:
            yield made
        finally:
            await made.stop()
            runtime.close()
            store.close()
            listening.close()
            await listening.wait_closed()


@pytest.mark.parametrize(
    ("runtime", "parent"),
    [
        (Spoken("containerd", containerd(None), LINUX_WITH_SYSTEMD), "suanli.slice"),
        (Spoken("containerd", containerd({"SystemdCgroup": True}), LINUX_WITH_CGROUPFS), "/suanli"),
        (Spoken("containerd", containerd({"SystemdCgroup": True}), None), "suanli.slice"),
        (Spoken("containerd", containerd({"SystemdCgroup": True}), NOTHING), "suanli.slice"),
        (Spoken("containerd", containerd({}), None), "/suanli"),
        (Spoken("cri-o", CRIO, LINUX_WITH_CGROUPFS), "/suanli"),
        (Spoken("cri-o", CRIO, None), "suanli.slice"),
        (Spoken("iSulad", {}, None), "/suanli"),
    ],
)
async def test_sandboxes_get_the_parent_that_their_runtime_takes(
    tmp_path: Path, runtime: Spoken, parent: str
) -> None:
    """RuntimeConfig counts first, containerd's configuration after it, then what is known of the runtime."""
    async with runtime.pods(tmp_path) as pods:
        made = configs.sandbox(make_pod(), 0, pods._ctx.settings, "")
    assert made.linux.cgroup_parent == parent


async def test_a_parent_that_was_set_stays(tmp_path: Path) -> None:
    async with Spoken("cri-o", CRIO, LINUX_WITH_SYSTEMD).pods(tmp_path, "/own") as pods:
        assert pods._ctx.settings.cgroup_parent == "/own"


@pytest.mark.parametrize(
    ("parent", "places"),
    [
        ("", ("/suanli", "/suanli.slice")),
        ("/own/pods", ("/own/pods",)),
        ("own", ("/own",)),
        ("a-b.slice", ("/a.slice/a-b.slice",)),
        ("/a.slice/a-b.slice", ("/a.slice/a-b.slice",)),
    ],
)
def test_use_is_read_where_the_parent_lies(parent: str, places: tuple[str, ...]) -> None:
    assert cgroups.directories(parent) == places


@given(st.sampled_from(["systemd", "cgroupfs", ""]), st.sampled_from(["containerd", "cri-o", "iSulad"]))
def test_where_the_parent_is_found_out_its_use_is_read(driver: str, runtime: str) -> None:
    """Law: whatever parent the pods are given, link/ reads it without being told."""
    assert set(cgroups.directories(cgroups.parent(driver, runtime))) <= set(cgroups.directories(""))
