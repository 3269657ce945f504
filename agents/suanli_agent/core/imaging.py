"""Decisions about images: whether to pull, with which credentials, which to collect."""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any, Optional

from suanli_agent.core import objects, observed

DOCKER_HUB = "docker.io"


@dataclasses.dataclass(frozen=True)
class Credential:
    """A user of a registry."""

    username: str
    password: str


def policy(container: objects.Container) -> str:
    """imagePullPolicy, or what Kubernetes takes without one: Always for latest, else IfNotPresent."""
    if container.image_pull_policy:
        return container.image_pull_policy
    name = container.image.rpartition("/")[2]
    tagged = ":" in name or "@" in name
    return "Always" if not tagged or name.endswith(":latest") else "IfNotPresent"


_REFUSAL = re.compile(
    r"unauthori[sz]ed|authorization failed|insufficient_scope|forbidden|(?<!permission )denied"
    r"|not found|(manifest|name|repository) unknown|repository does not exist|status(code| code)?\W+40[134]\b",
    re.IGNORECASE,
)
"""The words of registries (the error codes of the OCI distribution spec, HTTP's own) as containerd and CRI-O pass
them on.
"""

_NAMES = re.compile(r'"[^"]*"|\S*/\S*')
"""Quoted words, addresses and image names: an image may be called as it likes."""


def refused(problem: str) -> bool:
    """Whether a pull failed by a registry's answer: it will not give this image to this pod, or has none.

    Anything else, above all a registry that did not answer, says nothing of that.
    """
    return bool(_REFUSAL.search(_NAMES.sub(" ", problem)))


def registry(image: str) -> str:
    """The host of an image's registry; a name without one is on Docker Hub."""
    first, slash, _ = image.partition("/")
    return first if slash and ("." in first or ":" in first or first == "localhost") else DOCKER_HUB


def credentials(image: str, secrets: Sequence[objects.Secret]) -> list[Credential]:
    """Those of the pull secrets that are for an image's registry, the longest match first."""
    found: list[tuple[int, Credential]] = []
    full = image if registry(image) in image else f"{DOCKER_HUB}/{image}"
    for secret in secrets:
        for place, entry in _auths(secret).items():
            host = place.split("://")[-1].rstrip("/").replace("index.docker.io/v1", DOCKER_HUB)
            credential = _credential(entry)
            if credential and (full == host or full.startswith(host + "/")):
                found.append((len(host), credential))
    return [credential for _, credential in sorted(found, key=lambda pair: -pair[0])]


def _auths(secret: objects.Secret) -> Mapping[str, Any]:
    try:
        if ".dockerconfigjson" in secret.data:
            return dict(json.loads(secret.data[".dockerconfigjson"]).get("auths", {}))
        return dict(json.loads(secret.data.get(".dockercfg", b"{}")))
    except (ValueError, AttributeError):
        return {}


def _credential(entry: Mapping[str, Any]) -> Optional[Credential]:
    if entry.get("username"):
        return Credential(entry["username"], entry.get("password", ""))
    try:
        name, colon, word = base64.b64decode(entry.get("auth", "")).decode().partition(":")
    except (binascii.Error, ValueError):
        return None
    return Credential(name, word) if colon else None


def to_remove(
    images: Sequence[observed.ImageRecord],
    needed: AbstractSet[str],
    last_used: Mapping[str, float],
    bytes_to_free: int,
    before: float,
) -> list[observed.ImageRecord]:
    """The images to remove so that bytes_to_free become free: the longest unused first.

    needed has names and ids of what desired state or a container needs; those, pinned ones and what was used or
    first seen after `before` (seconds since the epoch) stay.
    """
    idle = [image for image in images if not image.pinned and not any(image.answers_to(name) for name in needed)]
    old = sorted(
        (image for image in idle if last_used.get(image.id, 0.0) <= before), key=lambda i: last_used.get(i.id, 0.0)
    )
    chosen: list[observed.ImageRecord] = []
    for image in old:
        if bytes_to_free <= 0:
            break
        chosen.append(image)
        bytes_to_free -= image.size_bytes
    return chosen
