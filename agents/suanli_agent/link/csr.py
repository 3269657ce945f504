"""Asking the hub for a certificate through its CSR API, and waiting for what the controller decides."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from typing import Any, Callable, Dict, List, Optional

from suanli_agent.link import errors, http
from suanli_agent.pods import ports

CSRS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
CLIENT_SIGNER = "kubernetes.io/kube-apiserver-client-kubelet"
SERVING_SIGNER = "kubernetes.io/kubelet-serving"
MACHINE_ID_ANNOTATION = "suanli.io/machine-id"

SHORTEST_SECONDS = 600  # the CSR API takes no expirationSeconds below this
POLL_SECONDS = (0.5, 10.0)  # the first and the longest pause between two looks


class DeniedError(Exception):
    """The hub decided against the request: `reason` is one CamelCase word."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason


@dataclasses.dataclass(frozen=True)
class Request:
    """One request: PEM, signer, lifetime in seconds, and the machine id where a site may ask for it."""

    pem: str
    signer: str
    seconds: int
    machine_id: str = ""

    def usages(self) -> List[str]:
        """Exactly these: keys are elliptic, which encipher nothing."""
        return ["digital signature", "client auth" if self.signer == CLIENT_SIGNER else "server auth"]

    def as_object(self) -> Dict[str, Any]:
        """The CertificateSigningRequest to create."""
        annotations = {MACHINE_ID_ANNOTATION: self.machine_id} if self.machine_id else {}
        return {
            "apiVersion": "certificates.k8s.io/v1",
            "kind": "CertificateSigningRequest",
            "metadata": {"generateName": "suanli-", "annotations": annotations},
            "spec": {
                "request": base64.b64encode(self.pem.encode()).decode(),
                "signerName": self.signer,
                "expirationSeconds": self.seconds,
                "usages": self.usages(),
            },
        }


def outcome(csr: Dict[str, Any]) -> Optional[str]:
    """The certificate's PEM; None while the hub has not decided. Raises DeniedError."""
    status = csr.get("status", {})
    for condition in status.get("conditions", []):
        if condition["type"] in ("Denied", "Failed"):
            raise DeniedError(condition.get("reason", condition["type"]), condition.get("message", ""))
    certificate = status.get("certificate")
    return base64.b64decode(certificate).decode() if certificate else None


Progress = Callable[[errors.Sentence], None]
"""Who hears how it goes: a person at the box, or the log."""


async def _wait(client: http.Client, name: str, progress: Progress) -> str:
    pause = POLL_SECONDS[0]
    while True:
        try:
            certificate = outcome(json.loads(await client.request("GET", f"{CSRS}/{name}")))
            if certificate:
                return certificate
            progress(errors.Sentence("{0}: waiting for the hub to decide", name))
        except (errors.UnauthorizedError, ports.NotFoundError):
            raise  # the token was spent or the request is gone: no answer will come
        except ports.UnavailableError as error:
            progress(errors.Sentence("{0}: {1}", name, error))
        await asyncio.sleep(pause)
        pause = min(pause * 1.5, POLL_SECONDS[1])


async def obtain(client: http.Client, request: Request, progress: Progress) -> str:
    """Post the request and wait until it is decided; the PEM that was issued.

    Raises DeniedError, ports.HubError; waits without end while the hub cannot be reached: the caller limits it.
    """
    created = json.loads(await client.request("POST", CSRS, json.dumps(request.as_object()).encode()))
    return await _wait(client, created["metadata"]["name"], progress)


async def obtain_within_cap(client: http.Client, request: Request, progress: Progress) -> "tuple[str, int]":
    """As obtain, with half the lifetime each time the hub finds it too long; the PEM and the lifetime agreed to.

    A site's cap may be lowered at any time and is nowhere that a box may read: its refusal is what tells.
    """
    while True:
        try:
            return await obtain(client, request, progress), request.seconds
        except DeniedError as error:
            if error.reason != "LifetimeTooLong" or request.seconds <= SHORTEST_SECONDS:
                raise
            shorter = max(request.seconds // 2, SHORTEST_SECONDS)
            progress(errors.Sentence("{0}; asking for {1} s", error, shorter))
            request = dataclasses.replace(request, seconds=shorter)
