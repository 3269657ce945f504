"""Decisions per CPU second of the placement engine, one by one and in bulk, against the targets.

    python benchmarks/engine.py [--quick] [--json]

Nodes have four resources, labels and taints, two architectures, and stand in ten targets in five districts; requests
differ in all resources. One by one: each decision places a new workload of one replica through `placement.place`, the
making of its demand included; with deletions, every second decision is followed by the removal of one that was placed
before, which is timed too. A single replica of a new workload is bound by no spread; "growing" adds one replica at a
time to workloads that stand already, which looks at all that they have.

Timed with process time; of several rounds the best counts, for a machine that others use tells the engine's speed only
in its quiet moments. These are figures of `core/` alone: no API server and no scheduler is involved. There is no
compiled code of ours: numpy and plain Python.
"""

import argparse
import json
import os
import platform
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from suanli_controller.api import core_v1
from suanli_controller.core import demand, fleet, hardware, placement

GIB = 1 << 30
ROUNDS = 20  # short ones: on a machine that others use some fall into a quiet moment
TAINT = core_v1.Taint("dedicated", "batch", "NoSchedule")
TARGETS = 10
REPLICAS = 100  # of each workload in bulk


@dataclass(frozen=True, slots=True)
class Figure:
    what: str
    per_second: int
    target: int | None

    @property
    def ratio(self) -> float | None:
        return round(self.per_second / self.target, 2) if self.target else None


