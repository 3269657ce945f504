"""What is applied in a cloud or at a site: one Deployment, Job or DaemonSet for each (target, variant).

Generates manifests as plain maps, ready for server-side apply. Decides nothing about where and how many.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from suanli_controller.api import names, template, workload
from suanli_controller.core import hardware

Manifest = dict[str, Any]
NAME_LIMIT = 52
"""A pod's name is its ReplicaSet's (11 more) and must stay a label value of 63 characters for Jobs' `job-name`."""

KINDS = {"Deployment": "apps/v1", "Job": "batch/v1", "DaemonSet": "apps/v1"}


class Share(msgspec.Struct, frozen=True, gc=False):
    """One (target, variant)'s part of a workload."""

    target: str  # Cloud/NAME or EdgeSite/NAME
    variant: str
    replicas: int  # pods at a time: a Job's parallelism; of a DaemonSet what is expected, not asked for
    completions: int = 0  # a divided Job's share of them; 0: all


@dataclass(frozen=True, slots=True)
class Placed:
    """What a target's cluster tells about itself that goes into the objects there."""

    hub_uid: str
    node_terms: hardware.Terms = ()  # the variant's whole constraint, as that cluster's labels say it
    priority_class: str = ""  # empty where the cluster does not have it


def object_name(workload_name: str, variant: str, target: str) -> str:
    """`<workload>-<variant>` in a cloud, `<workload>-<variant>-<site>` at a site; cut and hashed when too long.

    Hashed too where a hyphen in the variant would leave open which site is meant: they share the hub's namespaces.
    """
    kind, _, place = target.partition("/")
    parts = [workload_name, variant, *([place] if kind == names.SITE_KIND else [])]
    full = "-".join(parts)
    if len(full) <= NAME_LIMIT and (kind != names.SITE_KIND or "-" not in variant):
        return full
    digest = hashlib.sha256("/".join(parts).encode()).hexdigest()[:8]
    return f"{full[: NAME_LIMIT - 9].rstrip('-.')}-{digest}"


def generate(item: workload.ComputeWorkload, share: Share, placed: Placed) -> Manifest:
    """The object that carries `share` of `item` in its target."""
    make = {"Deployment": _deployment, "Job": _job, "DaemonSet": _daemon_set}[item.spec.type]
    pods = pod_template(item, share, placed)
    content = _digest(pods)
    if placed.node_terms:
        _require_nodes(pods["spec"], placed.node_terms)
    manifest: Manifest = {
        "apiVersion": KINDS[item.spec.type],
        "kind": item.spec.type,
        "metadata": {
            "name": object_name(item.metadata.name, share.variant, share.target),
            "namespace": item.metadata.namespace,
            "labels": _labels(item, share, placed.hub_uid),
        },
        "spec": make(item, share, pods),
    }
    manifest["metadata"]["annotations"] = {
        names.WORKLOAD_ANNOTATION: f"{item.metadata.namespace}/{item.metadata.name}",
        # counts and nodes change without a rollout; these two tell which of an object's parts is behind
        names.CONTENT_ANNOTATION: content,
        names.TERMS_ANNOTATION: _digest(placed.node_terms),
    }
    return manifest


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value, order="deterministic")).hexdigest()[:16]


def _deployment(item: workload.ComputeWorkload, share: Share, pods: Manifest) -> Manifest:
    return {
        "replicas": 0 if item.spec.suspend else share.replicas,
        "selector": {"matchLabels": _selector(item, share)},
        "template": pods,
    }


def _daemon_set(item: workload.ComputeWorkload, share: Share, pods: Manifest) -> Manifest:
    return {"selector": {"matchLabels": _selector(item, share)}, "template": pods}


def _job(item: workload.ComputeWorkload, share: Share, pods: Manifest) -> Manifest:
    job = item.spec.job or workload.JobSpec()
    pods["spec"].setdefault("restartPolicy", "Never")
    deadline = job.active_deadline_seconds
    # no ttlSecondsAfterFinished: a Job that is gone before its end was recorded would be made again
    return {
        "completions": share.completions or job.completions,
        "parallelism": share.replicas or job.parallelism,
        "backoffLimit": job.backoff_limit,
        "completionMode": job.completion_mode,
        "suspend": item.spec.suspend,
        "template": pods,
        **({} if deadline is None else {"activeDeadlineSeconds": deadline}),
    }


def pod_template(item: workload.ComputeWorkload, share: Share, placed: Placed) -> Manifest:
    """The workload's template with the variant merged in; it is not bound to nodes yet."""
    meta = template.part(item.spec.template, "metadata")
    labels = {**meta.get("labels", {}), **_labels(item, share, placed.hub_uid)}
    pod = merged_pod(item.spec.template, variant_of(item.spec.variants, share.variant))
    if share.target.startswith(f"{names.SITE_KIND}/"):
        pod["tolerations"] = [*pod.get("tolerations", []), *EDGE_TOLERATIONS]
    if placed.priority_class:
        pod["priorityClassName"] = placed.priority_class
    return {"metadata": {**meta, "labels": labels}, "spec": pod}


