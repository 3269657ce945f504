"""A small JSON client for a cluster's API, for what tests and benchmarks ask; kubectl does the rest."""

import base64
import json
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import urllib3
import yaml

PATCHES = {
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
    "json": "application/json-patch+json",
    "apply": "application/apply-patch+yaml",
}


class ApiError(Exception):
    """The API server answered with a failure."""

    def __init__(self, status: int, what: str, message: str) -> None:
        super().__init__(f"{what}: {status} {message}")
        self.status = status
        self.message = message


class Api:
    """One user's view of one cluster; made from a kubeconfig's current context. Safe to use from many threads."""

    def __init__(self, kubeconfig: Path, connections: int = 32, seconds: float = 30) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = _current(config)
        self.server: str = cluster["server"].rstrip("/")
        self.headers = {"authorization": f"Bearer {user['token']}"} if "token" in user else {}
        with tempfile.TemporaryDirectory() as scratch:
            # urllib3 takes files only and reads them when it first connects, so it is given a ready context.
            context = urllib3.util.create_urllib3_context()
            context.load_verify_locations(_file(cluster, "certificate-authority", scratch))
            if certificate := _file(user, "client-certificate", scratch):
                context.load_cert_chain(certificate, _file(user, "client-key", scratch))
        self.pool = urllib3.PoolManager(maxsize=connections, ssl_context=context, retries=False, timeout=seconds)
        self.connections = connections

    def get(self, path: str) -> Any:
        return self.request("GET", path)

    def items(self, path: str) -> list[Any]:
        """The objects of a list."""
        items: list[Any] = self.get(path)["items"]
        return items

    def post(self, path: str, body: Any) -> Any:
        return self.request("POST", path, body)

    def put(self, path: str, body: Any) -> Any:
        return self.request("PUT", path, body)

    def patch(self, path: str, body: Any, kind: str = "merge") -> Any:
        """`kind` is a key of PATCHES."""
        return self.request("PATCH", path, body, PATCHES[kind])

    def delete(self, path: str, missing_ok: bool = True) -> None:
        try:
            self.request("DELETE", path)
        except ApiError as error:
            if error.status != 404 or not missing_ok:
                raise

    def exists(self, path: str) -> bool:
        try:
            self.get(path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def post_all(self, path: str, bodies: Iterable[Any]) -> None:
        """Make many objects at once, over all connections."""
        with ThreadPoolExecutor(self.connections) as threads:
            for _ in threads.map(lambda body: self.post(path, body), bodies):
                pass

    def text(self, path: str) -> str:
        """An answer that is not JSON, `/metrics` say."""
        return self._answer("GET", path, None, "application/json").decode()

    def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        """Send one request, return the decoded answer. Raises ApiError, or urllib3's errors without an answer."""
        encoded = None if body is None else json.dumps(body).encode()
        return json.loads(self._answer(method, path, encoded, content_type))

    def _answer(self, method: str, path: str, body: bytes | None, content_type: str) -> bytes:
        headers = {**self.headers, "content-type": content_type, "user-agent": "suanli-tests"}
        answer = self.pool.request(method, self.server + path, body=body, headers=headers)
        if answer.status >= 400:
            raise ApiError(answer.status, f"{method} {path}", _message(answer.data))
        return answer.data


def _current(config: Any) -> tuple[Any, Any]:
    """The cluster and the user of the current context."""
    context = next(entry["context"] for entry in config["contexts"] if entry["name"] == config["current-context"])
    cluster = next(entry["cluster"] for entry in config["clusters"] if entry["name"] == context["cluster"])
    user = next(entry["user"] for entry in config["users"] if entry["name"] == context["user"])
    return cluster, user


def _file(entry: Any, key: str, scratch: str) -> str:
    """The path of a certificate or key that a kubeconfig names or holds; "" where it has none."""
    if key + "-data" in entry:
        path = Path(scratch, key)
        path.write_bytes(base64.b64decode(entry[key + "-data"]))
        return str(path)
    return str(entry.get(key, ""))


def _message(data: bytes) -> str:
    """What a Status object says, or the raw answer."""
    try:
        return str(json.loads(data)["message"])
    except (ValueError, KeyError, TypeError):
        return data[:500].decode(errors="replace")
