"""Asking the hub who a token's bearer is, and what that person may do.

The API server decides (TokenReview, SubjectAccessReview); nothing is cached here.
"""

from __future__ import annotations

import msgspec

from suanli_controller.kube import client

_TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105  # a path
_ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


class User(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who a token belongs to, as the API server tells it and as it must be told again to review access."""

    username: str = ""
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: dict[str, tuple[str, ...]] = {}


class Attributes(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is asked for: a verb on a resource, or on a URL path where `path` is given."""

    verb: str
    resource: str = ""
    group: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    subresource: str = ""


class _TokenStatus(msgspec.Struct, frozen=True):
    authenticated: bool = False
    user: User = User()
    error: str = ""


class _TokenReview(msgspec.Struct, frozen=True):
    status: _TokenStatus = _TokenStatus()


class _AccessStatus(msgspec.Struct, frozen=True):
    allowed: bool = False


class _AccessReview(msgspec.Struct, frozen=True):
    status: _AccessStatus = _AccessStatus()


async def authenticate(hub: client.Client, token: str) -> User | None:
    """Whose token it is; None where the API server does not know it or it has ended.

    Raises errors.KubeError where the hub cannot be asked.
    """
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
    answer = await hub.request("POST", _TOKEN_REVIEWS, body=msgspec.json.encode(body))
    status = msgspec.json.decode(answer, type=_TokenReview).status
    return status.user if status.authenticated else None


async def allowed(hub: client.Client, user: User, wanted: Attributes) -> bool:
    """Whether the hub's authorizers let `user` do what is asked.

    Raises errors.KubeError where the hub cannot be asked.
    """
    spec = {"user": user.username, "uid": user.uid, "groups": user.groups, "extra": user.extra, **_asked(wanted)}
    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
    answer = await hub.request("POST", _ACCESS_REVIEWS, body=msgspec.json.encode(body))
    return msgspec.json.decode(answer, type=_AccessReview).status.allowed


def _asked(wanted: Attributes) -> dict[str, object]:
    if wanted.path:
        return {"nonResourceAttributes": {"path": wanted.path, "verb": wanted.verb}}
    return {"resourceAttributes": wanted}
