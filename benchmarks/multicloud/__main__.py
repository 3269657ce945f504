"""Our operator over three clouds, measured by the stages that Karmada was measured by: `make bench-multicloud`.

Starts everything itself: a hub with policies/workload-finalizer.yaml, which saves a write for each workload, three
clouds of 20 simulated nodes, one of 5,000, and the operator with its defaults.
Prints every figure beside Karmada's published one. Times depend on what else the machine does: the share of processor
time that was not ours is printed with them, and processor time and writes per workload are the steadier figures.
"""

import argparse
import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from benchmarks.multicloud import city, published, scenarios, workload

from suanli_clusters import ClusterError, ToolsError
from suanli_clusters.controller import ControllerError

MEASUREMENTS = ("burst", "steady", "change", "arm", "decision")


def measure(options: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = {}
    with city.running() as place:
        workload.make_namespaces([place.hub, *place.clouds.values()], options.namespaces)
        steps = {
            "burst": lambda: asyncio.run(
                scenarios.burst(place, options.workloads, options.namespaces, options.seconds)
            ),
            "steady": lambda: asyncio.run(scenarios.steady(place, options.steady, options.namespaces)),
            "change": lambda: asyncio.run(scenarios.change(place, options.changes)),
            "arm": lambda: scenarios.arm_only(place),
            "decision": lambda: asyncio.run(scenarios.decision(place, options.nodes, options.decisions)),
        }
        for name in options.only or MEASUREMENTS:
            print(f"bench: measuring {name}", file=sys.stderr, flush=True)
            found[name] = steps[name]()
            place.operator.check()
            print(json.dumps({name: found[name]}, indent=1), file=sys.stderr, flush=True)
    return found


def figures(found: dict[str, Any]) -> dict[str, float]:
    """The published table's figures, of those that were measured."""
    figures: dict[str, float] = {}
    if burst := found.get("burst"):
        figures |= {"cpu": burst["cpu_ms_per_workload"]["operator"], "writes": burst["writes_per_workload"]}
        if "per_second" in burst["spread"]:
            figures["rate"] = burst["spread"]["per_second"]
    if steady := found.get("steady"):
        figures |= {"first_p50": 1000 * steady["first"]["p50_s"], "first_p99": 1000 * steady["first"]["p99_s"]}
    if change := found.get("change"):
        figures |= {"change_p50": 1000 * change["p50_s"], "change_p99": 1000 * change["p99_s"]}
    if arm := found.get("arm"):
        figures["pending"] = arm["pending"]
    if decision := found.get("decision"):
        figures["decision"] = 1000 * decision["p50_s"]
    return figures


def ceiling(burst: dict[str, Any]) -> str:
    """How many workloads per second the machine's cores allow, whoever controls them."""
    spent = {name: cost for name, cost in burst["cpu_ms_per_workload"].items() if name != "machine"}
    cores = os.cpu_count() or 1
    shares = ", ".join(f"{name} {cost:.1f}" for name, cost in spent.items())
    return (
        f"processor time per workload of the burst, ms: {shares}; so {cores} cores that do nothing else allow "
        f"{1000 * cores / sum(spent.values()):.1f} workloads per second until all pods are ready. "
        f"Until all objects were in the clouds the operator took {100 * burst['operator_share_until_spread']:.0f}% of "
        f"the machine's work. Of all that {100 * burst['others_share_of_cpu']:.0f}% was not ours."
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-multicloud", description=__doc__.split("\n", maxsplit=1)[0])
    add = parser.add_argument
    add("--workloads", type=int, default=500, help="of the burst (default: %(default)s)")
    add("--namespaces", type=int, default=50, help="that they are spread over (default: %(default)s)")
    add("--seconds", type=float, default=300, help="that a burst may take (default: %(default)s)")
    add("--steady", type=int, default=100, help="workloads at one per second (default: %(default)s)")
    add("--changes", type=int, default=50, help="changes of replicas (default: %(default)s)")
    add("--nodes", type=int, default=5000, help="of the large cloud (default: %(default)s)")
    add("--decisions", type=int, default=10, help="over the large cloud (default: %(default)s)")
    add("--only", nargs="+", choices=MEASUREMENTS, help="these measurements alone")
    add("--out", type=Path, help="a file for all that was measured, as JSON")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    try:
        found = measure(options)
    except KeyboardInterrupt:
        print("bench: stopped; nothing is left behind", file=sys.stderr)
        return 130
    except (ControllerError, ClusterError, ToolsError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(published.table(figures(found)))
    if burst := found.get("burst"):
        print(ceiling(burst))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
