"""Which REST path a kind lives at, and which type its objects are read as.

Data only. `Resource` carries the type, so that `client` and `informer` return it without casts.
"""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Generic, Protocol, TypeVar, cast

import msgspec

from suanli_controller.api import core_v1
from suanli_controller.api.meta import ObjectMeta


class Metadata(Protocol):
    """What every object must tell of itself."""

    @property
    def name(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def uid(self) -> str: ...
    @property
    def resource_version(self) -> str: ...


class KubeObject(Protocol):
    """A typed object: any struct with `metadata`."""

    @property
    def metadata(
        self,
    ) -> Any: ...  # a Metadata; Any because a struct's own field type must not have to match exactly


T = TypeVar("T")
U = TypeVar("U")

Json = dict[str, Any]
Body = msgspec.Struct | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Resource(Generic[T]):
    """A kind as the REST API serves it. `type` is a msgspec Struct, or dict for what is only passed along."""

    api_version: str
    kind: str
    plural: str
    type: type[T]
    namespaced: bool = True

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """Absolute URL path of the collection, of one object or of its subresource; no namespace means all."""
        root = "/api/" if "/" not in self.api_version else "/apis/"
        scope = f"/namespaces/{namespace}" if self.namespaced and namespace else ""
        tail = f"/{name}" if name else ""
        return f"{root}{self.api_version}{scope}/{self.plural}{tail}{f'/{subresource}' if subresource else ''}"

    def as_type(self, other: builtins.type[U]) -> Resource[U]:
        """The same resource, its objects read as another type."""
        return cast("Resource[U]", replace(cast("Any", self), type=other))

    @property
    def metadata_only(self) -> Resource[PartialObject]:
        """The same resource, of whose objects the API server sends the metadata alone."""
        return self.as_type(PartialObject)

    def __str__(self) -> str:
        return f"{self.plural}.{self.api_version}"


class PartialObject(msgspec.Struct, frozen=True, gc=False):
    """`PartialObjectMetadata`: an object of which only the metadata was asked for and sent."""

    metadata: ObjectMeta


NODES = Resource("v1", "Node", "nodes", core_v1.Node, namespaced=False)
PODS = Resource("v1", "Pod", "pods", core_v1.Pod)
NAMESPACES = Resource("v1", "Namespace", "namespaces", core_v1.Namespace, namespaced=False)
SECRETS = Resource("v1", "Secret", "secrets", core_v1.Secret)
CONFIG_MAPS = Resource("v1", "ConfigMap", "configmaps", core_v1.ConfigMap)
SERVICE_ACCOUNTS = Resource("v1", "ServiceAccount", "serviceaccounts", PartialObject)
PERSISTENT_VOLUMES = Resource(
    "v1", "PersistentVolume", "persistentvolumes", core_v1.PersistentVolume, namespaced=False
)
EVENTS = Resource("events.k8s.io/v1", "Event", "events", PartialObject)
LEASES = Resource("coordination.k8s.io/v1", "Lease", "leases", core_v1.Lease)
DEPLOYMENTS = Resource("apps/v1", "Deployment", "deployments", core_v1.Deployment)
DAEMON_SETS = Resource("apps/v1", "DaemonSet", "daemonsets", core_v1.DaemonSet)
JOBS = Resource("batch/v1", "Job", "jobs", core_v1.Job)
PRIORITY_CLASSES = Resource(
    "scheduling.k8s.io/v1", "PriorityClass", "priorityclasses", core_v1.PriorityClass, namespaced=False
)
CSI_STORAGE_CAPACITIES = Resource(
    "storage.k8s.io/v1", "CSIStorageCapacity", "csistoragecapacities", core_v1.CSIStorageCapacity
)
CERTIFICATE_SIGNING_REQUESTS = Resource(
    "certificates.k8s.io/v1",
    "CertificateSigningRequest",
    "certificatesigningrequests",
    core_v1.CertificateSigningRequest,
    namespaced=False,
)


def is_as_old(one: str, other: str) -> bool:
    """Whether a resourceVersion is no newer than another of the same kind and API server.

    They may be compared as numbers (Kubernetes 1.35, KEP-5504); what is no number is as old only where it is equal.
    """
    return int(one) <= int(other) if one.isdigit() and other.isdigit() else one == other


def key(namespace: str, name: str) -> str:
    """`namespace/name`, or `name` for what is cluster-scoped: the key of caches and queues."""
    return f"{namespace}/{name}" if namespace else name


def key_of(obj: KubeObject) -> str:
    """The key of a typed object."""
    return key(obj.metadata.namespace, obj.metadata.name)


def split_key(text: str) -> tuple[str, str]:
    """Namespace (empty where there is none) and name of a key."""
    namespace, _, name = text.rpartition("/")
    return namespace, name
