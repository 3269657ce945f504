"""Objects for test_crds: good ones of every kind, and bad ones with what their refusal must say."""

import copy
from typing import Any

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
