"""Who may use the kubelet's endpoints: a client certificate of the hub's CA or a token, then the hub's own word.

As kubelet with webhook authorization: there is no anonymous read, and no answer of the hub means no.
"""

from __future__ import annotations

import dataclasses
import json
import time
from typing import Any, Callable, Dict, List, Optional, Sequence, Tuple

from suanli_agent.link import http, server
from suanli_agent.pods import ports

TOKEN_REVIEWS = "/apis/authentication.k8s.io/v1/tokenreviews"  # noqa: S105 - a path
ACCESS_REVIEWS = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
CACHE_SECONDS = 30.0  # kubelet: 2 minutes for tokens, 5 for allowed; a short time is enough for one `kubectl cp`
CACHE_SIZE = 64


@dataclasses.dataclass(frozen=True)
class User:
    """Who asks, in the API server's words."""

    name: str
    groups: Tuple[str, ...] = ()
    uid: str = ""
    extra: Tuple[Tuple[str, Tuple[str, ...]], ...] = ()


def of_certificate(tls: Any) -> Optional[User]:
    """Common name and organizations of a client certificate that TLS has verified; None where none was shown."""
    certificate = tls.getpeercert() if tls is not None else None
    fields = [pair for part in (certificate or {}).get("subject", ()) for pair in part]
    names = [value for key, value in fields if key == "commonName"]
    groups = [value for key, value in fields if key == "organizationName"]
    return User(names[-1], (*groups, "system:authenticated")) if names else None


class Access:
    """Asks the hub, and remembers its answers for a little while."""

    def __init__(self, client: http.Client, node: str, now: Callable[[], float] = time.monotonic) -> None:
        self._client, self._node, self._now = client, node, now
        self._users: Dict[str, Tuple[float, Optional[User]]] = {}
        self._allowed: Dict[Tuple[User, str, str], Tuple[float, bool]] = {}

    async def authenticate(self, request: server.Request) -> Optional[User]:
        """Who asks; None for nobody that we know. Raises ports.HubError."""
        user = of_certificate(request.tls)
        scheme, _, token = request.header("authorization").partition(" ")
        if user is not None or scheme.lower() != "bearer" or not token:
            return user
        known = self._users.get(token)
        if known is None or known[0] < self._now():
            known = (self._now() + CACHE_SECONDS, await self._review(token))
            _remember(self._users, token, known)
        return known[1]

    async def _review(self, token: str) -> Optional[User]:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": token}}
        status = json.loads(await self._client.request("POST", TOKEN_REVIEWS, json.dumps(body).encode()))["status"]
        if not status.get("authenticated"):
            return None
        user = status["user"]
        extra = tuple((key, tuple(values)) for key, values in sorted(user.get("extra", {}).items()))
        return User(user["username"], tuple(user.get("groups", ())), user.get("uid", ""), extra)

    async def allowed(self, user: User, verb: str, subresources: Sequence[str]) -> bool:
        """Whether the hub lets `user` do this to one of `subresources` of our Node. Raises ports.HubError."""
        for subresource in subresources:
            key = (user, verb, subresource)
            known = self._allowed.get(key)
            if known is None or known[0] < self._now():
                known = (self._now() + CACHE_SECONDS, await self._ask(user, verb, subresource))
                _remember(self._allowed, key, known)
            if known[1]:
                return True
        return False

    async def _ask(self, user: User, verb: str, subresource: str) -> bool:
        attributes = {"verb": verb, "resource": "nodes", "subresource": subresource, "name": self._node}
        spec = {
            "user": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra},
            "resourceAttributes": {**attributes, "version": "v1"},
        }
        body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}
        answer = json.loads(await self._client.request("POST", ACCESS_REVIEWS, json.dumps(body).encode()))
        return bool(answer["status"].get("allowed"))


def _remember(cache: Dict[Any, Any], key: Any, value: Any) -> None:
    while len(cache) >= CACHE_SIZE:
        cache.pop(next(iter(cache)))
    cache[key] = value


_VERBS = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
# What runs a program or opens a way into a pod is asked for as `create`, whatever the method: a WebSocket begins with
# GET, and the right to read a node must not be the right to act on it.
_ACTS = ("exec", "attach", "portForward")


def wanted(method: str, path: str) -> Tuple[str, List[str]]:
    """(verb, subresources of nodes, the finest first) that a request needs, as kubelet maps them."""
    first = path.lstrip("/").split("/", 1)[0]
    verb = "create" if first in _ACTS else _VERBS.get(method, "")
    fine = {"healthz": ["healthz"], "pods": ["pods"]}.get(first, [])
    return verb, {"metrics": ["metrics"], "stats": ["stats"]}.get(first) or [*fine, "proxy"]


async def guard(access: Access, request: server.Request) -> Optional[server.Response]:
    """None for a request that may go on; else the refusal."""
    try:
        user = await access.authenticate(request)
        if user is None:
            return server.Response(401, b"Unauthorized\n")
        verb, subresources = wanted(request.method, request.path)
        if await access.allowed(user, verb, subresources):
            return None
        what = f"{user.name} may not {verb} nodes/{subresources[-1]}"
        return server.Response(403, f"Forbidden: {what}\n".encode())
    except ports.HubError as error:
        return server.Response(503, f"the hub cannot be asked who may do this: {error}\n".encode())
