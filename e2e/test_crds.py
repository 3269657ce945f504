"""The kinds on a real API server: what is refused, by a message that names the field; what works; how it reads."""

import copy
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from suanli_clusters import ApiError, Cluster, until
from suanli_controller.api import schema
from suanli_controller.api.kinds import KINDS, Kind

CRDS = Path(__file__).parents[1] / "crds"
GROUP = "/apis/suanli.io/v1alpha1"
NAMESPACE = "crds"

TEMPLATE = {
    "metadata": {"labels": {"app": "w"}},
    "spec": {"containers": [{"name": "app", "image": "reg/app:1", "resources": {"requests": {"cpu": 1}}}]},
}
GOOD: dict[str, dict[str, Any]] = {
    "Cloud": {
        "access": {"kubeconfigSecretRef": {"name": "jining-core"}},
        "tier": "Municipal",
        "district": "370811",
        "provider": "huawei",
        "zone": "az-1",
        "clearance": "Important",
        "network": {"uplinkMbps": 10000},
        "nodeProfiles": [
            {
                "selector": {
                    "matchLabels": {"node.kubernetes.io/instance-type": "kc2"},
                    "matchExpressions": [{"key": "pool", "operator": "NotIn", "values": ["x"]}],
                },
                "family": "kunpeng-920",
                "os": "openeuler",
                "isaLevel": "v8.2",
                "pageSizeKiB": 4,
                "acceleratorModel": "ascend910b",
            }
        ],
    },
    "EdgeSite": {
        "district": "370811",
        "nodeLabels": {"role": "camera"},
        "join": {"maxBoxes": 10, "machineIDs": ["0123456789abcdef"]},
        "declaredHardware": [{"family": "phytium-ft2000-4", "os": "kylin-v10"}],
        "offline": {"mode": "Evict", "evictAfterSeconds": 600},
    },
    "ComputeWorkload": {
        "replicas": 12,
        "dataGrade": "Important",
        "priorityClassName": "office",
        "template": TEMPLATE,
        "variants": [
            {"name": "amd64", "requires": {"architectures": ["amd64"], "minIsaLevel": "v3"}},
            {
                "name": "ascend",
                "requires": {
                    "architectures": ["arm64"],
                    "families": ["kunpeng-920"],
                    "minIsaLevel": "v8.2",
                    "pageSizesKiB": [4, 64],
                    "accelerator": "huawei.com/Ascend910",
                    "acceleratorModels": ["ascend910b"],
                },
                "containers": [
                    {
                        "name": "app",
                        "image": "reg/app:2-ascend",
                        "resources": {"limits": {"huawei.com/Ascend910": 1, "cpu": "1500m", "memory": "1.5Gi"}},
                        "env": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
                    }
                ],
            },
        ],
        "placement": {
            "require": [{"key": "district", "operator": "In", "values": ["370811"]}],
            "groups": [{"name": "core", "require": [{"key": "site", "operator": "Exists"}]}, {"name": "overflow"}],
            "prefer": [{"weight": 50, "require": [{"key": "zone", "operator": "NotIn", "values": ["az-2"]}]}],
            "familyOrder": ["kunpeng-920", "hygon"],
            "spread": [{"by": "district", "maxSkew": 1, "minDomains": 2}],
            "divide": "Weighted",
            "weights": [{"target": "Cloud/jining-core", "weight": 2}, {"target": "EdgeSite/north", "weight": 1}],
            "maxRttMicroseconds": 5000,
        },
        "failover": {"mode": "Migrate", "afterSeconds": 300},
    },
    "Algorithm": {
        "displayName": {"zh": "人脸检测", "en": "Face detection"},
        "category": "vision",
        "versions": [
            {
                "version": "2.1",
                "variants": [{"name": "amd64", "requires": {"architectures": ["amd64"]}}],
                "throughput": [
                    {"class": "arm64.kunpeng-920.openeuler.ascend910b", "perReplica": 240, "unit": "images/s"}
                ],
            }
        ],
    },
    "ComputeCentre": {
        "displayName": {"zh": "济宁市算力算法中心"},
        "districts": [{"code": "370811", "position": {"eastE6": 116606000, "northE6": 35408000}}],
        "unitTable": {
            "version": "2026-1",
            "families": [{"family": "kunpeng-920", "milliUnitsPerCore": 1000}],
            "accelerators": [{"resource": "huawei.com/Ascend910", "milliUnits": 500000}],
        },
        "domestic": {"families": ["kunpeng-920"], "oses": ["kylin-v10"]},
    },
}
OTHER_GOOD: list[tuple[str, str, dict[str, Any]]] = [
    ("local access", "Cloud", {"access": {"local": {}}, "tier": "District"}),
    ("draining when cordoned", "Cloud", GOOD["Cloud"] | {"cordoned": True, "draining": True}),
    (
        "a job",
        "ComputeWorkload",
        {"type": "Job", "job": {"completions": 8, "parallelism": 4}, "template": TEMPLATE},
    ),
    ("a daemon set", "ComputeWorkload", {"type": "DaemonSet", "template": TEMPLATE}),
    ("template as it is", "ComputeWorkload", {"template": TEMPLATE}),
    (
        "from the catalogue",
        "ComputeWorkload",
        {"template": TEMPLATE, "algorithmRef": {"name": "face-detect", "version": "2.1"}},
    ),
    ("boxes that take any pod", "EdgeSite", {"taints": []}),
    ("nothing said", "EdgeSite", {}),
    ("suspended, scaled to nothing", "ComputeWorkload", {"template": TEMPLATE, "replicas": 0, "suspend": True}),
]