EDGE_TOLERATIONS: tuple[Manifest, ...] = (
    {"key": names.EDGE_TAINT, "operator": "Exists"},
    # a box cut off for days keeps its pods, and meets no deletions when it returns
    {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"},
    {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"},
)


def variant_of(variants: Sequence[workload.Variant], name: str) -> workload.Variant | None:
    """The variant of that name; none for a workload without variants, whose template is the only build."""
    return next((variant for variant in variants if variant.name == name), None)


def _selector(item: workload.ComputeWorkload, share: Share) -> dict[str, str]:
    kind, _, place = share.target.partition("/")
    labels = {names.WORKLOAD_UID_LABEL: item.metadata.uid, names.VARIANT_LABEL: share.variant}
    # two sites' objects lie in one namespace of the hub: without this they would adopt each other's pods
    return {**labels, names.PLACED_SITE_LABEL: place} if kind == names.SITE_KIND else labels


def _labels(item: workload.ComputeWorkload, share: Share, hub_uid: str) -> dict[str, str]:
    return {**_selector(item, share), names.HUB_UID_LABEL: hub_uid}


def merged_pod(raw: Mapping[str, Any], build: workload.Variant | None) -> Manifest:
    """A copy of the template's PodSpec with the build's containers merged over its own by name."""
    pod = template.part(raw, "spec")
    overrides = {each.name: each for each in build.containers} if build else {}
    for field in ("initContainers", "containers"):
        if field in pod:
            pod[field] = [_merged(each, overrides.get(each["name"])) for each in pod[field]]
    return pod


def _merged(container: Manifest, override: workload.VariantContainer | None) -> Manifest:
    if override is None:
        return container
    over: Manifest = msgspec.to_builtins(override)  # what is at its default is left out
    if "env" in over:
        over["env"] = _merged_env(container.get("env", []), over["env"])
    return {**container, **over}


def _merged_env(base: Sequence[Manifest], over: Sequence[Manifest]) -> list[Manifest]:
    replaced = {one["name"]: one for one in over}
    kept = [replaced.pop(one.get("name"), one) for one in base]
    return [*kept, *replaced.values()]


def _require_nodes(pod: Manifest, terms: hardware.Terms) -> None:
    """Terms are alternatives, so that both the template's and ours hold each pair of them becomes one term."""
    required = (
        pod.setdefault("affinity", {})
        .setdefault("nodeAffinity", {})
        .setdefault("requiredDuringSchedulingIgnoredDuringExecution", {})
    )
    own = required.get("nodeSelectorTerms") or [{"matchExpressions": []}]
    # an empty term of the template's selects no node: joined with ours it would select some
    joined = [_both(mine, ours) for mine in own if mine for ours in terms]
    required["nodeSelectorTerms"] = joined or own


def _both(one: Manifest, other: hardware.Term) -> Manifest:
    ours = [
        {"key": each.key, "operator": each.operator, **({"values": list(each.values)} if each.values else {})}
        for each in other
    ]
    return {**one, "matchExpressions": [*one.get("matchExpressions", []), *ours]}


_OF_EVERY_CLUSTER = (
    "ConfigMap",
    "kube-root-ca.crt",
)  # its own authority, which Kubernetes puts into each namespace


def references_of(item: workload.ComputeWorkload) -> dict[tuple[str, str], bool]:
    """The ConfigMaps and Secrets that any build names, as (kind, name), and whether a pod needs each.

    Raises template.MalformedTemplate.
    """
    template.read(item.spec.template)  # merging relies on its types
    found: dict[tuple[str, str], bool] = {}
    builds: Sequence[workload.Variant | None] = item.spec.variants or [None]
    for build in builds:
        pods = template.read({"spec": merged_pod(item.spec.template, build)})
        for reference, needed in references(pods).items():
            found[reference] = found.get(reference, False) or needed
    return found


def references(pods: template.PodTemplate) -> dict[tuple[str, str], bool]:
    """Those that one pod template names."""
    found: dict[tuple[str, str], bool] = {}
    for kind, source in _sources(pods.spec):
        name = source.name or source.secret_name
        if name and (kind, name) != _OF_EVERY_CLUSTER:
            found[kind, name] = found.get((kind, name), False) or not source.optional
    # a pod starts without its pull secrets, should the image be there or free to all
    return {("Secret", each.name): False for each in pods.spec.image_pull_secrets if each.name} | found


def _sources(pod: template.PodSpec) -> Iterator[tuple[str, template.Source]]:
    containers = (*pod.init_containers, *pod.containers)
    holders: list[tuple[template.Source | None, template.Source | None]] = [
        *((each.config_map_ref, each.secret_ref) for one in containers for each in one.env_from),
        *(
            (each.value_from.config_map_key_ref, each.value_from.secret_key_ref)
            for one in containers
            for each in one.env
        ),
        *((each.config_map, each.secret) for each in pod.volumes),
        *((each.config_map, each.secret) for volume in pod.volumes for each in volume.projected.sources),
    ]
    for config_map, secret in holders:
        if config_map is not None:
            yield "ConfigMap", config_map
        if secret is not None:
            yield "Secret", secret


def completions_of(total: int, parallelism: Sequence[int]) -> list[int]:
    """A divided Job's completions by largest remainder over its targets' parallelism; the sum is `total`."""
    weight = sum(parallelism)
    if not weight:
        return [0 for _ in parallelism]
    shares = [total * one // weight for one in parallelism]
    by_remainder = sorted(range(len(parallelism)), key=lambda i: (-(total * parallelism[i] % weight), i))
    for i in by_remainder[: total - sum(shares)]:
        shares[i] += 1
    return shares
