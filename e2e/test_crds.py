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

from crd_samples import BAD, BAD_WHOLE, GOOD, JOB, OTHER_GOOD, REMOVED, TEMPLATE, C, S, W, Z, changed
from suanli_clusters import ApiError, Cluster, until
from suanli_controller.api import schema
from suanli_controller.api.kinds import KINDS, Kind

CRDS = Path(__file__).parents[1] / "crds"
GROUP = "/apis/suanli.io/v1alpha1"
NAMESPACE = "crds"


def collection(kind: str) -> str:
    plural = next(each.plural for each in KINDS if each.name == kind)
    return f"{GROUP}/namespaces/{NAMESPACE}/{plural}" if kind == W else f"{GROUP}/{plural}"


def manifest(kind: str, spec: dict[str, Any], name: str = "sample") -> dict[str, Any]:
    name = "centre" if kind == Z else name
    return {"apiVersion": "suanli.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def server(hub: Cluster) -> Cluster:
    hub.kubectl("apply", "--server-side", "-f", str(CRDS))
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


def test_a_cloud_never_changes_between_the_hub_and_a_cluster_of_its_own(server: Cluster, made: Any) -> None:
    """Each message names the mend. Another Secret, or another key of it, is no such change."""
    reference: dict[str, Any] = {"kubeconfigSecretRef": {"name": "a"}}
    local: dict[str, Any] = {"local": {}}
    for name, access, other in (("far", reference, local), ("near", local, reference)):
        made(C, {"access": access, "tier": "District"}, name)
        change = {"spec": {"access": dict.fromkeys(access) | other}}
        with pytest.raises(ApiError, match=r"spec\.access.*deletionPolicy: Orphan, and join anew"):
            server.api.patch(f"{collection(C)}/{name}?dryRun=All", change)
    server.api.patch(
        f"{collection(C)}/far", {"spec": {"access": {"kubeconfigSecretRef": {"name": "b", "key": "k"}}}}
    )


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
