"""What takes a pod off the box and what never does: our Node's uid, empty lists, deletions."""

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from suanli_agent import tasks
from suanli_agent.link import watch
from suanli_agent.pods import ports


def pod(uid: str) -> dict[str, Any]:
    return {"metadata": {"uid": uid, "name": uid, "namespace": "a", "resourceVersion": "7"}}


@dataclasses.dataclass
class Hub:
    """Stands in for http.Client: answers lists and our Node; `events` is what one watch brings."""

    lists: list[list[str]]
    uid: str | None = "node-1"
    versions: list[str] = dataclasses.field(default_factory=lambda: ["5"])
    events: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    asked: list[str] = dataclasses.field(default_factory=list)

    async def request(self, _method: str, path: str, **_more: Any) -> bytes:
        self.asked.append(path)
        if path.startswith("/api/v1/nodes/"):
            if self.uid is None:
                raise ports.NotFoundError("404")
            return json.dumps({"metadata": {"uid": self.uid}}).encode()
        uids = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        items = [pod(uid) for uid in uids]
        version = self.versions.pop(0) if len(self.versions) > 1 else self.versions[0]
        return json.dumps({"metadata": {"resourceVersion": version}, "items": items}).encode()

    @contextlib.asynccontextmanager
    async def stream(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked.append(path)

        async def chunks() -> AsyncIterator[bytes]:
            text = "".join(json.dumps(event) + "\n" for event in self.events).encode()
            for start in range(0, len(text), 50):  # events come cut anywhere
                yield text[start : start + 50]
            await asyncio.Event().wait()

        yield chunks()


class Pods:
    """Stands in for the pod manager: remembers what it was told."""

    def __init__(self, *uids: str) -> None:
        self.uids = set(uids)
        self.newest = 0
        self.told = asyncio.Event()

    def set_desired(self, pods: list[bytes]) -> None:
        self.uids = {json.loads(raw)["metadata"]["uid"] for raw in pods}
        self.told.set()

    def pod_changed(self, raw: bytes) -> None:
        self.uids.add(json.loads(raw)["metadata"]["uid"])
        self.told.set()

    def pod_removed(self, uid: str) -> None:
        self.uids.discard(uid)
        self.told.set()

    def newest_version(self) -> int:
        return self.newest

    def views(self) -> list[ports.PodView]:
        return [ports.PodView("a", uid, uid, "Running", "", "", 0, None, {}) for uid in sorted(self.uids)]


async def _followed(hub: Hub, pods: Pods, seen: str, times: int = 1) -> watch.PodWatch:
    """Run the watch until it has asked for `seen` so often, and a moment longer."""
    made = watch.PodWatch(hub, "box", pods, lambda: "node-1", lambda _error: None, pause=0.01)  # type: ignore[arg-type]
    task = asyncio.ensure_future(made.run())
    while sum(seen in path for path in hub.asked) < times:  # noqa: ASYNC110 - the stand-in tells no one
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)
    await tasks.end([task])
    return made


async def test_absence_counts_under_our_own_node() -> None:
    pods = Pods("old", "kept")
    await _followed(Hub([["kept", "new"]]), pods, "watch=1")
    assert pods.uids == {"kept", "new"}


@pytest.mark.parametrize("uid", ["node-2", None])
async def test_under_another_node_or_none_nothing_is_taken_away(uid: str | None) -> None:
    """A hub restored from backup, a Node deleted by mistake: work may come, none may go."""
    pods = Pods("old")
    made = await _followed(Hub([["new"]], uid=uid), pods, "watch=1")
    assert pods.uids == {"old", "new"}
    assert made.node_says


async def test_a_list_that_would_empty_the_box_is_asked_for_again() -> None:
    pods = Pods("old")
    hub = Hub([[], ["old"]])
    await _followed(hub, pods, "watch=1")
    assert pods.uids == {"old"}


async def test_an_empty_list_is_not_believed_when_our_node_went_meanwhile() -> None:
    class Deleting(Hub):
        async def request(self, _method: str, path: str, **_more: Any) -> bytes:
            if sum("/pods" in one for one in self.asked) > 1:
                self.uid = None
            return await Hub.request(self, _method, path, **_more)

    pods = Pods("old")
    await _followed(Deleting([[]]), pods, "watch=1")
    assert pods.uids == {"old"}


async def test_an_empty_list_is_believed_the_second_time() -> None:
    pods = Pods("old")
    await _followed(Hub([[]]), pods, "watch=1")
    assert pods.uids == set()


async def test_events_follow_the_list() -> None:
    events = [{"type": "ADDED", "object": pod("b")}, {"type": "DELETED", "object": pod("a")}]
    pods = Pods()
    await _followed(Hub([["a"]], events=events), pods, "watch=1")
    assert pods.uids == {"b"}


async def test_pods_of_a_deleted_node_are_not_deleted_here() -> None:
    """Garbage collection deletes the pods of a Node that is gone; the box goes on."""

    class Later(Hub):
        @contextlib.asynccontextmanager
        async def stream(self, path: str) -> AsyncIterator[AsyncIterator[bytes]]:
            self.uid = None  # deleted after the list
            async with Hub.stream(self, path) as chunks:
                yield chunks

    pods = Pods()
    made = await _followed(Later([["a"]], events=[{"type": "DELETED", "object": pod("a")}]), pods, "watch=1")
    assert pods.uids == {"a"}
    assert "no Node for this box" in made.node_says


async def test_a_version_that_is_too_old_is_listed_anew() -> None:
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    hub = Hub([["a"]], events=[gone])
    await _followed(hub, Pods(), "watch=1", times=2)
    assert sum("watch" not in path and "pods" in path for path in hub.asked) > 1


# --- a hub restored from a backup that holds our Node


async def test_a_hub_older_than_what_we_keep_takes_nothing() -> None:
    """It knows nothing of pods that were made after the backup, the agent restarted meanwhile or not."""
    pods = Pods("newer than the backup")
    pods.newest = 100
    made = await _followed(Hub([["old", "another"]], versions=["60"]), pods, "watch=1")
    assert pods.uids == {"newer than the backup", "old", "another"}
    assert "older" in made.node_says


async def test_a_list_older_than_one_before_takes_nothing() -> None:
    gone = {"type": "ERROR", "object": {"code": 410, "message": "too old"}}
    pods = Pods()
    await _followed(Hub([["a", "b"], ["a"]], versions=["100", "60"], events=[gone]), pods, "watch=1", times=2)
    assert pods.uids == {"a", "b"}


async def test_absence_counts_again_once_the_hub_has_caught_up() -> None:
    """A bookmark, which comes every minute, tells; until then nothing is asked again."""
    bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "101"}}}
    pods = Pods("gone")
    pods.newest = 100
    made = await _followed(Hub([["kept"]], versions=["60", "101"], events=[bookmark]), pods, "watch=1", times=2)
    assert pods.uids == {"kept"}
    assert not made.node_says
