"""What the hub makes for a site so that boxes can join it and come back: tokens, the rights of tokens, Nodes.

Plain objects out. Least privilege throughout: a join token and a recovery token may post certificate requests and
look at their own, nothing else; a box may read its own site's recovery token, by name.
"""

import base64
import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from suanli_controller.api import core_v1, names
from suanli_controller.api import site as sites
from suanli_controller.api.meta import ObjectMeta
from suanli_controller.core import approval

Object = dict[str, Any]

KUBE_SYSTEM: Final = "kube-system"
JOINING_ROLE: Final = "suanli:joining"
FETCH_TIME: Final = dt.timedelta(minutes=10)
_RBAC_GROUP: Final = "rbac.authorization.k8s.io"
_SITE_TAINT_DOMAIN: Final = f"{names.GROUP}/"


def group(site: str, *, recovery: bool = False) -> str:
    """The group of a site's tokens."""
    return f"{names.BOOTSTRAP_GROUP_PREFIX}{site}{names.RECOVERY_GROUP_SUFFIX if recovery else ''}"


def recovery_id(site: str) -> str:
    """The id of a site's recovery token: derived, because a box knows its site's name and may list nothing."""
    return base64.b32encode(hashlib.sha256(f"suanli-recovery/{site}".encode()).digest()).decode()[:6].lower()


def secret_name(token_id: str) -> str:
    """The Secret of a bootstrap token, as the API server looks for it in kube-system."""
    return f"bootstrap-token-{token_id}"


def owner(site: sites.EdgeSite) -> Object:
    """Garbage collection removes what is the site's when the site goes."""
    meta = site.metadata
    return {"apiVersion": names.API_VERSION, "kind": names.SITE_KIND, "name": meta.name, "uid": meta.uid}


def is_owned(there: ObjectMeta, site: sites.EdgeSite) -> bool:
    """Whether an object was made for a site of this name, whatever else is called so."""
    return any((each.kind, each.name) == (names.SITE_KIND, site.metadata.name) for each in there.owner_references)


def join_token(
    site: sites.EdgeSite, token: tuple[str, str], expires: dt.datetime, node: str = "", *, replace: bool = False
) -> Object:
    """The bootstrap token Secret for joining; `token` is (id, secret), `node` the only box that may use it."""
    made = _token(site, token, group(site.metadata.name), f"joins boxes to EdgeSite {site.metadata.name}")
    made["stringData"]["expiration"] = expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    notes = {names.TOKEN_NODE_ANNOTATION: node, names.TOKEN_REPLACE_ANNOTATION: "true" if replace else ""}
    made["metadata"]["annotations"] = {name: value for name, value in notes.items() if value}
    return made


def spent(key_hash: str, now: dt.datetime) -> Object:
    """The change to a used token's Secret: it serves the same key alone, and ends soon.

    At once would be too early: its box has yet to read the certificate that it was issued.
    """
    ends = (now + FETCH_TIME).strftime("%Y-%m-%dT%H:%M:%SZ")
    notes = {names.TOKEN_SPENT_ANNOTATION: key_hash}
    return {"metadata": {"annotations": notes}, "data": {"expiration": base64.b64encode(ends.encode()).decode()}}


def recovery_token(site: sites.EdgeSite, secret: str) -> Object:
    """The Secret with which boxes of a site come back after their certificate ended; it does not expire itself."""
    name = site.metadata.name
    what = f"lets boxes of EdgeSite {name} renew an expired certificate with the key that they had"
    return _token(site, (recovery_id(name), secret), group(name, recovery=True), what)


def _token(site: sites.EdgeSite, token: tuple[str, str], member_of: str, what: str) -> Object:
    return {
        "metadata": {
            "name": secret_name(token[0]),
            "namespace": KUBE_SYSTEM,
            "labels": {names.TOKEN_SITE_LABEL: site.metadata.name},
            "ownerReferences": [owner(site)],
        },
        "type": "bootstrap.kubernetes.io/token",
        "stringData": {
            "token-id": token[0],
            "token-secret": token[1],
            "usage-bootstrap-authentication": "true",
            "auth-extra-groups": member_of,
            "description": what,
        },
    }


def joining_role() -> Object:
    """What a token may do: post requests and read them by name. `list` would show every box's to every token."""
    rule = {
        "apiGroups": ["certificates.k8s.io"],
        "resources": ["certificatesigningrequests"],
        "verbs": ["create", "get"],
    }
    return {"metadata": {"name": JOINING_ROLE}, "rules": [rule]}


def joining_binding(site: sites.EdgeSite) -> Object:
    """Opens joining and recovery for a site's tokens."""
    name = site.metadata.name
    groups = (group(name), group(name, recovery=True))
    return {
        "metadata": {"name": binding_name(name), "ownerReferences": [owner(site)]},
        "roleRef": {"apiGroup": _RBAC_GROUP, "kind": "ClusterRole", "name": JOINING_ROLE},
        "subjects": [{"apiGroup": _RBAC_GROUP, "kind": "Group", "name": each} for each in groups],
    }


