"""Finding the hub's CA before anything is trusted: only a certificate with the pinned hash is ever taken.

The connections here are not verified and carry no token: what they bring is public, and worthless without the pin.
"""

from __future__ import annotations

import asyncio
import base64
import json
import pathlib
import re
import ssl
from typing import Any, Awaitable, Callable, List, Tuple

from suanli_agent.link import dial, errors, http, pki
from suanli_agent.pods import ports

CLUSTER_INFO = "/api/v1/namespaces/kube-public/configmaps/cluster-info"
SECONDS = 15.0


def unverified() -> ssl.SSLContext:
    """TLS that believes anyone."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _pems(tls: Any) -> List[str]:
    """Every certificate that the other side sent. Python 3.9 shows its own only, 3.13 made the method public."""
    for holder in (tls, getattr(tls, "_sslobj", None)):
        chain = getattr(holder, "get_unverified_chain", None)
        if chain:
            found = chain() or []
            return [ssl.DER_cert_to_PEM_cert(c) if isinstance(c, bytes) else str(c.public_bytes()) for c in found]
    return [ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True))]


async def _from_chain(url: dial.Url, proxy: str) -> List[str]:
    streams = await asyncio.wait_for(dial.dial(url, unverified(), proxy), SECONDS)
    try:
        return _pems(streams[1].get_extra_info("ssl_object"))
    finally:
        streams[1].close()


async def _from_cluster_info(url: dial.Url, proxy: str) -> List[str]:
    client = http.Client(str(url), unverified(), proxy=proxy)
    try:
        text = json.loads(await client.request("GET", CLUSTER_INFO, seconds=SECONDS))["data"]["kubeconfig"]
    finally:
        client.drop()
    # The value is a kubeconfig in YAML; its one field of interest looks the same in JSON: no parser is needed.
    data = re.findall(r'"?certificate-authority-data"?\s*:\s*"?([A-Za-z0-9+/=]+)', text)
    return [base64.b64decode(item).decode() for item in data]


async def find(
    server: str, pin: str, ca_file: str, proxy: str, progress: Callable[[errors.Sentence], None]
) -> str:
    """The CA's PEM: from the TLS chain, else cluster-info, else `ca_file`; without a pin from `ca_file` alone.

    Raises errors.JoinError with every place that was tried, pki.KeysError.
    """
    url = dial.Url.parse(server)
    given = (errors.Sentence("{0}", ca_file), lambda: _from_file(ca_file))
    places: List[Tuple[errors.Sentence, Callable[[], Awaitable[List[str]]]]] = [
        (errors.Sentence("the TLS chain"), lambda: _from_chain(url, proxy)),
        (errors.Sentence("{0}", "kube-public/cluster-info"), lambda: _from_cluster_info(url, proxy)),
    ]
    if ca_file:
        places = [*places, given] if pin else [given]
    tried: List[errors.Sentence] = []
    for place, fetch in places:
        try:
            found = await fetch()
        except (OSError, ValueError, KeyError, ports.HubError, asyncio.TimeoutError) as error:
            tried.append(errors.Sentence("{0}: {1}", place, str(error) or type(error).__name__))
            continue
        pem = (await pki.keys("match", certificates=found, pin=pin))["certificate"] if pin else "".join(found)
        if pem:
            progress(errors.Sentence("CA found in {0}", place))
            return pem
        tried.append(errors.Sentence("{0}: no certificate with this hash", place))
    raise errors.JoinError(
        "no CA certificate with the hash of --ca-hash was found; "
        "check the hash, or copy the hub's CA to the box and name it with --ca-file ({0})",
        errors.Sentence("; ".join(["{}"] * len(tried)), *tried),
    )


async def _from_file(name: str) -> List[str]:
    return [await asyncio.get_running_loop().run_in_executor(None, pathlib.Path(name).read_text)]
