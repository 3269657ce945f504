"""Whatever is wrong with the identity or the answers, the link stands and tries on: pods depend on nothing of it."""

import asyncio
from pathlib import Path

import pytest

from suanli_agent import settings
from suanli_agent.link import identity, link, pki
from suanli_agent.pods import ports


def broken(folder: Path, pem: str) -> tuple[settings.Settings, pki.Store]:
    store = pki.Store(folder)
    store.prepare()
    store.ca.write_text("no certificate")
    store.pem("client").write_text(pem)
    (store.folder / "client.json").write_text(
        '{"not_before": 0, "not_after": 1, "name": "system:node:box", "key_hash": "x", "requested": 600}'
    )
    return settings.Settings(state=str(folder), listen="0"), store


async def test_files_that_cannot_be_read_keep_only_the_hub_away(tmp_path: Path) -> None:
    """A disk fault in the certificate must not keep the daemon, and with it the pods, from starting."""
    chosen, store = broken(tmp_path, "rubbish")
    made = link.Link(chosen, store, pki.Hub("https://127.0.0.1:1", "box"))
    assert made.facts().name == "box"
    with pytest.raises(ports.UnavailableError):
        await made.client.request("GET", "/")


async def test_a_key_that_cannot_be_read_is_said_and_tried_again(tmp_path: Path) -> None:
    chosen, store = broken(tmp_path, "rubbish")
    store.recovery.write_text("abcdef.0123456789abcdef")
    made = link.Link(chosen, store, pki.Hub("https://127.0.0.1:1", "box"))
    task = asyncio.ensure_future(made.identity.run())
    while made.identity.said == "valid":  # noqa: ASYNC110 - it is words that change
        await asyncio.sleep(0.01)
    assert not task.done()
    assert made.identity.said.startswith("expired: ")
    task.cancel()


async def test_a_part_that_fails_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """A captive portal answers 200 with a page: no JSON, and no reason to end."""
    monkeypatch.setattr(link, "FAULT_SECONDS", 0.0)
    tried = asyncio.Event()
    times = 0

    async def part() -> None:
        nonlocal times
        times += 1
        if times == 3:
            tried.set()
        raise ValueError("no JSON")

    task = asyncio.ensure_future(link._kept_up(part))
    await asyncio.wait_for(tried.wait(), 30)
    task.cancel()


def test_an_identity_that_another_wrote_is_named(tmp_path: Path) -> None:
    store = pki.Store(tmp_path)
    store.kubeconfig.write_text('{"clusters": []}')
    with pytest.raises(ValueError, match="not a kubeconfig that `suanli-agent join` wrote"):
        store.hub()


async def test_a_box_without_a_certificate_says_how_to_go_on(tmp_path: Path) -> None:
    chosen, store = broken(tmp_path, "rubbish")
    (store.folder / "client.json").unlink()
    made = link.Link(chosen, store, pki.Hub("https://127.0.0.1:1", "box"))
    assert await made.identity.step() == identity.LOOK_SECONDS
    assert "suanli-agent join" in made.identity.said