def binding_name(site: str) -> str:
    """The name of all that binds a site's rights."""
    return f"suanli:site:{site}"


def recovery_role(site: sites.EdgeSite) -> Object:
    """May read the site's recovery token and nothing else in kube-system."""
    rule = {
        "apiGroups": [""],
        "resources": ["secrets"],
        "resourceNames": [secret_name(recovery_id(site.metadata.name))],
        "verbs": ["get"],
    }
    return {**_in_kube_system(site), "rules": [rule]}


def recovery_binding(site: sites.EdgeSite, boxes: Iterable[str]) -> Object:
    """Gives the site's present boxes, by name, the right to read its recovery token."""
    name = site.metadata.name
    users = [
        {"apiGroup": _RBAC_GROUP, "kind": "User", "name": approval.NODE_PREFIX + box} for box in sorted(boxes)
    ]
    role = {"apiGroup": _RBAC_GROUP, "kind": "Role", "name": binding_name(name)}
    return {**_in_kube_system(site), "roleRef": role, "subjects": users}


def _in_kube_system(site: sites.EdgeSite) -> Object:
    name = binding_name(site.metadata.name)
    return {"metadata": {"name": name, "namespace": KUBE_SYSTEM, "ownerReferences": [owner(site)]}}


# --- Nodes


def granted_labels(site: sites.EdgeSite) -> dict[str, str]:
    """The labels that the site gives each of its boxes; NodeRestriction keeps a box from touching them."""
    spec = site.spec
    own = {f"{names.GRANTED_PREFIX}/{name}": value for name, value in spec.node_labels.items()}
    facts = {names.DISTRICT_LABEL: spec.district, names.CLEARANCE_LABEL: spec.clearance}
    return {**own, names.SITE_LABEL: site.metadata.name, **{key: value for key, value in facts.items() if value}}


def labels_change(site: sites.EdgeSite, present: Mapping[str, str]) -> dict[str, str | None]:
    """What a merge patch must say so that a Node has the site's labels and no granted label beside them.

    Not server-side apply: the Node was created with labels, which apply would leave to its creation for ever.
    """
    wanted = granted_labels(site)
    ours = {label for label in present if label.startswith(f"{names.GRANTED_PREFIX}/")} - {names.KEY_HASH_LABEL}
    gone: dict[str, str | None] = dict.fromkeys(ours - wanted.keys())
    return {**gone, **{label: value for label, value in wanted.items() if present.get(label) != value}}


def new_node(site: sites.EdgeSite, name: str, key_hash: str) -> Object:
    """The Node of a box that may join. It carries the site's taints from its first moment on."""
    labels = {**granted_labels(site), names.KEY_HASH_LABEL: key_hash, names.HOSTNAME_LABEL: name}
    return {"metadata": {"name": name, "labels": labels}, "spec": {"taints": taints_wanted(site, ())}}


def taints_wanted(site: sites.EdgeSite, present: Sequence[core_v1.Taint]) -> list[dict[str, str]]:
    """The Node's whole list of taints: the site's, and those of others, untouched.

    Only taints in our own domain are ever taken away: any other may be an operator's or the node controller's.
    """
    own = [_taint(each.key, each.value, each.effect) for each in site.spec.taints]
    ours = {(each["key"], each["effect"]) for each in own}
    kept = [
        _taint(each.key, each.value, each.effect)
        for each in present
        if (each.key, each.effect) not in ours and not each.key.startswith(_SITE_TAINT_DOMAIN)
    ]
    return own + kept


def _taint(key: str, value: str, effect: str) -> dict[str, str]:
    return {"key": key, "effect": effect, **({"value": value} if value else {})}


def taints_differ(wanted: Iterable[Mapping[str, str]], present: Iterable[core_v1.Taint]) -> bool:
    """Whether the Node's taints must be written; their order means nothing."""
    now = {(each.key, each.value, each.effect) for each in present}
    return {(each["key"], each.get("value", ""), each["effect"]) for each in wanted} != now


def expires(node: core_v1.Node) -> dt.datetime | None:
    """When a box says that its certificate ends; None where it says nothing that is a time."""
    text = node.metadata.annotations.get(names.CERTIFICATE_EXPIRES_ANNOTATION, "")
    try:
        found = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


def wants_to_leave(node: core_v1.Node) -> bool:
    """The box asked to go."""
    return node.metadata.annotations.get(names.LEAVE_ANNOTATION) == "true"


def is_ready(node: core_v1.Node) -> bool:
    """As kube-scheduler sees it."""
    return any(each.type == "Ready" and each.status == "True" for each in node.status.conditions)
