"""`make demo`: a hub, two clouds of mixed processors and the operator, real but for the nodes, until Ctrl-C.

python -m demo [--once]        --once: end when everything has been shown, in place of staying
"""

import argparse
import functools
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from demo import hardware, report
from suanli_centre import stage
from suanli_clusters import (
    KWOK,
    SCHEDULER,
    Cluster,
    ClusterError,
    Clusters,
    KubectlError,
    Options,
    ToolsError,
    controller,
    tools,
    until,
)
from suanli_clusters.controller import ControllerError, Operator

HERE = Path(__file__).parent
CLOUDS = {"jining-core": hardware.municipal, "rencheng": hardware.district}
KNOWN = {
    "jining-core": "--tier Municipal --district 370800 --provider huawei --clearance Core --uplink-mbps 10000",
    "rencheng": "--tier District --district 370811 --provider inspur --clearance Important --uplink-mbps 1000"
    f" --profile-file {HERE / 'rencheng-profiles.yaml'}",
}
"""What the city knows of its clouds, as options of `cloud join`."""

SETTLE_SECONDS = 180
STAYS_UNPLACED = "training"
"""The sample that fits nowhere, and is to say so."""


class Steps:
    """Tells what is being done and how long it took, so that nobody wonders whether it hangs."""

    def __init__(self) -> None:
        self._started = time.monotonic()

    def say(self, message: str) -> None:
        print(f"[{time.monotonic() - self._started:5.1f} s] {message}", flush=True)


def start_clouds(clusters: Clusters, steps: Steps) -> tuple[Cluster, dict[str, Cluster]]:
    steps.say("starting the hub's API server")
    hub = clusters.start("hub", Options(without=frozenset({KWOK, SCHEDULER})))
    clouds = {}
    for name, nodes in CLOUDS.items():
        wanted = nodes()
        steps.say(f"starting the cloud {name} with {len(wanted)} simulated nodes")
        clouds[name] = clusters.start(name, Options(heartbeat_factor=5))
        clouds[name].create_nodes(wanted, ready=False)
    return hub, clouds


def join(hub: Cluster, clouds: Mapping[str, Cluster], steps: Steps) -> None:
    steps.say("installing our kinds into the hub")
    controller.install(hub)
    hub.kubectl("apply", "-f", str(HERE / "centre.yaml"))
    for name, cloud in clouds.items():
        steps.say(f"joining {name}: an account of its own in the cloud, its credentials on the hub")
        controller.join(hub, cloud, *KNOWN[name].split())


def _all_ready(cloud: Cluster, nodes: int) -> bool:
    return len(cloud.ready_nodes()) == nodes


def settle(hub: Cluster, operator: Operator) -> None:
    """Wait until every sample has found its places, or has said that there are none."""

    def settled() -> bool:
        return operator.ended() or all(_settled(workload) for workload in workloads(hub))

    try:
        until(settled, "every workload placed and running", SETTLE_SECONDS, every=0.3)
    except TimeoutError as error:
        table = hub.kubectl("get", "cwl", "-A", "-o", "wide")
        raise ControllerError(f"{error}\n{table}\nThe end of the operator's log:\n{operator.tail()}") from error
    operator.check()


def _settled(workload: Mapping[str, Any]) -> bool:
    conditions = {entry["type"]: entry["status"] for entry in workload.get("status", {}).get("conditions", ())}
    if workload["metadata"]["name"] == STAYS_UNPLACED:
        return conditions.get("Placed") == "False"
    if workload["spec"].get("type") == "Job":
        return conditions.get("Complete") == "True"
    placements = workload.get("status", {}).get("placements", ())
    still = all(
        each.get("readyReplicas", 0) == each.get("replicas", 0) for each in placements
    )  # what moved is gone
    return still and conditions.get("Ready") == "True"


def workloads(hub: Cluster) -> list[Any]:
    return hub.api.items("/apis/suanli.io/v1alpha1/namespaces/office/computeworkloads")


