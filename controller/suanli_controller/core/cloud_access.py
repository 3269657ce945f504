"""What the hub's account in a cloud may do there, and the objects that make it so. Pure data.

The grants are the least that the reconcilers live on; each says why. RBAC cannot narrow them to objects that carry
our label, so the controller does: it touches nothing else there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from suanli_controller.api import names

Object = dict[str, Any]

ACCOUNT: Final = "suanli-controller"
TOKEN_SECRET: Final = "suanli-controller-token"  # noqa: S105  # a name
_RBAC: Final = "rbac.authorization.k8s.io"
_LABELS: Final = {"app.kubernetes.io/part-of": "suanli", "app.kubernetes.io/managed-by": "suanli-controller"}
_READ: Final = ("get", "list", "watch")


@dataclass(frozen=True, slots=True)
class Grant:
    """Verbs on resources of one API group, in all namespaces, and why they are needed."""

    group: str
    resources: tuple[str, ...]
    verbs: tuple[str, ...]
    why: str


GRANTS: Final = (
    Grant("", ("nodes", "pods"), _READ, "to know what the cloud has and what is used"),
    Grant("", ("persistentvolumes",), _READ, "to report storage"),
    Grant("storage.k8s.io", ("csistoragecapacities",), _READ, "to report storage"),
    Grant("scheduling.k8s.io", ("priorityclasses",), _READ, "to name a priority only where the cloud has it"),
    Grant("", ("serviceaccounts",), ("get",), "to say when a workload's account is missing; never its tokens"),
    Grant("", ("namespaces",), ("get", "create"), "to make a workload's namespace; never to delete one"),
    Grant("apps", ("deployments", "daemonsets"), (*_READ, "create", "patch", "delete"), "to run workloads"),
    Grant("batch", ("jobs",), (*_READ, "create", "patch", "delete"), "to run workloads"),
    Grant(
        "",
        ("configmaps", "secrets"),
        (*_READ, "create", "update", "delete"),
        "to carry along those that a workload names; we read back the metadata of our own copies alone, "
        "but RBAC has no narrower verb",
    ),
)


def account() -> list[Object]:
    """Namespace, ServiceAccount, ClusterRole, its binding and the token, in the order in which they must be made.

    The token is a Secret of the account, which lives until it is deleted. A bound token would end by itself, and with
    it the hub's way in after an outage longer than its life, when no one could renew it; and to renew it the account
    would need the right to make tokens. Deleting the ServiceAccount revokes it for good; the Secret alone would hold
    the same token when it is made again, for nothing in such a token tells when it was made.
    """
    rules = [
        {"apiGroups": [grant.group], "resources": list(grant.resources), "verbs": list(grant.verbs)}
        for grant in GRANTS
    ]
    role = {"apiGroup": _RBAC, "kind": "ClusterRole", "name": ACCOUNT}
    subject = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": names.SYSTEM_NAMESPACE}
    annotations = {"kubernetes.io/service-account.name": ACCOUNT}
    rbac = f"{_RBAC}/v1"
    return [
        _object("v1", "Namespace", names.SYSTEM_NAMESPACE, namespaced=False),
        _object("v1", "ServiceAccount", ACCOUNT),
        _object(rbac, "ClusterRole", ACCOUNT, namespaced=False, rules=rules),
        _object(rbac, "ClusterRoleBinding", ACCOUNT, namespaced=False, roleRef=role, subjects=[subject]),
        _object("v1", "Secret", TOKEN_SECRET, annotations=annotations, type="kubernetes.io/service-account-token"),
    ]


def kubeconfig(name: str, cluster: Mapping[str, str], token: str) -> Object:
    """A kubeconfig of one context; `cluster` has the fields of its cluster, empty ones are left out."""
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "contexts": [{"name": name, "context": {"cluster": name, "user": ACCOUNT}}],
        "clusters": [{"name": name, "cluster": {key: value for key, value in cluster.items() if value}}],
        "users": [{"name": ACCOUNT, "user": {"token": token}}],
    }


def kubeconfig_secret(name: str, namespace: str, encoded: str) -> Object:
    """The Secret on the hub; `encoded` is the kubeconfig in base64."""
    meta = {"name": name, "namespace": namespace, "labels": _LABELS}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": meta,
        "type": "Opaque",
        "data": {"kubeconfig": encoded},
    }


def hub_namespace(name: str) -> Object:
    """The controller's namespace on the hub."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def cloud(name: str, spec: Mapping[str, Any]) -> Object:
    """The Cloud; `access` in `spec` says how it is reached."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.CLOUD_KIND,
        "metadata": {"name": name},
        "spec": dict(spec),
    }


def _object(
    api_version: str,
    kind: str,
    name: str,
    *,
    namespaced: bool = True,
    annotations: Mapping[str, str] | None = None,
    **fields: Any,
) -> Object:
    meta: Object = {"name": name, "labels": dict(_LABELS)}
    if namespaced:
        meta["namespace"] = names.SYSTEM_NAMESPACE
    if annotations:
        meta["annotations"] = dict(annotations)
    return {"apiVersion": api_version, "kind": kind, "metadata": meta, **fields}
