"""The hub as its users see it, and the objects that the operator's tests make and read.

with controller.Operator(clusters, hub) as operator:
    city = City(hub)
    city.register_local("local"); city.join(cloud, district="370811")
    work = city.namespace("split").workload("web", deployment(backend.container, replicas=12))
    work.until_ready()
"""

import base64
import contextlib
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suanli_clusters import ApiError, Member, controller, until

Json = dict[str, Any]

GROUP = "/apis/suanli.io/v1alpha1"
UID_LABEL = "suanli.io/workload-uid"
VARIANT_LABEL = "suanli.io/variant"
OWNED = {
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "DaemonSet": "/apis/apps/v1/namespaces/{}/daemonsets",
    "Job": "/apis/batch/v1/namespaces/{}/jobs",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Secret": "/api/v1/namespaces/{}/secrets",
}
AWAY_SECONDS = 60
"""Within so long a cloud that stopped answering must be called Unknown."""

_numbers = itertools.count(1)


class City:
    """The hub as its users see it."""

    def __init__(self, hub: Member) -> None:
        self.hub = hub
        self.operator: controller.Operator | None = None
        """The one that runs for all tests; who kills it starts it again."""
        controller.install(hub)

    def register_local(self, name: str, **spec: Any) -> None:
        """The hub's own nodes as a Cloud."""
        controller.verb(self.hub, "cloud", "join", name, "--local", "--clearance", "Core")
        self.patch_cloud(name, **spec)

    def join(self, member: Member, name: str = "", **spec: Any) -> str:
        """A cluster as a Cloud, by `cloud join`, which makes an account of the least rights; returns its name."""
        name = name or member.name
        access = ("--cloud-kubeconfig", str(member.kubeconfig), "--clearance", "Core")
        controller.verb(self.hub, "cloud", "join", name, *access)
        self.patch_cloud(name, **spec)
        return name

    def register(self, name: str, kubeconfig: bytes, **spec: Any) -> None:
        """A Cloud by a kubeconfig as it is, right or wrong."""
        self.secret(name, kubeconfig)
        self.cloud(name, {"access": {"kubeconfigSecretRef": {"name": name}}, **spec})

    def secret(self, name: str, kubeconfig: bytes) -> None:
        data = {"kubeconfig": base64.b64encode(kubeconfig).decode()}
        meta = {"name": name, "namespace": controller.NAMESPACE}
        self.hub.apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "data": data})

    def cloud(self, name: str, spec: Json) -> None:
        whole = {"tier": "District", "clearance": "Core", **spec}
        self.hub.apply({**_head("Cloud", name), "spec": whole})

    def patch_cloud(self, name: str, **spec: Any) -> None:
        self.hub.api.patch(f"{GROUP}/clouds/{name}", {"spec": spec})

    def cloud_status(self, name: str) -> Json:
        status: Json = self.hub.api.get(f"{GROUP}/clouds/{name}").get("status", {})
        return status

    def cloud_reason(self, name: str) -> tuple[str, str]:
        """Status and reason of a Cloud's Ready."""
        ready = condition(self.cloud_status(name), "Ready")
        return ready["status"], ready["reason"]

    def until_cloud(self, name: str, status: str, reason: str, seconds: float = 60) -> Json:
        """Wait until the Cloud's Ready says so; returns the condition."""
        try:
            until(lambda: self.cloud_reason(name) == (status, reason), f"Cloud {name} {reason}", seconds)
        except TimeoutError as error:
            log = self.operator.tail() if self.operator else ""
            raise TimeoutError(f"{error}\n{self.cloud_status(name)}\n{log}") from error
        return condition(self.cloud_status(name), "Ready")

    def remove_cloud(self, name: str, seconds: float = 60) -> None:
        self.hub.api.delete(f"{GROUP}/clouds/{name}")
        until(lambda: not self.hub.api.exists(f"{GROUP}/clouds/{name}"), f"Cloud {name} gone", seconds)

    @contextlib.contextmanager
    def namespace(self, word: str) -> Iterator["Namespace"]:
        """A namespace for one test; the workloads in it are gone when the block is over."""
        space = Namespace(self.hub, f"{word}-{next(_numbers)}")
        self.hub.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": space.name}})
        yield space
        space.clear()


class Namespace:
    def __init__(self, hub: Member, name: str) -> None:
        self.hub = hub
        self.name = name
        self.path = f"{GROUP}/namespaces/{name}/computeworkloads"

    def workload(self, name: str, spec: Mapping[str, Any]) -> "Work":
        """Make a workload, of grade General where it says nothing."""
        body = {**_head("ComputeWorkload", name), "spec": {"dataGrade": "General", **spec}}
        made = self.hub.api.post(self.path, body)
        return Work(self.hub, self.name, name, made["metadata"]["uid"])

    def apply(self, *objects: Json) -> None:
        """ConfigMaps, Secrets and other things that a test brings along."""
        for each in objects:
            each["metadata"]["namespace"] = self.name
        self.hub.apply(*objects)

    def ensure_in(self, member: Member) -> None:
        """The namespace in a cloud, for what a test puts there by itself."""
        member.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.name}})

    def clear(self) -> None:
        for item in self.hub.api.items(self.path):
            self.hub.api.delete(f"{self.path}/{item['metadata']['name']}")
        until(lambda: not self.hub.api.items(self.path), f"workloads of {self.name} gone", 90)


