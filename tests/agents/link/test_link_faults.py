"""Whatever is wrong with the identity or the answers, the link stands and tries on: pods depend on nothing of it."""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from suanli_agent import settings, tasks
from suanli_agent.link import backoff, dial, errors, http, identity, link, pki, server
from suanli_agent.link import hub as hub_module
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


# --- a hub that refuses a good certificate for a while


class MoodyHub:
    """A hub that refuses every certificate while `refuses` is set."""

    def __init__(self) -> None:
        self.refuses = True
        self.refusals = 0

    async def answer(self, request: server.Request) -> server.Answer:
        if self.refuses:
            self.refusals += 1
            return server.Response(401, b"{}")
        if "/nodes/" in request.path:
            return server.Response(200, json.dumps({"metadata": {"labels": {identity.SITE_LABEL: "s"}}}).encode())
        return server.Response(403, b"{}")


async def plainly(url: dial.Url, _context: object, _proxy: str) -> dial.Streams:
    return await asyncio.open_connection(url.host, url.port)


@contextlib.asynccontextmanager
async def refused_box(folder: Path, hub: MoodyHub) -> AsyncIterator[identity.Identity]:
    """The identity of a box, in the first half of its certificate's life, that has just been refused; it runs."""
    _, store = broken(folder, "rubbish")
    made = pki.Certificate(time.time() - 100, time.time() + 1e6, "system:node:box", "x", 600)
    (store.folder / "client.json").write_text(json.dumps(made.__dict__))
    listening = await asyncio.start_server(server.serve(hub.answer), "127.0.0.1", 0)
    url = f"https://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    client = http.Client(url, ssl.create_default_context(), opened=plainly)
    kept = identity.Identity(store, pki.Hub(url, "box"), client, "", time.time)
    kept._backoff = backoff.Backoff(first=0.01, cap=0.05)
    kept.refused()
    task = asyncio.ensure_future(kept.run())
    try:
        yield kept
    finally:
        await tasks.end([task])
        client.drop()
        listening.close()


async def becomes(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not check():  # noqa: ASYNC110 - it is words that change
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("token", ["", "abcdef.0123456789abcdef"])
async def test_a_hub_that_takes_the_certificate_again_ends_a_refusal(tmp_path: Path, token: str) -> None:
    """With no recovery token, or one that is of no use, the certificate itself is shown again and again."""
    hub = MoodyHub()
    async with refused_box(tmp_path, hub) as kept:
        if token:
            kept.store.recovery.write_text(token)
        await becomes(lambda: hub.refusals >= 3 and kept.said.startswith("refused: "))
        hub.refuses = False
        await becomes(lambda: kept.said == "valid")


async def test_one_refusal_alone_asks_for_no_new_certificate(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A city's boxes must not all ask the hub at once because it read its CAs anew."""
    hub = MoodyHub()
    hub.refuses = False
    async with refused_box(tmp_path, hub) as kept:
        kept.said = ""
        await becomes(lambda: kept.said == "valid")
    assert not caplog.messages  # with no token, recovery would have said so


# --- a hub that decides on no serving certificate


class SlowHub(MoodyHub):
    """Takes the certificate and gives `secret` as recovery token; `asked` is set when a serving one is asked for."""

    def __init__(self, secret: server.Answer, decision: dict[str, object]) -> None:
        super().__init__()
        self.refuses, self.asked = False, asyncio.Event()
        self._secret, self._decision = secret, decision

    async def answer(self, request: server.Request) -> server.Answer:
        if "/secrets/" in request.path:
            return self._secret
        if "certificatesigningrequests" in request.path:
            self.asked.set()
            return server.as_json({"metadata": {"name": "c"}, "status": self._decision})
        return await super().answer(request)

    async def ask_for_serving(self, folder: Path) -> pki.Store:
        """Run a box until it asks for its serving certificate; its store."""
        async with refused_box(folder, self) as kept:
            kept._names = lambda: ("10.0.0.5",)
            await becomes(self.asked.is_set)
            return kept.store


@pytest.mark.parametrize("decision", [{}, {"conditions": [{"type": "Denied", "reason": "NotYours"}]}])
async def test_the_way_back_is_on_disk_whatever_becomes_of_the_serving_certificate(
    tmp_path: Path, decision: dict[str, object]
) -> None:
    """Without logs and exec a box does its work; without the recovery token it may never come back."""
    secret = server.as_json({"data": {"token-id": "YWJjZGVm", "token-secret": "MDEyMzQ1Njc4OWFiY2RlZg=="}})
    store = await SlowHub(secret, decision).ask_for_serving(tmp_path)
    assert store.recovery.read_text() == "abcdef.0123456789abcdef"


async def test_a_hub_that_has_no_recovery_token_keeps_no_serving_certificate_away(tmp_path: Path) -> None:
    store = await SlowHub(server.Response(404, b"{}"), {}).ask_for_serving(tmp_path)
    assert not store.recovery.exists()


async def test_pods_that_start_together_share_a_few_connections() -> None:
    """Each connection is a TLS handshake for both sides, and buffers that stay."""
    under_way, most = 0, 0

    class Client:
        async def request(self, *_asked: object) -> bytes:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.001)
            under_way -= 1
            return b"{}"

    asked = hub_module.Hub(Client(), None)  # type: ignore[arg-type]
    await asyncio.gather(*(asked.patch_pod_status("a", f"p{number}", {}) for number in range(110)))
    assert most == hub_module.AT_ONCE


async def test_pods_behind_a_dead_link_do_not_try_it_one_after_the_other() -> None:
    """After a reboot without a network 110 pods ask for what they need: they must start from disk, and soon."""
    asked = 0

    class Client:
        async def request(self, *_asked: object) -> bytes:
            nonlocal asked
            asked += 1
            await asyncio.sleep(0.01)
            raise errors.SilenceError("no answer")

    hub = hub_module.Hub(Client(), None)  # type: ignore[arg-type]
    work = (hub.get_secret("a", f"s{number}") for number in range(110))
    answers = await asyncio.gather(*work, return_exceptions=True)
    assert all(isinstance(answer, ports.UnavailableError) for answer in answers)
    assert asked <= 2 * hub_module.AT_ONCE
    with pytest.raises(errors.SilenceError, match="no answer"):
        await hub.get_secret("a", "later")  # who comes later tries again