def node(number: int) -> hardware.NodeFacts:
    arm = number % 2 == 1
    facts = hardware.Hardware(
        architecture="arm64" if arm else "amd64",
        family="kunpeng-920" if arm else ("intel", "hygon")[number // 2 % 2],
        os="openeuler",
        page_size_kib=4,
    )
    amounts = {"cpu": 64_000, "memory": 256 * GIB, "ephemeral-storage": 1000 * GIB, "pods": 110}
    name = f"node-{number:05d}"
    return hardware.NodeFacts(
        name=name,
        target=f"Cloud/c{number % TARGETS}",
        labels={"kubernetes.io/hostname": name, "pool": str(number % 7), "rack": str(number % 40)},
        taints=(TAINT,) if number % 10 == 0 else (),
        allocatable=amounts,
        capacity=amounts,
        ready=True,
        cordoned=False,
        hardware=facts,
        placeable=facts,
        class_name=f"{facts.architecture}.{facts.family}.openeuler.none",
        selectors={},
    )


def build(nodes: int) -> fleet.Fleet:
    where = fleet.Fleet(nodes)
    for number in range(TARGETS):
        where.upsert_target(fleet.Target(f"Cloud/c{number}", clearance="Core", district=str(number % 5)))
    for number in range(nodes):
        where.upsert_node(node(number))
    return where


def asks(shapes: int, rng: random.Random, *, bounded: bool) -> list[demand.Ask]:
    """Requests of so many shapes; `bounded`: with a bound on spread and two ordered groups."""
    first = demand.Requirement("cloud", "In", tuple(f"c{number}" for number in range(6)))
    more: dict[str, Any] = {}
    if bounded:
        more["spread"] = (demand.Spread("district", max_skew=2),)
        more["groups"] = (demand.Group("first", (first,)), demand.Group("rest"))
    found = []
    for _ in range(shapes):
        requests = {
            "cpu": rng.randrange(100, 8000, 50),
            "memory": rng.randrange(1, 32) * GIB // 2,
            "ephemeral-storage": rng.randrange(1, 10) * GIB,
        }
        build_ = demand.Variant(requests=requests, architectures=(rng.choice(("amd64", "arm64")),))
        tolerations = (demand.Toleration("dedicated", "Exists"),) if rng.random() < 0.3 else ()
        found.append(demand.Ask((build_,), tolerations=tolerations, **more))
    return found


def one_by_one(nodes: int, shapes: int, decisions: int, *, deletions: bool = False, bounded: bool = False) -> int:
    rng = random.Random(1)
    where, known = build(nodes), asks(shapes, rng, bounded=bounded)
    for ask in known:  # the first decision for an Ask learns its constraints
        placement.place(where, [demand.Demand("warm", ask)])
        where.withdraw("warm")
    live: list[str] = []
    best = 0.0
    for turn in range(ROUNDS):
        chosen = [known[rng.randrange(shapes)] for _ in range(decisions)]
        picks = [rng.random() for _ in range(decisions)]
        start = time.process_time()
        for number, ask in enumerate(chosen):
            key = f"{turn}-{number}"
            if not placement.place(where, [demand.Demand(key, ask)])[0].unplaced:
                live.append(key)
            if deletions and number % 2 and live:
                at = int(picks[number] * len(live))
                live[at], live[-1] = live[-1], live[at]
                where.withdraw(live.pop())
        best = max(best, decisions / (time.process_time() - start))
    return round(best)


def bulk(
    nodes: int, *, shapes: int = 40, deletions: bool = False, bounded: bool = False, workloads: int = 40
) -> int:
    """Replicas a second, 100 a workload. A round's workloads go after it, with `deletions` one for each new one."""
    rng = random.Random(1)
    where, known = build(nodes), asks(shapes, rng, bounded=bounded)
    live: list[str] = []
    best = 0.0
    for turn in range(ROUNDS + 1):  # the first learns
        chosen = known if not turn else [known[rng.randrange(shapes)] for _ in range(workloads)]
        placed, start = 0, time.process_time()
        for number, ask in enumerate(chosen):
            live.append(f"{turn}-{number}")
            placed += REPLICAS - placement.place(where, [demand.Demand(live[-1], ask, REPLICAS)])[0].unplaced
            if deletions and len(live) > workloads:
                where.withdraw(live.pop(0))
        best = max(best, placed / (time.process_time() - start)) if turn else 0.0
        while live and not deletions:
            where.withdraw(live.pop())
    return round(best)


def growing(nodes: int, *, bounded: bool = False, workloads: int = 40) -> int:
    """Decisions a second where workloads that stand already get one replica more each time."""
    where, known = build(nodes), asks(workloads, random.Random(1), bounded=bounded)
    counts: list[dict[tuple[str, str], int]] = [{} for _ in known]
    best = 0.0
    for turn in range(ROUNDS):
        start = time.process_time()
        for number, ask in enumerate(known):
            one = demand.Demand(str(number), ask, turn + 1, current=counts[number])
            counts[number] = placement.place(where, [one])[0].counts()
        best = max(best, workloads / (time.process_time() - start))
    return round(best)


def memory(nodes: int) -> tuple[int, int]:
    """MiB of the whole process with a fleet of so many nodes that has decided for 40 shapes; of it before, imports."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.close(reader)
        before = _resident_mib()
        where, known = build(nodes), asks(40, random.Random(1), bounded=False)
        for number, ask in enumerate(known):
            placement.place(where, [demand.Demand(str(number), ask)])
        os.write(writer, f"{before} {_resident_mib()}".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        told = [int(word) for word in answer.read().split()]
    os.waitpid(child, 0)
    return told[0], told[1]


def _resident_mib() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20


def figures(*, quick: bool) -> Iterator[Figure]:
    many = 500 if quick else 2_000  # decisions a round
    yield Figure("one by one, 1k nodes, 40 shapes", one_by_one(1_000, 40, many), None)
    yield Figure("one by one, 5k nodes, 40 shapes", one_by_one(5_000, 40, many), 62_000)
    yield Figure("  with deletions", one_by_one(5_000, 40, many, deletions=True), None)
    yield Figure("  2,000 shapes", one_by_one(5_000, 2_000, many), None)
    yield Figure("  2,000 shapes and deletions", one_by_one(5_000, 2_000, many, deletions=True), 40_000)
    yield Figure("  spread and ordered groups", one_by_one(5_000, 40, many, bounded=True), 25_000)
    yield Figure("  growing by one, 40 shapes", growing(5_000), None)
    yield Figure("  growing by one, spread and ordered groups", growing(5_000, bounded=True), None)
    yield Figure("one by one, 50k nodes, 40 shapes", one_by_one(50_000, 40, many // 4), 12_000)
    yield Figure("  spread and ordered groups", one_by_one(50_000, 40, many // 4, bounded=True), 4_000)
    yield Figure("bulk of 100 replicas, 1k nodes", bulk(1_000), None)
    yield Figure("bulk of 100 replicas, 5k nodes", bulk(5_000), 1_000_000)
    yield Figure("  spread and ordered groups", bulk(5_000, bounded=True), 300_000)
    yield Figure("  2,000 shapes and deletions", bulk(5_000, shapes=2_000, deletions=True), None)
    yield Figure("bulk of 100 replicas, 50k nodes", bulk(50_000, workloads=20), None)


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "load": round(os.getloadavg()[0], 1),
        "python": platform.python_version(),
        "numpy": np.__version__,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a fifth of the decisions")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of a table")
    options = parser.parse_args()
    about = machine()
    before, after = memory(50_000)
    found = []
    for figure in figures(quick=options.quick):
        found.append(figure)
        if not options.json:
            against = f"{figure.target:>10,} {figure.ratio:>6.2f}" if figure.target else ""
            print(f"{figure.what:<44} {figure.per_second:>10,} {against}", flush=True)
    if options.json:
        rows = [asdict(figure) | {"ratio": figure.ratio} for figure in found]
        json.dump({"machine": about, "figures": rows, "memoryMiB": after, "importsMiB": before}, sys.stdout)
        return
    print(
        f"{'memory, 50k nodes (MiB, whole process)':<44} {after:>10} {120:>10} {after / 120:>6.2f}  imports: {before}"
    )
    print(
        "columns: decisions or replicas per CPU second, target, ratio;",
        ", ".join(f"{k} {v}" for k, v in about.items()),
    )


if __name__ == "__main__":
    main()
