"""200 agents' links against a real API server: they join, follow, renew; what that costs the hub is printed.

    python benchmarks/links.py [--boxes 200] [--seconds 120]

One process holds every link: the agent's own `link/` code, with pods that never come. Every box has a state
directory, a key, a certificate and connections of its own. Writes are counted by the API server
(apiserver_request_total), so nothing that the agents do not know of is left out.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import contextlib
import resource
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent / "e2e"))

import suanli_boxes as boxes
from suanli_agent import settings, tasks
from suanli_agent.link import identity, join, link, pki
from suanli_agent.pods import ports
from suanli_clusters import Cluster, Clusters

TOGETHER = 8  # joins under way at once: each starts a key program of a tenth of a second
READS = {"GET", "LIST", "WATCH", "CONNECT"}


class NoPods:
    """ports.Pods of a box without work."""

    async def start(self) -> None:
        """Nothing is to be adopted."""

    async def stop(self) -> None:
        """Nothing runs."""

    def set_desired(self, pods: Sequence[bytes]) -> None:
        """None come."""

    def pod_changed(self, pod: bytes) -> None:
        """None come."""

    def pod_removed(self, uid: str) -> None:
        """None go."""

    def node_changed(self, node: ports.NodeFacts) -> None:
        """Nobody wants to know."""

    def link_restored(self) -> None:
        """Nothing waits."""

    def newest_version(self) -> int:
        return 0

    def views(self) -> list[ports.PodView]:
        return []

    def starting(self) -> bool:
        return False

    def logs(self, *_: Any, **__: Any) -> AsyncIterator[bytes]:
        raise LookupError("no pods here")

    async def exec_url(self, *_: Any, **__: Any) -> str:
        raise LookupError("no pods here")

    attach_url = port_forward_url = exec_url

    async def engine(self) -> ports.EngineStatus:
        return ports.EngineStatus(ready=True, network_ready=True, version="containerd://0")

    async def images(self) -> list[ports.NodeImage]:
        return []

    async def disk_use(self) -> dict[str, int]:
        return {}


def quiet(_said: object) -> None:
    """Progress of 200 joins would hide the figures."""


async def joined(
    folder: Path, name: str, line: list[str], ca: str, limit: asyncio.Semaphore
) -> tuple[link.Link, float]:
    """Join one box; its link, and how long joining took in seconds."""
    options = dict(zip(line[2::2], line[3::2], strict=True))
    store = pki.Store(folder / name)
    order = join.Order(options["--hub"], options["--token"], name, options["--ca-hash"], ca, seconds=600)
    async with limit:
        began = time.monotonic()
        node = await join.join(order, store, quiet)
        took = time.monotonic() - began
    identity.remember_uid(store, node["metadata"]["uid"])
    hub = store.hub()
    assert hub is not None
    made = link.Link(settings.Settings(state=str(folder / name), listen="0", max_pods=1), store, hub)
    made.attach(NoPods())
    return made, took


def counts(hub: Cluster) -> collections.Counter[tuple[str, str]]:
    """Requests that the API server has answered, by (verb, resource)."""
    found: collections.Counter[tuple[str, str]] = collections.Counter()
    for line in hub.kubectl("get", "--raw", "/metrics").splitlines():
        if line.startswith("apiserver_request_total{"):
            labels = dict(
                part.split("=", 1)
                for part in line[line.index("{") + 1 : line.index("}")].split(",")
                if "=" in part
            )
            verb, what = labels["verb"].strip('"'), labels["resource"].strip('"')
            below = labels.get("subresource", "").strip('"')
            found[verb, f"{what}/{below}" if below else what] += int(float(line.rsplit(" ", 1)[1]))
    return found


@contextlib.asynccontextmanager
async def following(links: Sequence[link.Link]) -> AsyncIterator[None]:
    running = [asyncio.ensure_future(each.run()) for each in links]
    try:
        yield
    finally:
        await tasks.end(running)


def percentile(values: Sequence[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) * percent // 100, len(ordered) - 1)]


def figures(before: Any, after: Any, boxes_: int, seconds: float) -> None:
    """Print what changed between two readings, busiest first."""
    seen = after - before
    writes = {key: number for key, number in seen.items() if key[0] not in READS and key[1] != ""}
    total = sum(writes.values())
    print(
        f"writes: {total / seconds:.1f} /s for {boxes_} boxes, {total / seconds / boxes_ * 60:.2f} a box and minute"
    )
    for (verb, what), number in sorted(writes.items(), key=lambda item: -item[1])[:8]:
        print(f"  {number / seconds:8.2f} /s  {verb} {what}")


async def measure(hub: Cluster, folder: Path, number: int, seconds: float) -> None:
    line = await asyncio.to_thread(boxes.token_line, hub, "many")
    ca, limit, began = str(boxes.ca_file(hub, folder)), asyncio.Semaphore(TOGETHER), time.monotonic()
    names = [f"box-{each}" for each in range(number)]
    made = await asyncio.gather(*(joined(folder, name, line, ca, limit) for name in names))
    links, took = [each for each, _ in made], [seconds_ for _, seconds_ in made]
    print(
        f"joined: {number} boxes in {time.monotonic() - began:.1f} s, {TOGETHER} at once; "
        f"one takes p50 {percentile(took, 50):.2f} s, p99 {percentile(took, 99):.2f} s"
    )
    async with following(links):
        await asyncio.sleep(20)
        up = sum(bool(each.contact.up) for each in links)
        print(f"up: {up} of {number}, {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024} MiB in all")
        before, began = await asyncio.to_thread(counts, hub), time.monotonic()
        await asyncio.sleep(seconds)
        figures(before, await asyncio.to_thread(counts, hub), number, time.monotonic() - began)
        await renewals(hub, links)


async def renewals(hub: Cluster, links: Sequence[link.Link]) -> None:
    """Have every box renew at once, as after a clock that jumped: the worst case that draws and jitter prevent."""
    keys = [each.identity.certificate for each in links]
    before, began = await asyncio.to_thread(counts, hub), time.monotonic()
    limit = asyncio.Semaphore(TOGETHER)

    async def renew(each: link.Link, certificate: pki.Certificate | None) -> bool:
        assert certificate is not None
        async with limit:
            await each.identity.renew(certificate)
        now = each.identity.certificate
        return now is not None and now.key_hash != certificate.key_hash

    done = await asyncio.gather(*(renew(each, key) for each, key in zip(links, keys, strict=True)))
    print(
        f"renewed: {sum(done)} of {len(links)} with new keys in {time.monotonic() - began:.1f} s, {TOGETHER} at once"
    )
    figures(before, await asyncio.to_thread(counts, hub), len(links), time.monotonic() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--boxes", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120)
    arguments = parser.parse_args()
    with Clusters("links") as clusters, tempfile.TemporaryDirectory(dir="/tmp") as folder:
        hub = clusters.start("hub")
        with boxes.controllers(hub):
            boxes.make_site(hub, "many", join={"maxBoxes": arguments.boxes})
            asyncio.run(measure(hub, Path(folder), arguments.boxes, arguments.seconds))


if __name__ == "__main__":
    main()