REMOVED = object()


def changed(kind: str, path: str, value: Any) -> dict[str, Any]:
    """The good spec of a kind with one field, by dotted path, set to a value or removed."""
    spec = copy.deepcopy(GOOD[kind])
    parts: list[Any] = [int(part) if part.isdecimal() else part for part in path.split("/")]
    node: Any = spec
    *parents, last = parts
    for part in parents:
        node = node[part] if isinstance(node, list) else node.setdefault(part, {})
    if value is REMOVED:
        del node[last]
    else:
        node[last] = value
    return spec


W, C, S, A, Z = "ComputeWorkload", "Cloud", "EdgeSite", "Algorithm", "ComputeCentre"
NAMES_TWICE = [{"name": "a"}, {"name": "a"}]
JOB = {"type": "Job", "job": {"completions": 2}, "template": TEMPLATE}
DIVIDED = {"placement": {"divide": "Capacity"}}

# kind, path of the field, its bad value, what the refusal must say beside "spec.<path>"
BAD: list[tuple[str, str, Any, str]] = [
    (C, "access", REMOVED, "spec.access: Required value"),
    (C, "access", {}, "exactly one of kubeconfigSecretRef and local"),
    (C, "access/local", {}, "exactly one of kubeconfigSecretRef and local"),
    (C, "access/kubeconfigSecretRef/name", REMOVED, "spec.access.kubeconfigSecretRef.name: Required value"),
    (C, "access/kubeconfigSecretRef/name", "Bad Name", "spec.access.kubeconfigSecretRef.name"),
    (C, "access/kubeconfigSecretRef/key", "a/b", "spec.access.kubeconfigSecretRef.key"),
    (C, "tier", REMOVED, "spec.tier: Required value"),
    (C, "tier", "municipal", 'supported values: "District", "Edge", "Municipal"'),
    (C, "district", "no blanks please", "spec.district"),
    (C, "provider", "x" * 64, "spec.provider: Too long"),
    (C, "clearance", "Secret", 'supported values: "Core", "General", "Important"'),
    (C, "cordoned", "yes", "spec.cordoned"),
    (C, "draining", True, "spec.draining"),
    (C, "deletionPolicy", "Keep", "spec.deletionPolicy: Unsupported value"),
    (C, "network/uplinkMbps", -1, "spec.network.uplinkMbps"),
    (C, "network/uplinkMbps", 1.5, "spec.network.uplinkMbps"),
    (C, "nodeProfiles/0/selector", REMOVED, "spec.nodeProfiles[0].selector: Required value"),
    (C, "nodeProfiles/0/selector/matchExpressions", [{"key": "a", "operator": "In"}], "values must be given"),
    (
        C,
        "nodeProfiles/0/selector/matchExpressions",
        [{"key": "a", "operator": "Exists", "values": ["b"]}],
        "left out for Exists",
    ),
    (
        C,
        "nodeProfiles/0/selector/matchExpressions/0/operator",
        "Gt",
        "matchExpressions[0].operator: Unsupported value",
    ),
    (C, "nodeProfiles/0/family", "Kunpeng 920", "spec.nodeProfiles[0].family"),
    (C, "nodeProfiles/0/os", "kylin.v10", "spec.nodeProfiles[0].os"),
    (C, "nodeProfiles/0/isaLevel", "armv8.2", "spec.nodeProfiles[0].isaLevel: Unsupported value"),
    (C, "nodeProfiles/0/pageSizeKiB", 8, "spec.nodeProfiles[0].pageSizeKiB: Unsupported value: 8"),
    (C, "nodeProfiles", [{"selector": {}}] * 65, "spec.nodeProfiles: Too many"),
    (S, "clearance", "Top", "spec.clearance: Unsupported value"),
    (S, "nodeLabels", {"site": "elsewhere"}, "nodeLabels must not hold site, district, clearance or key-hash"),
    (S, "nodeLabels", {"example.com/role": "x"}, "a label name without prefix"),
    (S, "nodeLabels", {"role": "x" * 64}, "spec.nodeLabels.role: Too long"),
    (S, "taints", [{"key": "a", "effect": "Never"}], "spec.taints[0].effect: Unsupported value"),
    (S, "taints", [{"effect": "NoSchedule"}], "spec.taints[0].key: Required value"),
    (S, "taints", [{"key": "a", "effect": "NoSchedule"}] * 2, "spec.taints[1]: Duplicate value"),
    (S, "join/tokenTTLSeconds", 1, "spec.join.tokenTTLSeconds"),
    (S, "join/certificateTTLSeconds", 60, "spec.join.certificateTTLSeconds"),
    (S, "join/maxBoxes", -1, "spec.join.maxBoxes"),
    (S, "join/machineIDs", ["a", "a"], "spec.join.machineIDs[1]: Duplicate value"),
    (S, "join/machineIDs", ["a b"], "spec.join.machineIDs[0]"),
    (S, "declaredHardware", [{"os": "kylin-v10"}], "spec.declaredHardware[0].family: Required value"),
    (S, "offline/mode", "Drop", "spec.offline.mode: Unsupported value"),
    (S, "offline/evictAfterSeconds", -5, "spec.offline.evictAfterSeconds"),
    (W, "type", "StatefulSet", 'supported values: "DaemonSet", "Deployment", "Job"'),
    (W, "type", "Job", "spec.job: Invalid value"),
    (W, "type", "DaemonSet", "spec.replicas"),
    (W, "job", {"completions": 1}, "job must be given for type Job, and only then"),
    (W, "replicas", -1, "spec.replicas"),
    (W, "replicas", "three", "spec.replicas"),
    (W, "suspend", "no", "spec.suspend"),
    (W, "dataGrade", "Low", "spec.dataGrade: Unsupported value"),
    (W, "priorityClassName", "Office", "spec.priorityClassName"),
    (W, "template", REMOVED, "spec.template: Required value"),
    (W, "template/spec", REMOVED, "spec.template.spec: Required value"),
    (W, "template/spec/containers", [], "spec.template.spec.containers"),
    (W, "template/spec/containers/0/name", REMOVED, "spec.template.spec.containers[0].name: Required value"),
    (W, "variants", NAMES_TWICE, "spec.variants[1]: Duplicate value"),
    (W, "variants/0/name", "AMD64", "spec.variants[0].name"),
    (
        W,
        "variants/0/requires/architectures",
        ["x86_64"],
        "spec.variants[0].requires.architectures[0]: Unsupported value",
    ),
    (W, "variants/0/requires/architectures", ["amd64", "amd64"], "architectures[1]: Duplicate value"),
    (
        W,
        "variants/0/requires/architectures",
        ["amd64", "arm64"],
        "minIsaLevel v8.0 to v9.0 needs architectures: [arm64]",
    ),
    (W, "variants/0/requires/architectures", REMOVED, "spec.variants[0].requires.minIsaLevel"),
    (W, "variants/1/requires/minIsaLevel", "v3", "v1 to v4 needs architectures: [amd64]"),
    (W, "variants/1/requires/minIsaLevel", "v8.5", "spec.variants[1].requires.minIsaLevel: Unsupported value"),
    (W, "variants/1/requires/pageSizesKiB", [8], "spec.variants[1].requires.pageSizesKiB[0]: Unsupported value"),
    (W, "variants/1/requires/accelerator", REMOVED, "acceleratorModels needs accelerator"),
    (W, "variants/1/requires/accelerator", "Ascend910", "spec.variants[1].requires.accelerator"),
    (W, "variants/1/requires/families", ["Kunpeng.920"], "spec.variants[1].requires.families[0]"),
    (W, "variants/1/containers/0/name", "sidecar", "must bear the name of a container of template.spec"),
    (W, "variants/1/containers/0/image", 7, "spec.variants[1].containers[0].image"),
    (W, "variants/1/containers/0/env", NAMES_TWICE, "spec.variants[1].containers[0].env[1]: Duplicate value"),
    (
        W,
        "variants/1/containers/0/resources/limits/cpu",
        "lots",
        "spec.variants[1].containers[0].resources.limits.cpu",
    ),
    (
        W,
        "variants/1/containers/0/resources/limits/cpu",
        "-1",
        "spec.variants[1].containers[0].resources.limits.cpu",
    ),
    (
        W,
        "variants/1/containers/0/resources/limits/cpu",
        0.5,
        "spec.variants[1].containers[0].resources.limits.cpu",
    ),
    (W, "variants", [{"name": f"v{number}"} for number in range(17)], "spec.variants: Too many"),
    (W, "algorithmRef", {"name": "a", "version": "1"}, "algorithmRef and variants exclude each other"),
    (W, "algorithmRef", {"name": "a"}, "spec.algorithmRef.version: Required value"),
    (W, "placement/require/0/operator", "Equals", "spec.placement.require[0].operator: Unsupported value"),
    (W, "placement/require/0/values", REMOVED, "values must be given for the operators In and NotIn"),
    (W, "placement/require/0/operator", "Exists", "left out for Exists"),
    (W, "placement/require/0/key", "", "spec.placement.require[0].key"),
    (W, "placement/groups", NAMES_TWICE, "spec.placement.groups[1]: Duplicate value"),
    (W, "placement/groups/1/require", [{"key": "os", "operator": "In"}], "spec.placement.groups[1].require"),
    (W, "placement/prefer/0/weight", 0, "spec.placement.prefer[0].weight"),
    (W, "placement/prefer/0/weight", 101, "spec.placement.prefer[0].weight"),
    (W, "placement/familyOrder", ["Hygon"], "spec.placement.familyOrder[0]"),
    (W, "placement/spread/0/by", "rack", "spec.placement.spread[0].by: Unsupported value"),
    (W, "placement/spread", [{"by": "district"}], "at least one of maxSkew, minDomains and maxPerDomain"),
    (W, "placement/spread", [{"by": "zone", "maxSkew": 1}] * 2, "spec.placement.spread[1]: Duplicate value"),
    (W, "placement/spread/0/maxSkew", -1, "spec.placement.spread[0].maxSkew"),
    (W, "placement/spread/0/whenUnsatisfiable", "DoNotSchedule", "whenUnsatisfiable: Unsupported value"),
    (W, "placement/divide", "Evenly", "spec.placement.divide: Unsupported value"),
    (W, "placement/divide", "Capacity", "weights must be given for divide: Weighted, and only then"),
    (W, "placement/weights", REMOVED, "spec.placement.weights"),
    (W, "placement/weights", [{"target": "Cloud/a", "weight": 0}], "at least one weight must be above 0"),
    (W, "placement/weights/0/target", "jining-core", "spec.placement.weights[0].target"),
    (W, "placement/weights/1/target", "Cloud/jining-core", "spec.placement.weights[1]: Duplicate value"),
    (W, "placement/maxRttMicroseconds", -1, "spec.placement.maxRttMicroseconds"),
    (W, "failover/mode", "Restart", "spec.failover.mode: Unsupported value"),
    (W, "failover/mode", REMOVED, "spec.failover.mode: Required value"),
    (W, "failover/afterSeconds", -1, "spec.failover.afterSeconds"),
    (A, "versions", [{"version": "1"}] * 2, "spec.versions[1]: Duplicate value"),
    (A, "versions/0/version", REMOVED, "spec.versions[0].version: Required value"),
    (A, "versions/0/variants", NAMES_TWICE, "spec.versions[0].variants[1]: Duplicate value"),
    (A, "versions/0/throughput/0/perReplica", 0.5, "spec.versions[0].throughput[0].perReplica"),
    (A, "versions/0/throughput/0/unit", REMOVED, "spec.versions[0].throughput[0].unit: Required value"),
    (A, "displayName/zh", "字" * 129, "spec.displayName.zh: Too long"),
    (Z, "districts", [{"code": "1"}] * 2, "spec.districts[1]: Duplicate value"),
    (Z, "districts/0/code", "", "spec.districts[0].code"),
    (Z, "districts/0/position/eastE6", 180_000_001, "spec.districts[0].position.eastE6"),
    (Z, "districts/0/position/northE6", REMOVED, "spec.districts[0].position.northE6: Required value"),
    (Z, "unitTable/families/0/milliUnitsPerCore", -1, "spec.unitTable.families[0].milliUnitsPerCore"),
    (Z, "unitTable/families", [{"family": "a", "milliUnitsPerCore": 1}] * 2, "families[1]: Duplicate value"),
    (Z, "unitTable/accelerators", [{"resource": "a/b"}] * 2, "spec.unitTable.accelerators[1]: Duplicate value"),
    (Z, "domestic/oses", ["kylin-v10"] * 2, "spec.domestic.oses[1]: Duplicate value"),
]
BAD_WHOLE: list[tuple[str, dict[str, Any], str]] = [
    ("a Job has no replicas", JOB | {"replicas": 3}, "spec.replicas"),
    ("a Job needs completions of 1 or more", JOB | {"job": {"completions": 0}}, "spec.job.completions"),
    (
        "an Indexed Job is not divided",
        JOB | {"job": {"completionMode": "Indexed"}} | DIVIDED,
        "spec.placement.divide",
    ),
    ("a DaemonSet is not divided", {"type": "DaemonSet", "template": TEMPLATE} | DIVIDED, "spec.placement.divide"),
]


