"""Replay of openb: a production GPU cluster's nodes and pods, one pod after another or the whole trace at once.

    python benchmarks/openb.py --nodes CSV --pods CSV --arrivals TXT.gz --strategy Fragmentation [--batch] [--json]

The trace is that of the FGD paper (Weng et al., "Beware of Fragmentation", USENIX ATC 2023). A pod that does not fit is
dropped, not queued; the measure is the GPU milli placed in % of all. Every decision is `core/placement`'s own, through
its public interface: these are figures of the engine alone, no scheduler and no cluster is involved.

`--batch`: the trace is known, so pods are taken by size and not by arrival; of several orders the best
counts. Pods without a GPU come last: they are worth nothing to the measure.
"""

import argparse
import csv
import gzip
import json
import re
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suanli_controller.core import demand, devices, fleet, fragmentation, hardware, placement, views

GPU = "nvidia.com/gpu"
MIB = 1 << 20
TARGET = "Cloud/openb"

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Pod:
    cpu: int
    memory_mib: int
    gpus: int
    gpu_milli: int  # of each
    models: tuple[str, ...]

    @property
    def worth(self) -> int:
        return self.gpus * self.gpu_milli

    def variant(self) -> demand.Variant:
        share = 0 < self.gpu_milli < devices.WHOLE and self.gpus == 1
        requests = {"cpu": self.cpu, "memory": self.memory_mib * MIB}
        return demand.Variant(
            requests=requests | ({GPU: self.gpus} if self.gpus and not share else {}),
            share_milli=self.gpu_milli if share else 0,
            share_resource=GPU if share else "",
            accelerator_models=self.models,
        )


@dataclass(frozen=True, slots=True)
class Trace:
    nodes: list[Row]
    pods: list[Pod]
    order: list[int]  # rows of `pods` as they arrive
    ranks: list[int]  # of `nodes` by name: the lowest wins where scores are equal

    @property
    def gpu_milli(self) -> int:
        return sum(int(node["gpu"]) for node in self.nodes) * devices.WHOLE


@dataclass(frozen=True, slots=True)
class Result:
    placed_milli: int
    pods_placed: int
    pods: int
    cpu_seconds: float
    wall_seconds: float


def read_rows(path: Path) -> list[Row]:
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def read_pod(row: Row) -> Pod:
    """Columns that a list lacks, and empty ones, stand for none."""
    gpus, milli = int(row.get("num_gpu") or 0), int(row.get("gpu_milli") or 0)
    if gpus > 1 and 0 < milli < devices.WHOLE:
        raise SystemExit(f"{row.get('name')}: a share of more than one GPU is not supported")
    models = tuple(sorted(filter(None, (row.get("gpu_spec") or "").split("|"))))
    cpu, memory = int(row["cpu_milli"]), int(row["memory_mib"])
    return Pod(cpu, memory, gpus if milli else 0, milli if gpus else 0, models)


def read_trace(nodes: Path, pods: Path, arrivals: Path) -> Trace:
    with gzip.open(arrivals, "rt") if arrivals.suffix == ".gz" else arrivals.open() as lines:
        said = {line.split()[0]: [int(word) for word in line.split()[1:]] for line in lines if line.strip()}
    found = sorted(read_rows(nodes), key=lambda row: row["sn"])
    ranks = said.get("nodes", list(range(len(found))))
    with_gpu = [int(row["gpu"]) > 0 for row in found]
    if len(ranks) == sum(with_gpu) < len(found):  # ranks of the GPU nodes only: the others come after them
        rest, given = iter(range(len(ranks), len(found))), iter(ranks)
        ranks = [next(given if has else rest) for has in with_gpu]
    if len(ranks) != len(found):
        raise SystemExit(f"{arrivals}: {len(ranks)} ranks for the {len(found)} nodes of {nodes}")
    known = [read_pod(row) for row in read_rows(pods)]
    if not all(0 <= number < len(known) for number in said["pods"]):
        raise SystemExit(f"{arrivals}: speaks of more pods than the {len(known)} of {pods}")
    return Trace(found, known, said["pods"], ranks)


def node_facts(row: Row, name: str) -> hardware.NodeFacts:
    gpus = int(row["gpu"])
    amounts = {"cpu": int(row["cpu_milli"]), "memory": int(row["memory_mib"]) * MIB, "pods": 1 << 20}
    facts = hardware.Hardware(
        accelerator=GPU if gpus else "",
        accelerator_model=row["model"],
        accelerators=(GPU,) if gpus else (),
    )
    return hardware.NodeFacts(
        name=name,
        target=TARGET,
        labels={},
        taints=(),
        allocatable=amounts | ({GPU: gpus} if gpus else {}),
        capacity=amounts,
        ready=True,
        cordoned=False,
        hardware=facts,
        placeable=facts,
        class_name=row["model"],
        selectors={},
    )