@dataclass(frozen=True, slots=True)
class Work:
    """One workload on the hub and what clouds have of it."""

    hub: Member
    namespace: str
    name: str
    uid: str

    @property
    def path(self) -> str:
        return f"{GROUP}/namespaces/{self.namespace}/computeworkloads/{self.name}"

    def get(self) -> Json:
        found: Json = self.hub.api.get(self.path)
        return found

    def status(self) -> Json:
        status: Json = self.get().get("status", {})
        return status

    def patch(self, **spec: Any) -> None:
        self.hub.api.patch(self.path, {"spec": spec})

    def scale(self, replicas: int) -> None:
        """As `kubectl scale` does, by the scale subresource."""
        self.hub.api.patch(f"{self.path}/scale", {"spec": {"replicas": replicas}})

    def annotate(self, **annotations: str) -> None:
        named = {f"suanli.io/{key}": value for key, value in annotations.items()}
        self.hub.api.patch(self.path, {"metadata": {"annotations": named}})

    def delete(self) -> None:
        """Ask for its deletion; see until_gone."""
        self.hub.api.delete(self.path)

    # --- what the status says

    def is_current(self) -> bool:
        found = self.get()
        return bool(found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"])

    def says(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        found = condition(self.status(), kind)
        return found["status"], found["reason"]

    def placements(self) -> dict[tuple[str, str], int]:
        """Replicas by (target, variant)."""
        return {
            (each["target"], each["variant"]): each.get("replicas", 0)
            for each in self.status().get("placements", ())
            if each.get("replicas", 0)
        }

    def until(self, kind: str, status: str, reason: str, seconds: float = 90) -> Json:
        """Wait until a condition of the newest generation says so; returns the condition."""

        def said() -> Any:
            return self.is_current() and self.says(kind) == (status, reason)

        try:
            until(said, f"{self.namespace}/{self.name}: {kind} {status} {reason}", seconds)
        except TimeoutError as error:
            raise TimeoutError(f"{error}\n{json.dumps(self.status(), indent=1)}") from error
        return condition(self.status(), kind)

    def until_ready(self, seconds: float = 90) -> None:
        self.until("Ready", "True", "AllReady", seconds)

    def until_gone(self, seconds: float = 90) -> None:
        until(lambda: not self.hub.api.exists(self.path), f"{self.namespace}/{self.name} gone", seconds)

    # --- what a cloud has of it

    def in_cloud(self, member: Member, kind: str) -> list[Json]:
        """Its objects of a kind there."""
        path = f"{OWNED[kind].format(self.namespace)}?labelSelector={UID_LABEL}%3D{self.uid}"
        return member.api.items(path)

    def pods(self, member: Member) -> list[Json]:
        """Its pods there, those that are being deleted left out."""
        path = f"/api/v1/namespaces/{self.namespace}/pods?labelSelector={UID_LABEL}%3D{self.uid}"
        return [pod for pod in member.api.items(path) if "deletionTimestamp" not in pod["metadata"]]

    def leftovers(self, *members: Member) -> list[str]:
        """All that is still there of it, by kind and name."""
        return [
            f"{member.name}: {kind} {each['metadata']['name']}"
            for member in members
            for kind in ("Deployment", "DaemonSet", "Job")
            for each in self.in_cloud(member, kind)
        ] + [f"{member.name}: Pod {pod['metadata']['name']}" for member in members for pod in self.pods(member)]

    def until_clean(self, *members: Member) -> None:
        """Nothing is left: the cloud's own collector takes the pods after their owner."""
        until(lambda: self.leftovers(*members) == [], f"nothing left of {self.namespace}/{self.name}", 90)


def condition(status: Mapping[str, Any], kind: str) -> Json:
    """Raises LookupError where there is none of that type."""
    for each in status.get("conditions", ()):
        if each["type"] == kind:
            found: Json = each
            return found
    raise LookupError(f"no condition {kind} in {status.get('conditions')}")


def has_condition(status: Mapping[str, Any], kind: str) -> bool:
    return any(each["type"] == kind for each in status.get("conditions", ()))


def _head(kind: str, name: str) -> Json:
    return {"apiVersion": "suanli.io/v1alpha1", "kind": kind, "metadata": {"name": name}}


# --- specs


def template(container: Mapping[str, Any], labels: Mapping[str, str] | None = None, **pod: Any) -> Json:
    """A pod template of one container, `app`; pods end at once when they are told to."""
    whole = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "app", **container}], **pod}
    return {"metadata": {"labels": dict(labels or {})}, "spec": whole}


def build(architecture: str, name: str = "", **requires: Any) -> Json:
    """A variant for an architecture."""
    return {"name": name or architecture, "requires": {"architectures": [architecture], **requires}}


def only(*clouds: str) -> Json:
    """A placement that is bound to these clouds."""
    return {"require": [{"key": "cloud", "operator": "In", "values": list(clouds)}]}


def requesting(container: Mapping[str, Any], **requests: str) -> Json:
    """The same container with other requests."""
    return {**container, "resources": {"requests": requests}}


# --- nodes


def node_of(member: Member, pod: Mapping[str, Any]) -> Json:
    """The node that a pod is bound to. Raises LookupError where it is bound to none."""
    name = pod["spec"].get("nodeName")
    if not name:
        raise LookupError(f"pod {pod['metadata']['name']} is bound to no node")
    found: Json = member.api.get(f"/api/v1/nodes/{name}")
    return found


def architectures(member: Member, pods: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """By pod, what its node says its processor is: nodeInfo, which no label can change."""
    return {pod["metadata"]["name"]: node_of(member, pod)["status"]["nodeInfo"]["architecture"] for pod in pods}


def absent(member: Member, path: str) -> bool:
    try:
        member.api.get(path)
    except ApiError as error:
        return error.status == 404
    return False