def collection(kind: str) -> str:
    plural = next(each.plural for each in KINDS if each.name == kind)
    return f"{GROUP}/namespaces/{NAMESPACE}/{plural}" if kind == W else f"{GROUP}/{plural}"


def manifest(kind: str, spec: dict[str, Any], name: str = "sample") -> dict[str, Any]:
    name = "centre" if kind == Z else name
    return {"apiVersion": "suanli.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def server(hub: Cluster) -> Cluster:
    hub.kubectl("apply", "--server-side", "-f", str(CRDS))
    names = [f"crd/{kind.plural}.suanli.io" for kind in KINDS]
    hub.kubectl("wait", "--for=condition=Established", "--timeout=60s", *names)
    hub.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    until(lambda: all(hub.api.get(collection(kind.name)) for kind in KINDS), "the kinds to be served", seconds=60)
    return hub


@pytest.fixture
def made(server: Cluster) -> Iterator[Any]:
    """Make objects that go when the test ends."""
    paths: list[str] = []

    def make(kind: str, spec: dict[str, Any], name: str) -> dict[str, Any]:
        answer: dict[str, Any] = server.api.post(collection(kind), manifest(kind, spec, name))
        paths.append(f"{collection(kind)}/{answer['metadata']['name']}")
        return answer

    yield make
    for path in paths:
        server.api.delete(path)


def refusal(server: Cluster, kind: str, spec: dict[str, Any]) -> str:
    with pytest.raises(ApiError) as refused:
        server.api.post(f"{collection(kind)}?dryRun=All&fieldValidation=Strict", manifest(kind, spec))
    assert refused.value.status in (400, 422)
    return refused.value.message


def bad_id(case: tuple[str, str, Any, str]) -> str:
    return f"{case[0]}-{case[1]}-{str(case[2])[:20] if case[2] is not REMOVED else 'removed'}"


@pytest.mark.parametrize(("kind", "path", "value", "said"), BAD, ids=[bad_id(case) for case in BAD])
def test_a_bad_object_is_refused_and_the_field_named(
    server: Cluster, kind: str, path: str, value: Any, said: str
) -> None:
    message = refusal(server, kind, changed(kind, path, value))
    assert said in message
    assert named(path) in message, "the message does not name the field"


def named(path: str) -> str:
    """The last word of the path that is no index: every message must hold at least that."""
    return next(part for part in reversed(path.split("/")) if not part.isdecimal())


@pytest.mark.parametrize(("spec", "said"), [case[1:] for case in BAD_WHOLE], ids=[case[0] for case in BAD_WHOLE])
def test_a_bad_combination_is_refused_and_the_field_named(
    server: Cluster, spec: dict[str, Any], said: str
) -> None:
    assert said in refusal(server, W, spec)


def test_the_centre_has_one_name(server: Cluster) -> None:
    wrong = manifest(Z, GOOD[Z])
    wrong["metadata"]["name"] = "other"
    with pytest.raises(ApiError, match=r"metadata\.name must be centre"):
        server.api.post(f"{collection(Z)}?dryRun=All", wrong)


def test_an_unknown_field_is_refused_by_name(server: Cluster) -> None:
    """kubectl asks for strict validation; a slip in a field's name is then no silent loss."""
    assert 'unknown field "spec.clearence"' in refusal(server, C, GOOD[C] | {"clearence": "Core"})


def test_the_template_keeps_what_the_schema_does_not_know(server: Cluster) -> None:
    template: Any = copy.deepcopy(TEMPLATE)
    template["spec"]["containers"][0]["livenessProbe"] = {"httpGet": {"path": "/", "port": 80}}
    template["spec"]["tolerations"] = [{"key": "suanli.io/edge", "operator": "Exists"}]
    spec = {"template": template}
    answer = server.api.post(f"{collection(W)}?dryRun=All&fieldValidation=Strict", manifest(W, spec))
    assert answer["spec"]["template"] == template


@pytest.mark.parametrize("kind", [*GOOD])
def test_a_whole_good_object_is_kept_as_written(server: Cluster, kind: str) -> None:
    answer = server.api.post(f"{collection(kind)}?dryRun=All&fieldValidation=Strict", manifest(kind, GOOD[kind]))
    assert within(GOOD[kind], answer["spec"])


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_what_the_server_stores_reads_into_our_struct_and_back(server: Cluster, kind: Kind) -> None:
    """No field is lost or changed between the API server and the controller."""
    url = f"{collection(kind.name)}?dryRun=All&fieldValidation=Strict"
    stored = server.api.post(url, manifest(kind.name, GOOD[kind.name]))
    item: Any = msgspec.convert(stored, kind.struct)
    written = manifest(kind.name, msgspec.to_builtins(item.spec))
    again: Any = msgspec.convert(server.api.post(url, written), kind.struct)
    assert again.spec == item.spec
    assert msgspec.json.decode(msgspec.json.encode(item), type=kind.struct) == item


def within(part: Any, whole: Any) -> bool:
    """Whether everything in `part` is in `whole`, which may have defaults besides."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(key in whole and within(part[key], whole[key]) for key in part)
    if isinstance(part, list):
        return len(part) == len(whole) and all(itertools.starmap(within, zip(part, whole, strict=True)))
    return bool(part == whole)


@pytest.mark.parametrize(("kind", "spec"), [case[1:] for case in OTHER_GOOD], ids=[case[0] for case in OTHER_GOOD])
def test_a_good_variation_is_taken(server: Cluster, kind: str, spec: dict[str, Any]) -> None:
    server.api.post(f"{collection(kind)}?dryRun=All&fieldValidation=Strict", manifest(kind, spec))


def test_defaults_are_filled_in(server: Cluster) -> None:
    def stored(kind: str, spec: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = server.api.post(f"{collection(kind)}?dryRun=All", manifest(kind, spec))
        return dict(answer["spec"])

    workload = stored(W, {"template": TEMPLATE})
    assert (workload["type"], workload["replicas"]) == ("Deployment", 1)
    cloud = stored(C, {"access": {"kubeconfigSecretRef": {"name": "a"}}, "tier": "Edge"})
    assert (cloud["deletionPolicy"], cloud["clearance"]) == ("Orphan", "General")
    assert cloud["access"]["kubeconfigSecretRef"]["key"] == "kubeconfig"
    assert stored(S, {})["taints"] == [{"key": "suanli.io/edge", "effect": "NoSchedule"}]
    assert stored(W, JOB)["job"] == {
        "completions": 2,
        "parallelism": 1,
        "backoffLimit": 6,
        "completionMode": "NonIndexed",
    }


def test_type_and_completions_never_change(server: Cluster, made: Any) -> None:
    made(W, JOB, "fixed")
    path = f"{collection(W)}/fixed?dryRun=All"
    with pytest.raises(ApiError, match=r"spec\.type.*cannot be changed"):
        server.api.patch(path, {"spec": {"type": "Deployment", "job": None}})
    with pytest.raises(ApiError, match=r"job\.completions and job\.completionMode cannot be changed"):
        server.api.patch(path, {"spec": {"job": {"completions": 3}}})
    server.api.patch(path, {"spec": {"job": {"parallelism": 2}, "suspend": True}})


def test_kubectl_scale_works(server: Cluster, made: Any) -> None:
    made(W, {"template": TEMPLATE}, "scaled")
    server.kubectl("scale", "cwl", "scaled", "--replicas=5", "-n", NAMESPACE)
    status = {"status": {"replicas": 4, "selector": "suanli.io/workload-uid=abc"}}
    server.api.patch(f"{collection(W)}/scaled/status", status)
    scale = server.api.get(f"{collection(W)}/scaled/scale")
    assert scale["spec"] == {"replicas": 5}
    assert scale["status"] == {"replicas": 4, "selector": "suanli.io/workload-uid=abc"}


def test_status_is_written_apart_from_spec(server: Cluster, made: Any) -> None:
    """Whoever may write the status cannot change the spec with it, nor the other way round."""
    before = made(C, GOOD[C], "apart")
    path = f"{collection(C)}/apart"
    both = {"spec": {"cordoned": True}, "status": {"nodes": 3}}
    server.api.patch(path, both)
    after = server.api.get(path)
    assert after["spec"]["cordoned"] is True
    assert "status" not in after
    server.api.patch(f"{path}/status", {"spec": {"cordoned": False}, "status": {"nodes": 3}})
    last = server.api.get(path)
    assert (last["spec"]["cordoned"], last["status"]) == (True, {"nodes": 3})
    assert last["metadata"]["generation"] == before["metadata"]["generation"] + 1


STATUSES: dict[str, dict[str, Any]] = {
    "Cloud": {"nodes": 12000, "readyNodes": 11999, "version": "v1.36.3"},
    "EdgeSite": {"boxes": 5000, "readyBoxes": 4999},
    "ComputeWorkload": {"replicas": 100000, "readyReplicas": 99999, "unplaced": {"replicas": 100000}},
    "Algorithm": {"workloads": 1000, "replicas": 100000},
    "ComputeCentre": {"clouds": 100, "readyClouds": 99, "sites": 1000, "boxes": 10000, "domesticPermille": 640},
}
LONG_REASON = {
    "type": "Ready",
    "status": "Unknown",
    "reason": "InvalidKubeconfig",
    "lastTransitionTime": "2026-11-23T00:00:00Z",
}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_columns_fit_into_80_characters(server: Cluster, made: Any, kind: Kind) -> None:
    """With a name of 20 characters, large numbers and the longest reasons; the rest is under -o wide."""
    name = made(kind.name, GOOD[kind.name], "jining-core-cloud-01")["metadata"]["name"]
    server.api.patch(
        f"{collection(kind.name)}/{name}/status",
        {"status": STATUSES[kind.name] | {"conditions": [LONG_REASON], "observedGeneration": 1}},
    )
    printed = server.kubectl("get", kind.plural, "-n", NAMESPACE)
    assert max(len(line.rstrip()) for line in printed.splitlines()) <= 80, printed
    assert name in printed
    headings = {column.name.upper() for column in kind.columns if column.wide}
    wide = server.kubectl("get", kind.plural, "-n", NAMESPACE, "-o", "wide").splitlines()[0]
    assert all(heading in wide for heading in headings)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_short_names_and_category_work(server: Cluster, made: Any, kind: Kind) -> None:
    name = made(kind.name, GOOD[kind.name], "short")["metadata"]["name"]
    for word in (*kind.short_names, kind.plural, kind.name.lower(), "suanli"):
        assert name in server.kubectl("get", word, "-n", NAMESPACE, "-o", "name")


def paths(node: dict[str, Any], path: str) -> Iterator[str]:
    """Every field below `path` that kubectl explain can be asked for."""
    inner = node.get("items", node)
    inner = inner.get("additionalProperties", inner) if isinstance(inner, dict) else {}
    for name, field in inner.get("properties", {}).items():
        yield f"{path}.{name}"
        yield from paths(field, f"{path}.{name}")


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_explain_describes_every_field(server: Cluster, kind: Kind) -> None:
    """One question for each object; each of its fields is followed by its description."""
    root = schema.root_schema(kind)
    fields = [path for part in ("spec", "status") for path in (part, *paths(root["properties"][part], part))]
    parents = {field.rpartition(".")[0] for field in fields}
    for parent in sorted(parents):
        answer = server.kubectl("explain", f"{kind.plural}.{parent}".rstrip("."))
        for field in fields:
            if field.rpartition(".")[0] == parent:
                name = field.rpartition(".")[2]
                assert re.search(rf"^  {re.escape(name)}\t<.*>.*\n(  enum: .*\n)?    \S", answer, re.MULTILINE), (
                    field
                )


def test_what_the_verb_prints_is_taken_by_kubectl(server: Cluster) -> None:
    """`suanli-controller crds | kubectl apply --server-side -f -`: nothing is left to change after crds/."""
    diff = server.kubectl("apply", "--server-side", "--dry-run=server", "-f", "-", stdin=schema.render_all())
    assert diff.count("serverside-applied") == len(KINDS)
    for document in yaml.safe_load_all(schema.render_all()):
        stored = server.api.get(
            f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{document['metadata']['name']}"
        )
        assert within(document["spec"]["versions"][0]["schema"], stored["spec"]["versions"][0]["schema"])
        conditions = {each["type"]: each["status"] for each in stored["status"]["conditions"]}
        assert conditions == {"NamesAccepted": "True", "Established": "True"}
