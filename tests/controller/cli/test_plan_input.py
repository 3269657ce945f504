"""`plan`: odd files. What it cannot read ends with a name, what it leaves out is said, and nothing crashes it."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from suanli_controller.cli.root import cli


def cloud(name: str = "a", **spec: Any) -> dict[str, Any]:
    return {"kind": "Cloud", "metadata": {"name": name}, "spec": {"tier": "District", "clearance": "Core", **spec}}


def node(name: str, cpu: Any = 8, **labels: str) -> dict[str, Any]:
    meta = {"name": name, "annotations": {"suanli.io/target": "Cloud/a"}, "labels": labels}
    amounts = {"cpu": cpu, "memory": "32Gi", "pods": 10}
    return {"kind": "Node", "metadata": meta, "status": {"allocatable": amounts, "capacity": amounts}}


def workload(name: str = "w", cpu: Any = 1, pod: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "app", "resources": {"requests": {"cpu": cpu}}}
    pods = {"spec": {"containers": [container], **(pod or {})}}
    return {"kind": "ComputeWorkload", "metadata": {"name": name}, "spec": {"template": pods, **spec}}


def pod(name: str, on: str, target: str = "") -> dict[str, Any]:
    meta = {"name": name, "namespace": "d", "annotations": {"suanli.io/target": target} if target else {}}
    return {"kind": "Pod", "metadata": meta, "spec": {"nodeName": on, "containers": [{"name": "c"}]}}


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def answer(content: str | list[Any]) -> Result:
        file = tmp_path / "all.yaml"
        file.write_text(content if isinstance(content, str) else yaml.safe_dump_all(content))
        return CliRunner().invoke(cli, ["plan", "--fleet", str(file), "--workloads", str(file), "-o", "json"])

    return answer


def planned(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    plan: dict[str, Any] = json.loads(result.stdout)
    return plan


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ('{"kind": "Node"', "not YAML"),
        ('{"kind": "Node", ' + " " * 70_000, "not JSON"),
        ("on: x\nkind: Node\n", "no JSON could say"),
        ("~: x\n", "no JSON could say"),
        ("a: &x [*x]\n", "no JSON could say"),
        ("- a\n", "every document must be a Kubernetes object"),
        ("kind: Node\nmetadata: {}\n", "a Node without metadata.name"),
        ([cloud(), node("n", cpu=float("nan"))], "'.nan' is not a quantity"),
    ],
)
def test_what_cannot_be_read_ends_with_a_name(run: Any, content: str | list[Any], says: str) -> None:
    result = run(content)
    assert result.exit_code == 1
    assert isinstance(result.exception, SystemExit)
    assert says in result.output


def test_a_map_in_one_line_is_yaml_too(run: Any) -> None:
    assert "Foo x" in planned(run("{kind: Foo, metadata: {name: x}}"))["warnings"][0]


@pytest.mark.parametrize("amount", [float("nan"), float("inf")])
def test_a_number_that_json_does_not_know_is_no_request_for_nothing(run: Any, amount: float) -> None:
    told = planned(run([cloud(), node("n"), workload(cpu=amount)]))["workloads"][0]
    assert "is not a quantity" in told["invalid"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (node("n"), "Node n of Cloud/a is there twice: the last counts"),
        (cloud(), "Cloud a is there twice: the last counts"),
        (workload(), "ComputeWorkload default/w is there twice: the last counts"),
        (pod("p", "elsewhere", "Cloud/a"), "Pod d/p: node elsewhere is not in the files; left out"),
        (pod("p", "n", "Cloud/b"), "Pod d/p: node n is not in the files; left out"),
        (cloud("b", clearence="Core"), "Cloud b: spec.clearence: there is no such field; it counts for nothing"),
        (
            workload("v", placement={"groups": [{"name": "g", "requires": []}]}),
            "ComputeWorkload v: spec.placement.groups[0].requires: there is no such field; it counts for nothing",
        ),
    ],
)
def test_what_counts_otherwise_than_it_is_written_is_said(run: Any, more: dict[str, Any], says: str) -> None:
    assert says in planned(run([cloud(), node("n"), workload(), more]))["warnings"]


def test_what_is_written_right_gives_no_warning(run: Any) -> None:
    build = {"name": "x", "requires": {"architectures": ["arm64"]}, "containers": [{"name": "app", "env": []}]}
    good = workload(
        variants=[build], placement={"require": [{"key": "tier", "operator": "Exists"}]}, failover=None
    )
    good["spec"]["template"]["spec"]["whatever"] = {"kubernetes": "has"}
    del good["spec"]["failover"]
    assert planned(run([cloud(), node("n"), good]))["warnings"] == []


def test_a_suspended_workload_takes_nothing(run: Any) -> None:
    plan = planned(run([cloud(), node("n"), workload("rests", replicas=8, suspend=True), workload(replicas=8)]))
    rests, runs = plan["workloads"]
    assert (rests["placed"], rests["unplaced"]["replicas"], rests["notes"]) == (0, 0, ["suspended: nothing runs"])
    assert runs["placed"] == 8


def test_a_second_plan_from_what_the_first_one_gave_moves_nothing(run: Any) -> None:
    """Whatever the priorities: what stands is counted before anything new is given."""
    apart = {"spread": [{"by": "node", "maxSkew": 2}]}
    first = [workload(f"w{number}", replicas=5, placement=apart) for number in range(4)]
    fleet = [cloud(), *(node(f"n{number}") for number in range(2))]
    plan = planned(run([*fleet, *first]))
    assert plan["placed"] == 16
    again = [
        item | {"status": {"placements": [given | {"nodes": None} for given in told["placements"]]}}
        for item, told in zip(first, plan["workloads"], strict=True)
    ]
    urgent = [
        {"kind": "PriorityClass", "metadata": {"name": "now"}, "value": 1000},
        workload("late", replicas=3, priorityClassName="now"),
    ]
    second = planned(run([*fleet, *urgent, *again]))["workloads"]
    assert [each["placed"] for each in second] == [0, *(each["placed"] for each in plan["workloads"])]


@pytest.mark.parametrize(
    ("value", "label", "placed"),
    [("4", "5", 1), ("4", "1_000", 0), ("²", "5", 0), ("4", "٥", 0), ("9" * 5000, "5", 0)],
)
def test_gt_compares_integers_as_kubernetes_writes_them(run: Any, value: str, label: str, placed: int) -> None:
    terms = [{"matchExpressions": [{"key": "size", "operator": "Gt", "values": [value]}]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
    item = workload(pod={"affinity": {"nodeAffinity": required}})
    told = planned(run([cloud(), node("n", size=label), item]))["workloads"][0]
    assert told["placed"] == placed
    assert placed or told["unplaced"]["reasons"]


def test_only_match_fields_speaks_of_the_nodes_name(run: Any) -> None:
    for kind, placed in (("matchFields", 1), ("matchExpressions", 0)):
        terms = [{kind: [{"key": "metadata.name", "operator": "In", "values": ["n"]}]}]
        required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}
        item = workload(pod={"affinity": {"nodeAffinity": required}})
        assert planned(run([cloud(), node("n"), item]))["placed"] == placed
