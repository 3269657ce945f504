"""The box's identity on disk: key and certificate files, their dates, the kubeconfig; changed by whole files only.

Layout below the state directory (0700): `kubeconfig` (JSON, which is YAML: kubectl reads it), `pki/ca.crt`,
`pki/client.pem` and `pki/serving.pem` (certificate and key, 0600), each with a `.json` of what the certificate
says, `pki/*.next.key` while a request is under way, `pki/recovery.token`; `node.uid`; `leaving` while the box asks to
leave.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import os
import pathlib
import ssl
import sys
from typing import Any, Dict, List, Optional

KEYS_SECONDS = 60.0  # starting Python and making a key takes 0.3 s; a loaded FT-1500A is given its time


class KeysError(Exception):
    """The short-lived key program failed; the message is its own."""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """What an installed certificate says; times in seconds since the epoch, `requested` the lifetime asked for."""

    not_before: float
    not_after: float
    name: str
    key_hash: str
    requested: int = 0

    @property
    def node(self) -> str:
        """The node that it names."""
        prefix, _, node = self.name.rpartition(":")
        return node if prefix == "system:node" else ""


@dataclasses.dataclass(frozen=True)
class Hub:
    """Where the hub is: what the kubeconfig says beside the files that it names."""

    server: str
    node: str
    proxy: str = ""


def write_private(path: pathlib.Path, text: str) -> None:
    """Replace a file of mode 0600 so that a power cut leaves the old or the new one, whole."""
    new = path.with_name(path.name + ".new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)  # the new name itself
    finally:
        os.close(folder)


async def keys(verb: str, **arguments: Any) -> Dict[str, Any]:
    """Run the key program once. Raises KeysError."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "suanli_agent.link.keys",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    asked = json.dumps({"verb": verb, **arguments}).encode() + b"\n"
    try:
        out, err = await asyncio.wait_for(process.communicate(asked), KEYS_SECONDS)
    except asyncio.TimeoutError as error:
        process.kill()
        await process.wait()
        raise KeysError(f"making a {verb} took more than {KEYS_SECONDS:.0f} s") from error
    if process.returncode:
        raise KeysError(err.decode(errors="replace").strip().splitlines()[-1] if err.strip() else f"{verb} failed")
    answer: Dict[str, Any] = json.loads(out)
    return answer


class Store:
    """The files of one box's identity."""

    def __init__(self, state: pathlib.Path) -> None:
        self.state = state
        self.folder = state / "pki"
        self.ca = self.folder / "ca.crt"
        self.kubeconfig = state / "kubeconfig"
        self.recovery = self.folder / "recovery.token"
        self.node_uid = state / "node.uid"
        self.leaving = state / "leaving"  # there while the box has asked to leave: it outlives a restart

    def prepare(self) -> None:
        """Make the directories, closed to others."""
        for folder in (self.state, self.folder):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o700)

    def pem(self, kind: str) -> pathlib.Path:
        """Certificate and key of `kind`: client or serving."""
        return self.folder / f"{kind}.pem"

    def next_key(self, kind: str) -> pathlib.Path:
        """The key of a request that is under way; kept until its certificate is installed, across restarts."""
        return self.folder / f"{kind}.next.key"

    def certificate(self, kind: str) -> Optional[Certificate]:
        """What the installed certificate says; None where there is none."""
        try:
            return Certificate(**json.loads((self.folder / f"{kind}.json").read_text()))
        except (OSError, ValueError, TypeError):
            return None

    async def install(self, kind: str, certificate: str, key: pathlib.Path, requested: int) -> Certificate:
        """Put a new certificate and its key in place. Raises KeysError where they do not belong together."""
        said = await keys("describe", certificate=certificate, key=str(key))
        found = Certificate(said["notBefore"], said["notAfter"], said["name"], said["keyHash"], requested)
        self._replace(kind, certificate, key, found)
        return found

    def _replace(self, kind: str, certificate: str, key: pathlib.Path, found: Certificate) -> None:
        write_private(self.pem(kind), certificate.rstrip("\n") + "\n" + key.read_text())
        write_private(self.folder / f"{kind}.json", json.dumps(dataclasses.asdict(found)))
        key.unlink()

    def copy_key(self, kind: str) -> Optional[pathlib.Path]:
        """The installed key in a file of its own, to ask again with; None where there is none."""
        try:
            text = self.pem(kind).read_text()
        except OSError:
            return None
        copy = self.folder / f"{kind}.same.key"
        write_private(copy, text[text.index("-----BEGIN PRIVATE KEY") :])
        return copy

    def write_hub(self, hub: Hub) -> None:
        """Write the kubeconfig, last of all when joining: it is what says that the box has joined."""
        cluster = {"server": hub.server, "certificate-authority": str(self.ca)}
        if hub.proxy:
            cluster["proxy-url"] = hub.proxy
        files = {"client-certificate": str(self.pem("client")), "client-key": str(self.pem("client"))}
        user = f"system:node:{hub.node}"
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "hub", "cluster": cluster}],
            "users": [{"name": user, "user": files}],
            "contexts": [{"name": "hub", "context": {"cluster": "hub", "user": user}}],
            "current-context": "hub",
        }
        write_private(self.kubeconfig, json.dumps(document, indent=1) + "\n")

    def hub(self) -> Optional[Hub]:
        """The hub that this box has joined; None before. Raises ValueError where the kubeconfig is not ours."""
        try:
            document = json.loads(self.kubeconfig.read_text())
            cluster, user = document["clusters"][0]["cluster"], document["users"][0]["name"]
        except FileNotFoundError:
            return None
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"{self.kubeconfig}: not a kubeconfig that `suanli-agent join` wrote") from error
        return Hub(cluster["server"], user.rpartition(":")[2], cluster.get("proxy-url", ""))

    def context(self, ignore_time: bool = False, with_certificate: bool = True) -> ssl.SSLContext:
        """TLS to the hub. Raises OSError, ssl.SSLError where files are missing or broken.

        `ignore_time` leaves out dates when the hub's chain is checked: for a box whose clock is known to be wrong.
        """
        context = ssl.create_default_context(cafile=str(self.ca))
        if with_certificate:
            context.load_cert_chain(str(self.pem("client")))
        if ignore_time:
            context.verify_flags |= NO_CHECK_TIME  # ssl has no name for it
        return context

    def forget(self) -> List[pathlib.Path]:
        """Remove every credential and what was known of our Node; returns what was removed."""
        kept = (*sorted(self.folder.glob("*")), self.node_uid, self.kubeconfig, self.leaving)
        gone = [path for path in kept if path.exists()]
        for path in gone:
            path.unlink()
        return gone


NO_CHECK_TIME = 0x200000  # OpenSSL's X509_V_FLAG_NO_CHECK_TIME
