"""`plan` answers from files alone: the JSON is its contract."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from suanli_controller.cli import root

CLOUDS = """
apiVersion: suanli.io/v1alpha1
kind: Cloud
metadata: {name: core}
spec: {access: {local: {}}, tier: Municipal, clearance: Core}
---
apiVersion: suanli.io/v1alpha1
kind: Cloud
metadata: {name: county}
spec:
  access: {kubeconfigSecretRef: {name: county}}
  tier: District
  clearance: General
  nodeProfiles: [{selector: {}, family: phytium-ft2000plus, os: kylin-v10, isaLevel: v8.0}]
"""


def node(name: str, cloud: str | None, arch: str = "amd64", cpu: str = "8", **labels: str) -> dict[str, Any]:
    amounts = {"cpu": cpu, "memory": "32Gi", "pods": "110"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/arch": arch, **labels},
            "annotations": {"suanli.io/target": f"Cloud/{cloud}"} if cloud else {},
        },
        "status": {
            "allocatable": amounts,
            "capacity": amounts,
            "conditions": [{"type": "Ready", "status": "True"}],
            "nodeInfo": {"architecture": arch},
        },
    }


def workload(name: str, replicas: int = 1, cpu: str = "1", **spec: Any) -> dict[str, Any]:
    container = {"name": "app", "image": "app:1", "resources": {"requests": {"cpu": cpu, "memory": "1Gi"}}}
    return {
        "apiVersion": "suanli.io/v1alpha1",
        "kind": "ComputeWorkload",
        "metadata": {"name": name},
        "spec": {
            "replicas": replicas,
            "dataGrade": "General",
            "template": {"spec": {"containers": [container]}},
            **spec,
        },
    }


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def answer(fleet: str | list[Any], workloads: str | list[Any], *options: str) -> Result:
        paths = []
        for number, content in enumerate((CLOUDS, fleet, workloads)):
            path = tmp_path / f"{number}.yaml"
            path.write_text(content if isinstance(content, str) else yaml.safe_dump_all(content))
            paths.append(str(path))
        arguments = ["plan", "--fleet", paths[0], "--fleet", paths[1], "--workloads", paths[2], *options]
        return CliRunner().invoke(root.cli, arguments)

    return answer


def decoded(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    plan: dict[str, Any] = json.loads(result.stdout)
    return plan


def test_the_json_is_the_documented_one(run: Any) -> None:
    plan = decoded(run([node("a", "core")], [workload("web", 2)], "-o", "json"))
    assert plan == {
        "apiVersion": "suanli.io/v1alpha1",
        "kind": "Plan",
        "strategy": "Default",
        "placed": 2,
        "unplaced": 0,
        "workloads": [
            {
                "namespace": "default",
                "name": "web",
                "type": "Deployment",
                "priority": 0,
                "replicas": 2,
                "placed": 2,
                "placements": [
                    {
                        "target": "Cloud/core",
                        "variant": "default",
                        "replicas": 2,
                        "nodes": [{"name": "a", "replicas": 2}],
                    }
                ],
                "unplaced": {"replicas": 0, "reasons": []},
                "notes": [],
                "invalid": "",
            }
        ],
        "classes": [
            {
                "class": "amd64.unknown.unknown.none",
                "nodes": 1,
                "openNodes": 1,
                "allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"},
                "free": {"cpu": "6", "memory": "30Gi", "pods": "108"},
                "largestFree": {"cpu": "6", "memory": "30Gi", "pods": "108"},
                "milliUnitsFree": None,
            }
        ],
        "warnings": [],
    }


def test_a_build_for_v8_2_is_kept_off_phytium_by_the_profile_of_the_cloud(run: Any) -> None:
    build = [{"name": "arm", "requires": {"architectures": ["arm64"], "minIsaLevel": "v8.2"}}]
    plan = decoded(run([node("p", "county", "arm64")], [workload("sim", variants=build)], "-o", "json"))
    assert plan["workloads"][0]["unplaced"] == {
        "replicas": 1,
        "reasons": [{"reason": "IsaLevelTooLow", "nodes": 1, "message": ""}],
    }


def test_bound_pods_take_their_requests_and_finished_ones_take_nothing(run: Any) -> None:
    def pod(name: str, phase: str) -> dict[str, Any]:
        requests = {"requests": {"cpu": "5"}}
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "x"},
            "spec": {"nodeName": "a", "containers": [{"name": "c", "resources": requests}]},
            "status": {"phase": phase},
        }

    fleet = [node("a", "core"), pod("runs", "Running"), pod("done", "Succeeded")]
    assert decoded(run(fleet, [workload("web", 9)], "-o", "json"))["placed"] == 3


def test_the_higher_priority_goes_first(run: Any) -> None:
    high = {
        "apiVersion": "scheduling.k8s.io/v1",
        "kind": "PriorityClass",
        "metadata": {"name": "high"},
        "value": 9,
    }
    works = [workload("low", 8), workload("first", 6, priorityClassName="high")]
    plan = decoded(run([node("a", "core"), high], works, "-o", "json"))
    assert [(each["name"], each["placed"]) for each in plan["workloads"]] == [("low", 2), ("first", 6)]


def test_a_list_is_read_like_its_items(run: Any) -> None:
    items = yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": [node("a", "core"), node("b", "core")]})
    assert decoded(run(items, [workload("web", 16)], "-o", "json"))["placed"] == 16


def test_a_large_file_is_read_the_same_way(run: Any) -> None:
    """Above a threshold another parser reads, piece by piece."""
    one = yaml.safe_dump([node("NAME", "core", cpu="2", note="x" * 2000)])
    items = (
        "apiVersion: v1\nitems:\n" + "".join(one.replace("NAME", f"n{i:05}") for i in range(4000)) + "kind: List\n"
    )
    assert len(items) > 1 << 23
    plan = decoded(run(items, [workload("web", 8001)], "-o", "json"))
    assert (plan["placed"], plan["classes"][0]["nodes"]) == (8000, 4000)


def test_anchors_are_understood_in_large_files_too(run: Any) -> None:
    nodes = [node(f"n{number}", "core") for number in range(200)]
    items = yaml.dump({"apiVersion": "v1", "items": nodes, "kind": "List"}, Dumper=yaml.SafeDumper)
    assert "&id" in items
    assert len(items) > 1 << 16
    assert decoded(run(items, [workload("web", 1601)], "-o", "json"))["placed"] == 1600


def test_a_node_without_a_target_is_left_out_and_said_so(run: Any) -> None:
    plan = decoded(run([node("a", None)], [workload("web")], "-o", "json"))
    assert plan["placed"] == 0
    assert plan["warnings"] == ["Node a: no annotation suanli.io/target: Cloud/NAME; left out"]


@pytest.mark.parametrize(
    ("broken", "says"),
    [
        (workload("w", -1), "$.spec.replicas"),
        (workload("w", cpu="-1"), "'-1' is negative"),
        (workload("w", cpu="many"), "is not a quantity"),
        (workload("w", placement={"require": [{"key": "tier", "operator": "Like", "values": []}]}), "operator"),
    ],
)
def test_a_workload_that_cannot_be_understood_is_named_and_the_others_are_placed(
    run: Any, broken: dict[str, Any], says: str
) -> None:
    plan = decoded(run([node("a", "core")], [broken, workload("good")], "-o", "json"))
    by_name = {each["name"]: each for each in plan["workloads"]}
    assert says in by_name["w"]["invalid"]
    assert by_name["w"]["unplaced"]["reasons"][0]["reason"] == "TemplateInvalid"
    assert by_name["good"]["placed"] == 1


def test_an_unreadable_fleet_ends_with_the_object_and_the_field(run: Any) -> None:
    result = run([node("a", "core", cpu="-4")], [workload("web")])
    assert result.exit_code == 1
    assert "a" in result.output
    assert "negative" in result.output


def test_a_file_that_is_no_yaml_names_the_line(run: Any) -> None:
    result = run("a: [1\nb: 2", [workload("web")])
    assert result.exit_code == 1
    assert "line 2" in result.output


def test_what_was_placed_before_stays(run: Any) -> None:
    """A workload with a status is decided anew without moving."""
    held = workload("web", 4) | {
        "status": {"placements": [{"target": "Cloud/core", "variant": "default", "replicas": 3}]}
    }
    plan = decoded(run([node("a", "core"), node("b", "county", cpu="64")], [held], "-o", "json"))
    counts = {each["target"]: each["replicas"] for each in plan["workloads"][0]["placements"]}
    assert counts["Cloud/core"] == 3


def test_the_table_shows_places_reasons_and_what_is_free(run: Any) -> None:
    output = run([node("a", "core")], [workload("web", 9)]).output
    assert "default/web  8/9" in output
    assert "not placed: InsufficientCpu on 1 node" in output
    assert "LARGEST ON ONE NODE" in output


ARM = {"name": "arm", "requires": {"architectures": ["arm64"]}}


def test_builds_come_from_the_catalogue_where_a_workload_names_an_algorithm(run: Any) -> None:
    entry = {
        "apiVersion": "suanli.io/v1alpha1",
        "kind": "Algorithm",
        "metadata": {"name": "faces"},
        "spec": {"versions": [{"version": "2", "variants": [ARM]}]},
    }
    nodes = [entry, node("x86", "core"), node("arm", "core", arch="arm64")]
    named = workload("new", algorithmRef={"name": "faces", "version": "2"})
    old = workload("old", algorithmRef={"name": "faces", "version": "1"})
    new, lost = decoded(run(nodes, [named, old], "-o", "json"))["workloads"]
    assert [(each["variant"], each["nodes"][0]["name"]) for each in new["placements"]] == [("arm", "arm")]
    assert lost["invalid"] == "spec.algorithmRef.version: '1': Algorithm faces has 2"


@pytest.mark.parametrize(
    ("pods", "wrong"),
    [
        ({"containers": []}, "containers: none: give at least one"),
        (
            {"containers": [{"name": "app", "resources": {"limits": {"nvidia.com/gpu": "500m"}}}]},
            "nvidia.com/gpu: '500m': devices are asked for whole",
        ),
    ],
)
def test_what_no_api_server_takes_is_not_planned(run: Any, pods: dict[str, Any], wrong: str) -> None:
    plan = decoded(run([node("n0", "core")], [workload("w", template={"spec": pods})], "-o", "json"))
    assert plan["workloads"][0]["invalid"] == f"spec.template.spec (variant default): {wrong}"
    assert plan["placed"] == 0
