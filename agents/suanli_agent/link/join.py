"""Joining: from a token to a client certificate and a kubeconfig. A run that was cut short can be repeated."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import ssl
from typing import Any, Dict

from suanli_agent.link import ca, csr, dial, errors, http, pki
from suanli_agent.pods import ports

# RFC 1123, as the API server checks a Node's name.
_NODE_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
_PIN = re.compile(r"sha256:[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class Order:
    """What the person at the box asked for; `seconds` is the certificate's lifetime, `timeout` the wait."""

    hub: str
    token: str = dataclasses.field(repr=False)
    node: str
    ca_hash: str = ""
    ca_file: str = ""
    proxy: str = ""
    machine_id: str = ""
    seconds: int = 604800
    timeout: float = 600.0

    def check(self) -> None:
        """Raises errors.JoinError that names the option, its value and the mend."""
        if not _TOKEN.fullmatch(self.token):
            raise errors.JoinError("--token: must look like abcdef.0123456789abcdef, as `token create` prints it")
        if not _PIN.fullmatch(self.ca_hash) and (self.ca_hash or not self.ca_file):
            raise errors.JoinError(
                "--ca-hash {0!r}: must be sha256: and 64 hex digits, as `token create` prints it", self.ca_hash
            )
        if len(self.node) > 63 or not _NODE_NAME.fullmatch(self.node):
            raise errors.JoinError(
                "--node-name {0!r}: must be at most 63 lower-case letters, digits, '-' and '.'", self.node
            )
        check_url("--hub", self.hub)
        if self.proxy:
            check_url("--proxy", self.proxy, ("http", "https"))


def check_url(option: str, value: str, schemes: "tuple[str, ...]" = ("https",)) -> dial.Url:
    """An option's URL. Raises errors.JoinError that names the option."""
    try:
        return dial.Url.parse(value, schemes)
    except ValueError as error:
        forms = " | ".join(f"{scheme}://HOST[:PORT]" for scheme in schemes)
        raise errors.JoinError("{0} {1!r}: must be {2}", option, value, forms) from error


async def join(order: Order, store: pki.Store, progress: csr.Progress) -> Dict[str, Any]:
    """Join and return this box's Node as the hub made it.

    Raises errors.JoinError for what a person must mend. Keys of a run that was cut short are used again.
    """
    order.check()
    try:
        return await asyncio.wait_for(_join(order, store, progress), order.timeout)
    except asyncio.TimeoutError as error:
        raise errors.JoinError(
            "not decided within {0:.0f} s; is suanli-controller running on the hub? "
            "Run join again with a longer --timeout: the same key is used",
            order.timeout,
        ) from error


async def _join(order: Order, store: pki.Store, progress: csr.Progress) -> Dict[str, Any]:
    store.prepare()
    pem = await ca.find(order.hub, order.ca_hash, order.ca_file, order.proxy, progress)
    pki.write_private(store.ca, pem)
    client = http.Client(order.hub, store.context(with_certificate=False), token=order.token, proxy=order.proxy)
    # A box that was here before keeps its key: its name is pinned to it.
    key = store.copy_key("client") or store.next_key("client")
    made = await pki.keys("request", key=str(key), node=order.node, addresses=[], names=[])
    request = csr.Request(made["request"], csr.CLIENT_SIGNER, order.seconds, order.machine_id)
    try:
        certificate, granted = await csr.obtain_within_cap(client, request, progress)
    except csr.DeniedError as error:
        raise errors.JoinError("the hub refused: {0}", error) from error
    except ports.HubError as error:
        raise _why(error) from error
    finally:
        client.drop()
    await store.install("client", certificate, key, granted)
    store.leaving.unlink(missing_ok=True)  # that was asked in an earlier life
    store.write_hub(pki.Hub(order.hub, order.node, order.proxy))
    progress(errors.Sentence("certificate received"))
    return await _own_node(order, store)


async def _own_node(order: Order, store: pki.Store) -> Dict[str, Any]:
    """The first request with the new identity: proves that it works."""
    client = http.Client(order.hub, store.context(), proxy=order.proxy)
    try:
        node: Dict[str, Any] = json.loads(await client.request("GET", f"/api/v1/nodes/{order.node}"))
    except (ports.HubError, ssl.SSLError) as error:
        raise errors.JoinError("joined, but the hub does not show this box its Node: {0}", error) from error
    finally:
        client.drop()
    return node


def _why(error: ports.HubError) -> errors.JoinError:
    if isinstance(error, errors.UnauthorizedError):
        return errors.JoinError(
            "the token is not valid: it may be spent or expired; ask for another with `token create`"
        )
    if isinstance(error, errors.ClockError):
        return errors.JoinError("{0}; set this box's clock and join again", error)
    if isinstance(error, ports.ForbiddenError):
        return errors.JoinError(
            "the token may not join: {0}; does the site still exist, and is its Ready condition true?", error
        )
    return errors.JoinError("{0}", error)
