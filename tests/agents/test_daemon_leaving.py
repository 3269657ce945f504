"""When a box may forget its hub: only while it asks to leave, and what it kept for one hub is not the next one's."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from suanli_agent import daemon, settings
from suanli_agent.link import identity, pki
from suanli_agent.pods import ports

ASKING = {"annotations": {"suanli.io/leave": "true"}}
STAYING: dict[str, Any] = {"annotations": {}}


class Watch:
    """Stands in for link.watch: the Node as the hub shows it, look after look; the last one lasts."""

    def __init__(self, *shown: dict[str, Any] | ports.HubError | None) -> None:
        self.shown = list(shown)
        self.looks = 0

    async def our_node(self) -> dict[str, Any] | None:
        self.looks += 1
        seen = self.shown.pop(0) if len(self.shown) > 1 else self.shown[0]
        if isinstance(seen, ports.HubError):
            raise seen
        return seen


def joined(folder: Path, uid: str = "node-1") -> pki.Store:
    store = pki.Store(folder)
    store.prepare()
    store.write_hub(pki.Hub("https://127.0.0.1:1", "box"))
    identity.remember_uid(store, uid)
    return store


def agent(folder: Path) -> daemon.Daemon:
    runtime = f"unix://{folder}/none.sock"
    return daemon.Daemon(settings.Settings(state=str(folder), run=str(folder), runtime=runtime, listen="0"))


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "LEAVE_POLL_SECONDS", 0.0)


async def turns(count: int = 50) -> None:
    """Let everything that can go on do so."""
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.usefixtures("at_once")
async def test_a_box_that_asked_forgets_its_hub_when_its_node_is_gone(tmp_path: Path) -> None:
    store = joined(tmp_path)
    store.leaving.touch()
    one = agent(tmp_path)
    one.link.watch = Watch(ASKING, ports.UnavailableError("away"), None)  # type: ignore[assignment]
    await asyncio.wait_for(one._leaving(), 30)
    assert not store.kubeconfig.exists()
    assert not store.leaving.exists()


@pytest.mark.usefixtures("at_once")
async def test_what_is_taken_back_on_the_hub_is_asked_no_longer(tmp_path: Path) -> None:
    """And a Node that is deleted later, by mistake, stops nothing."""
    store = joined(tmp_path)
    store.leaving.touch()
    one = agent(tmp_path)
    one.link.watch = watched = Watch(ASKING, STAYING, None)  # type: ignore[assignment]
    leaving = asyncio.ensure_future(one._leaving())
    await turns()
    assert not store.leaving.exists()
    assert watched.looks == 2
    assert store.kubeconfig.exists()
    assert not leaving.done()
    leaving.cancel()


@pytest.mark.usefixtures("at_once")
async def test_who_forgets_the_hub_at_the_box_stops_no_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`leave --local` beside a daemon that is leaving: its Node seems to be another one's from then on."""
    store = joined(tmp_path)
    store.leaving.touch()
    one = agent(tmp_path)

    class Forgetting(Watch):
        async def our_node(self) -> dict[str, Any] | None:
            if not self.looks:
                store.forget()
            return await Watch.our_node(self)

    one.link.watch = Forgetting(None)  # type: ignore[assignment]
    told: list[Any] = []
    monkeypatch.setattr(one.pods, "set_desired", told.append)
    leaving = asyncio.ensure_future(one._leaving())
    await turns()
    assert told == []
    assert not leaving.done()
    leaving.cancel()


@pytest.mark.usefixtures("at_once")
async def test_asking_again_while_the_hub_is_looked_at_counts(tmp_path: Path) -> None:
    """The answer that shows no wish to leave is older than the wish."""
    store = joined(tmp_path)
    store.leaving.touch()
    one = agent(tmp_path)

    class Asking(Watch):
        async def our_node(self) -> dict[str, Any] | None:
            if not self.looks:
                one._asked.set()
            return await Watch.our_node(self)

    one.link.watch = Asking(STAYING, ASKING)  # type: ignore[assignment]
    leaving = asyncio.ensure_future(one._leaving())
    await turns()
    assert store.leaving.exists()
    leaving.cancel()


@pytest.mark.parametrize(("uid", "kept"), [("node-1", [b"{}"]), ("node-2", [])])
async def test_another_hubs_pods_are_not_kept(tmp_path: Path, uid: str, kept: list[bytes]) -> None:
    """A box that joined as another Node begins with nothing desired; who joins again as the same goes on."""
    joined(tmp_path)
    first = agent(tmp_path)
    first.desired.put_pod("u", "default", "p", b"{}")
    first.desired.put_object("Secret", "default", "s", b"1")
    first.desired.close()
    joined(tmp_path, uid)
    again = agent(tmp_path).desired
    assert again.pods() == kept
    assert (again.object("Secret", "default", "s") is not None) is bool(kept)