def show(hub: Cluster, clouds: Mapping[str, Cluster]) -> None:
    print(f"\n$ kubectl get clouds,cwl -A\n{hub.kubectl('get', 'clouds,cwl', '-A')}")
    print("What each cloud holds, by hardware class (never summed over classes):")
    for cloud in hub.api.items("/apis/suanli.io/v1alpha1/clouds"):
        for entry in cloud["status"].get("classes", ()):
            print(f"    {cloud['metadata']['name']:12} {entry['class']:52} {entry['readyNodes']:3} nodes")
    print("\nWhere things went, and why:")
    for workload in workloads(hub):
        uid = workload["metadata"]["uid"]
        path = f"/api/v1/pods?labelSelector=suanli.io/workload-uid%3D{uid}"
        pods = [pod for cloud in clouds.values() for pod in cloud.api.items(path)]
        print("\n".join(report.lines(workload, pods)))


def how_to_look_around(hub: Cluster, clouds: Mapping[str, Cluster], operator: Operator) -> None:
    kubectl = tools.find("kubectl")
    print(f"""
To look around, in another terminal:
    export PATH={kubectl.parent}:{controller.PROGRAM.parent}:$PATH
    export KUBECONFIG={hub.kubeconfig}
    kubectl get clouds,cwl -A -o wide
    kubectl -n office describe cwl {STAYS_UNPLACED}
    suanli-controller explain portal --namespace office
    kubectl -n office scale cwl portal --replicas 20""")
    for name, cloud in clouds.items():
        print(f"    kubectl --kubeconfig {cloud.kubeconfig} get pods -n office -o wide      # in {name}")
    print(f"The operator's log: {operator.log}\nCtrl-C ends the demo and removes all of it.", flush=True)


def look_at_the_centre(dashboard: stage.Dashboard) -> None:
    wall = dashboard.links["suanli-wall"].replace("/#", "/wall#")
    print(f"""
The centre, live, in a browser; each link signs in for an hour's token:
    {dashboard.links["suanli-operator"]}

The wall screen, whose account sees totals only:
    {wall}""", flush=True)  # fmt: skip


def stay(operator: Operator) -> None:
    """Until Ctrl-C, or until the operator ends, which it should not."""
    operator.process.wait()
    operator.check()


def run(once: bool) -> None:
    steps = Steps()
    with Clusters("demo") as clusters:
        hub, clouds = start_clouds(clusters, steps)
        join(hub, clouds, steps)
        steps.say("starting the operator")
        with controller.Operator(clusters, hub) as operator:
            hub.kubectl("wait", "--for=condition=Ready", "clouds", "--all", "--timeout=60s")
            for name, nodes in CLOUDS.items():
                all_ready = functools.partial(_all_ready, clouds[name], len(nodes()))
                until(all_ready, f"the nodes of {name}", 120, every=0.3)
            steps.say("both clouds are connected; applying the sample workloads")
            hub.kubectl("apply", "-f", str(HERE / "workloads.yaml"))
            settle(hub, operator)
            steps.say("all is where it belongs")
            show(hub, clouds)
            steps.say("starting the dashboard")
            with stage.dashboard(hub, clusters.folder) as dashboard:
                if not once:
                    how_to_look_around(hub, clouds, operator)
                    look_at_the_centre(dashboard)
                    stay(operator)


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="make demo", description="A hub, two clouds of mixed processors, the operator."
    )
    parser.add_argument("--once", action="store_true", help="end when everything has been shown")
    try:
        run(parser.parse_args().once)
    except KeyboardInterrupt:
        print("\ndemo: ended; nothing is left behind", flush=True)
        return 0
    except (ControllerError, ClusterError, KubectlError, ToolsError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    except TimeoutError as error:
        mend = "nothing is left behind; is the machine busy with something else? Try again when it is not"
        print(f"demo: it took too long: {error}\n{mend}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