def build_fleet(trace: Trace) -> fleet.Fleet:
    """Equal scores go to the lower name, so the arrivals' ranks are put before the names."""
    made = fleet.Fleet(len(trace.nodes))
    made.upsert_target(fleet.Target(TARGET, clearance="Core"))
    for row, rank in zip(trace.nodes, trace.ranks, strict=True):
        made.upsert_node(node_facts(row, f"{rank:06d}-{row['sn']}"))
    asked = Counter(fragmentation.shape_of(pod.variant()) for pod in trace.pods)
    views.of_fleet(made).set_typical(asked, ties_by_name=True)
    return made


def replay(trace: Trace, strategy: demand.Strategy, order: Sequence[int]) -> Result:
    """Place pods in `order`. Only decisions are timed, each with the making of its demand."""
    where = build_fleet(trace)
    asks: dict[Pod, demand.Ask] = {
        pod: demand.Ask((pod.variant(),), grade="General", strategy=strategy) for pod in trace.pods
    }
    placed = count = 0
    start, began = time.process_time(), time.monotonic()
    for number, index in enumerate(order):
        pod = trace.pods[index]
        decision = placement.place(where, [demand.Demand(f"pod-{number}", asks[pod])])[0]
        if not decision.unplaced:
            placed += pod.worth
            count += 1
    return Result(placed, count, len(order), time.process_time() - start, time.monotonic() - began)


def by_size(trace: Trace) -> Iterable[Callable[[int], Any]]:
    """Orders worth trying when all is known: large before small, those for few models first, scarce cores first."""
    pods = trace.pods
    yield lambda index: (-pods[index].worth, -pods[index].cpu)
    yield lambda index: (-pods[index].worth, not pods[index].models, -pods[index].cpu)
    yield lambda index: (-pods[index].worth, len(pods[index].models) or 99, pods[index].cpu)
    yield lambda index: (not pods[index].worth, -pods[index].gpus, -pods[index].worth, -pods[index].cpu)


def replay_batch(trace: Trace, strategy: demand.Strategy) -> Result:
    results = [replay(trace, strategy, sorted(trace.order, key=key)) for key in by_size(trace)]
    best = max(results, key=lambda each: each.placed_milli)
    cpu, wall = sum(each.cpu_seconds for each in results), sum(each.wall_seconds for each in results)
    return Result(best.placed_milli, best.pods_placed, best.pods, cpu, wall)


def published(arrivals: Path) -> dict[str, float]:
    """The paper's means over its seeds for this trace, by policy, where `published.csv` lies above the arrivals."""
    table = arrivals.resolve().parent.parent / "published.csv"
    found = re.match(r"(.+)-\d+\.txt", arrivals.name)
    if not found or not table.is_file():
        return {}
    values: dict[str, list[float]] = {}
    for row in read_rows(table):
        if row["trace"] == found[1]:
            values.setdefault(row["policy"], []).append(float(row["gpu_allocation_percent_at_130"]))
    return {policy: round(statistics.mean(each), 2) for policy, each in values.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=Path, required=True, help="openb_node_list_gpu_node.csv")
    parser.add_argument("--pods", type=Path, required=True, help="openb_pod_list_TRACE.csv")
    parser.add_argument("--arrivals", type=Path, required=True, help="arrivals/TRACE-SEED.txt.gz")
    parser.add_argument(
        "--strategy", default="Fragmentation", choices=[each.value for each in demand.Strategy], help="by name"
    )
    parser.add_argument("--batch", action="store_true", help="the whole trace is known before")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of words")
    options = parser.parse_args()
    try:
        trace = read_trace(options.nodes, options.pods, options.arrivals)
    except (OSError, KeyError, ValueError) as error:
        sys.exit(f"openb: cannot read the trace: {error!r}")
    strategy = demand.Strategy(options.strategy)
    result = replay_batch(trace, strategy) if options.batch else replay(trace, strategy, trace.order)
    tell(options, trace, result)


def tell(options: argparse.Namespace, trace: Trace, result: Result) -> None:
    means = published(options.arrivals)
    answer = {
        "arrivals": options.arrivals.name,
        "strategy": options.strategy,
        "batch": options.batch,
        "gpuAllocationPercent": round(100 * result.placed_milli / trace.gpu_milli, 2),
        "gpuMilliPlaced": result.placed_milli,
        "gpuMilliTotal": trace.gpu_milli,
        "podsPlaced": result.pods_placed,
        "pods": result.pods,
        "cpuSeconds": round(result.cpu_seconds, 3),
        "podsPerSecond": round(result.pods / max(result.wall_seconds, 1e-9)),
        "podsPerCpuSecond": round(result.pods / max(result.cpu_seconds, 1e-9)),
        "publishedMeanPercent": means.get("FGD"),
        "publishedMeansPercent": means,
    }
    if options.json:
        print(json.dumps(answer))
        return
    print(f"{options.arrivals.name}, {options.strategy}{', whole trace known' if options.batch else ''}")
    print(f"  GPU allocation  {answer['gpuAllocationPercent']:.2f}%")
    if means:
        print(f"  published means {', '.join(f'{policy} {mean:.2f}%' for policy, mean in sorted(means.items()))}")
    print(f"  pods            {result.pods_placed} of {result.pods} placed")
    print(f"  speed           {answer['podsPerSecond']} pods/s, {answer['podsPerCpuSecond']} per CPU second")


if __name__ == "__main__":
    main()
