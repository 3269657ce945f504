"""What the dashboard costs: 50,000 nodes in 100 clouds, 50 live clients, 100 mixed requests a second; and its
first page.

    python benchmarks/dashboard.py [--clouds 100] [--nodes 500] [--clients 50] [--rate 100] [--seconds 20]
    [--no-page]

A real hub, the real stream, the real dashboard as its own process; the leader changes 20 nodes in each half
second. Live clients and requests are processes of their own. Prints the dashboard's resident memory (all that
the kernel counts to it), its share of a core, the time of an answer by route, and for Chromium how long the page
takes to show figures and the bytes it transferred. Targets: p99 under 50 ms, memory under 150 MiB, page within
0.8 s and 300 KB.
"""

import argparse
import asyncio
import multiprocessing
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

import aiohttp
import msgspec
from playwright.sync_api import sync_playwright

from suanli_centre import browser, city, stage
from suanli_clusters import KWOK, SCHEDULER, Clusters, Options, until
from suanli_controller.view import board, model

CHANGED_AT_ONCE = 20
CHANGE_SECONDS = 0.5
DRAWN = ".hero .big b"
BINARY = 2  # a WebSocket opcode

Dice = random.Random


def _sorted_nodes(dice: Dice) -> str:
    return (
        f"/nodes?limit=50&sort={dice.choice(('-', ''))}{dice.choice(('cpuFree', 'memoryFree', 'name', 'class'))}"
    )


def _filtered_nodes(dice: Dice) -> str:
    architecture, tier = dice.choice(("arm64", "amd64")), dice.choice(("Municipal", "District"))
    return f"/nodes?limit=50&architecture={architecture}&tier={tier}&offset={dice.randrange(20) * 50}"


def _capacity(dice: Dice) -> str:
    return "/capacity?" + "&".join(
        f"by={name}" for name in dice.sample(("architecture", "tier", "class", "target"), 2)
    )


# What people do, with how often: the page's own questions, seldom the same one twice.
MIX: tuple[tuple[int, str, Callable[[Dice], str]], ...] = (
    (30, "nodes, some page", lambda dice: f"/nodes?limit=50&offset={dice.randrange(900) * 50}"),
    (15, "nodes, filtered", _filtered_nodes),
    (10, "nodes, sorted", _sorted_nodes),
    (10, "nodes, searched", lambda dice: f"/nodes?limit=50&q=node-0{dice.randrange(500):03d}"),
    (10, "clouds", lambda dice: f"/clouds?limit=100&sort={dice.choice(('name', '-used', 'rtt'))}"),
    (10, "capacity", _capacity),
    (5, "history", lambda dice: f"/history?by={dice.choice(('total', 'tier'))}&seconds=86400"),
    (5, "alerts", lambda _: "/alerts"),
    (5, "counts", lambda _: "/counts"),
)


def memory_mib(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {pid} has no VmRSS")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


class Load:
    """Live clients and requests, as browsers make them."""

    def __init__(self, url: str, cookie: str, clients: int, rate: float) -> None:
        self.url, self.clients, self.rate = url, clients, rate
        self.headers = {"Cookie": f"suanli-session={cookie}"}
        self.times: dict[str, list[float]] = {name: [] for _, name, _ in MIX}
        self.frames = self.bytes = 0

    async def run(self, seconds: float) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=self.headers) as session:
            listeners = [asyncio.create_task(self._listen(session)) for _ in range(self.clients)]
            if self.rate:
                await self._ask(session, seconds)
            else:
                await asyncio.sleep(seconds)
            for task in listeners:
                task.cancel()
            await asyncio.gather(*listeners, return_exceptions=True)

    async def _listen(self, session: aiohttp.ClientSession) -> None:
        async with session.ws_connect(self.url.replace("http", "ws") + "/api/v1/live", max_msg_size=0) as socket:
            async for message in socket:
                self.frames += 1
                self.bytes += len(message.data)

    async def _ask(self, session: aiohttp.ClientSession, seconds: float) -> None:
        dice = random.Random(1)
        tasks = []
        began = time.perf_counter()
        for number in range(int(self.rate * seconds)):
            wait = began + number / self.rate - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            (_, name, path) = dice.choices(MIX, [weight for weight, _, _ in MIX])[0]
            tasks.append(asyncio.create_task(self._one(session, name, path(dice))))
        await asyncio.gather(*tasks)

    async def _one(self, session: aiohttp.ClientSession, name: str, path: str) -> None:
        began = time.perf_counter()
        async with session.get(f"{self.url}/api/v1{path}") as answer:
            await answer.read()
            answer.raise_for_status()
        self.times[name].append(time.perf_counter() - began)


def load(made: Load, seconds: float, results: "multiprocessing.Queue[Load]") -> None:
    asyncio.run(made.run(seconds))
    results.put(made)


def change_some(leader: board.Board, dice: Dice) -> None:
    """Some nodes' requests, and with each the totals of its cloud, as the controller tells them."""
    nodes = leader.tables["nodes"]
    for key in dice.sample(list(nodes), CHANGED_AT_ONCE):
        node: model.Node = nodes[key]
        cpu = dice.randrange(10**5)
        leader.put(msgspec.structs.replace(node, requested={**node.requested, "cpu": cpu}))
        cloud: model.Cloud = leader.tables["clouds"][node.target.partition("/")[2]]
        more = cpu - node.requested.get("cpu", 0)
        classes = tuple(_with_more(row, more) if row.key == node.class_key else row for row in cloud.classes)
        leader.put(msgspec.structs.replace(cloud, classes=classes))


def _with_more(row: model.Capacity, cpu: int) -> model.Capacity:
    return msgspec.structs.replace(row, requested={**row.requested, "cpu": row.requested["cpu"] + cpu})


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)] * 1000


def first_page(shown: stage.City) -> tuple[float, float]:
    """Median seconds of five cold loads until figures are drawn, and KB transferred in one, the first frame of
    the live updates included.
    """
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser.chromium(), args=["--no-sandbox"])
        seconds, size = [], 0.0
        for _ in range(5):
            context = opened.new_context(viewport={"width": 1440, "height": 900})
            context.add_cookies([shown.cookie(stage.OPERATOR)])  # type: ignore[list-item]
            page = context.new_page()
            sizes: list[int] = []
            session = context.new_cdp_session(page)
            session.send("Network.enable")
            session.on("Network.loadingFinished", lambda e, sizes=sizes: sizes.append(e["encodedDataLength"]))
            received = "Network.webSocketFrameReceived"
            session.on(received, lambda e, sizes=sizes: sizes.append(frame_bytes(e["response"])))
            began = time.perf_counter()
            page.goto(shown.dashboard.url, wait_until="commit")
            page.locator(DRAWN).first.wait_for()
            seconds.append(time.perf_counter() - began)
            page.wait_for_load_state("networkidle")
            page.wait_for_timeout(1000)
            size = sum(sizes) / 1000
            context.close()
        opened.close()
        return statistics.median(seconds), size


def frame_bytes(frame: dict[str, Any]) -> int:
    """The size of a WebSocket frame as the DevTools protocol tells it: text, or base64 of a binary one."""
    size = len(frame["payloadData"].encode())
    return size * 3 // 4 if frame["opcode"] == BINARY else size


def under_load(shown: stage.City, pid: int, chosen: argparse.Namespace) -> tuple[dict[str, list[float]], str]:
    """Seconds of each answer by question, and a sentence about the live clients."""
    cookie = str(shown.cookie(stage.OPERATOR)["value"])
    listeners = _start(Load(shown.dashboard.url, cookie, chosen.clients, 0), chosen.seconds + 4)
    time.sleep(3)  # everyone has the snapshot
    dice, before, began = random.Random(2), cpu_seconds(pid), time.perf_counter()
    askers = _start(Load(shown.dashboard.url, cookie, 0, chosen.rate), chosen.seconds)
    while askers.empty():
        shown.leader.change(lambda leader: change_some(leader, dice))
        time.sleep(CHANGE_SECONDS)
    share = (cpu_seconds(pid) - before) / (time.perf_counter() - began)
    times, listened = askers.get().times, listeners.get(timeout=60)
    frames, size = listened.frames, listened.bytes
    said = f"{chosen.clients} live clients were sent {frames} frames, {size / 1e6:.0f} MB"
    return times, f"{said}; the dashboard used {share:.0%} of a core"


def _start(made: Load, seconds: float) -> "multiprocessing.Queue[Load]":
    """A process of its own, so that nobody's answers wait for what others are sent."""
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[Load] = context.Queue()
    context.Process(target=load, args=(made, seconds, results), daemon=True).start()
    return results


def report(times: dict[str, list[float]]) -> None:
    every = [each for found in times.values() for each in found]
    print(f"{'answer, ms':<28}{'p50':>8}{'p99':>8}{'max':>8}{'count':>8}")
    for name, found in [*times.items(), ("all", every)]:
        p50, p99, worst = (percentile(found, share) for share in (0.5, 0.99, 1))
        print(f"{name:<28}{p50:>8.1f}{p99:>8.1f}{worst:>8.1f}{len(found):>8}")


def tell_first_page(shown: stage.City, whose: str) -> None:
    seconds, size = first_page(shown)
    print(f"first page of {whose}: figures after {seconds:.2f} s (median of 5), {size:.0f} KB transferred")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("clouds", 100), ("nodes", 500), ("clients", 50), ("rate", 100), ("seconds", 20)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--no-page", action="store_true", help="leave Chromium out")
    chosen = parser.parse_args()
    with Clusters("bench-centre") as clusters:
        hub = clusters.start("hub", Options(without=frozenset({KWOK, SCHEDULER})))
        if not chosen.no_page:
            with stage.city(hub, clusters.folder) as small:
                tell_first_page(small, "a city of 479 nodes")
        shown = stage.City(hub, clusters.folder)
        shown.leader = stage.Leader(
            hub.kubeconfig, lambda leader: city.large(leader, chosen.clouds, chosen.nodes, int(time.time()))
        )
        shown.leader.start()
        began = time.perf_counter()
        shown.dashboard.start(ready=False)
        try:
            until(shown.dashboard.is_ready, "the dashboard to hold the fleet", seconds=120)
            process = shown.dashboard.process
            assert process is not None
            print(f"{chosen.clouds * chosen.nodes} nodes held after {time.perf_counter() - began:.1f} s")
            print(f"memory before load: {memory_mib(process.pid):.0f} MiB")
            times, said = under_load(shown, process.pid, chosen)
            report(times)
            print(said)
            print(f"memory under load: {memory_mib(process.pid):.0f} MiB")
            if not chosen.no_page:
                tell_first_page(shown, "this fleet")
        finally:
            shown.dashboard.stop()
            shown.leader.stop()


if __name__ == "__main__":
    main()
