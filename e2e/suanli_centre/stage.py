"""A hub, a leader's stream over a generated city, and the dashboard as its own process, all real."""

import asyncio
import contextlib
import http.cookies
import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suanli_centre import city as generated
from suanli_clusters import Cluster, free_port, until
from suanli_controller.dashboard import history
from suanli_controller.kube import client, kubeconfig
from suanli_controller.view import board, lead, server

NAMESPACE = "suanli-system"
_GROUP = "suanli.io"

POLICY = Path(__file__).parents[2] / "policies" / "dashboard-rbac.yaml"
DASHBOARD, OPERATOR, WALL = "suanli-dashboard", "suanli-operator", "suanli-wall"
STRANGER = "centre-stranger"  # known to the hub, with no right of ours
TEAM = "centre-team"  # may list the workloads of one namespace
TEAM_NAMESPACE = "city-vision"


@dataclass(frozen=True)
class Accounts:
    """Tokens by account, and the dashboard's own kubeconfig."""

    dashboard: Path
    tokens: dict[str, str]


def accounts(hub: Cluster) -> Accounts:
    """Make the accounts on the hub: those of the policy that users apply, and two more for tests."""
    hub.kubectl("apply", "--server-side", "-f", str(POLICY))
    names = (DASHBOARD, OPERATOR, WALL, STRANGER, TEAM)
    kubeconfigs = {name: hub.service_account(NAMESPACE, name) for name in names}
    hub.apply(*_team())
    tokens = {
        name: json.loads(path.read_text())["users"][0]["user"]["token"] for name, path in kubeconfigs.items()
    }
    return Accounts(kubeconfigs[DASHBOARD], tokens)


def _team() -> Iterator[dict[str, Any]]:
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TEAM_NAMESPACE}}
    rbac = "rbac.authorization.k8s.io"
    meta = {"name": TEAM, "namespace": TEAM_NAMESPACE}
    rules = [{"apiGroups": [_GROUP], "resources": ["computeworkloads"], "verbs": ["get", "list"]}]
    yield {"apiVersion": f"{rbac}/v1", "kind": "Role", "metadata": meta, "rules": rules}
    yield {
        "apiVersion": f"{rbac}/v1",
        "kind": "RoleBinding",
        "metadata": meta,
        "roleRef": {"apiGroup": rbac, "kind": "Role", "name": TEAM},
        "subjects": [{"kind": "ServiceAccount", "name": TEAM, "namespace": NAMESPACE}],
    }


class Leader:
    """The leader's stream in a thread of its own, over a board that tests may change."""

    def __init__(self, hub_kubeconfig: Path, fill: Callable[[board.Board], None]) -> None:
        self.board = board.Board(f"run-{time.time_ns()}")
        fill(self.board)
        self._kubeconfig = str(hub_kubeconfig)
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[None] | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """End the stream, as a leader that dies does."""
        if self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(timeout=20)

    def change(self, what: Callable[[board.Board], None]) -> None:
        """Change the board between two ticks."""
        done = threading.Event()

        def run() -> None:
            what(self.board)
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(20), "the leader's loop does not turn"

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._serve())
        with contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._task)

    async def _serve(self) -> None:
        async with client.Client(kubeconfig.hub(self._kubeconfig)) as hub:
            await lead.run(self.board, hub, NAMESPACE, server.Settings(port=0))


class Dashboard:
    """The dashboard as users start it."""

    def __init__(self, kubeconfig_path: Path, folder: Path, *options: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / f"dashboard-{self.port}.log"
        self.data = folder / "centre"
        self._command = [
            sys.executable, "-m", "suanli_controller", "dashboard", "--kubeconfig", str(kubeconfig_path),
            "--listen", f"127.0.0.1:{self.port}", "--data-dir", str(self.data), "--rights-seconds", "5", *options,
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None
        self.links: dict[str, str] = {}

    def start(self, ready: bool = True) -> None:
        """Start it, and wait until it answers; with `ready`, until it holds the leader's tables."""
        environment = {**os.environ, "KUBECONFIG": ""}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment)
        path = "/readyz" if ready else "/healthz"
        until(lambda: self.is_ready(path), f"{path} of the dashboard; its log: {self.log}", seconds=120)

    def is_ready(self, path: str = "/readyz") -> bool:
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(timeout=20)
            self.process = None


class City:
    """The generated city on its stage: leader and dashboard, which tests may stop and start."""

    def __init__(self, hub: Cluster, folder: Path) -> None:
        self.hub = hub
        self.accounts = accounts(hub)
        self.leader = Leader(hub.kubeconfig, fill_city)
        self.dashboard = Dashboard(self.accounts.dashboard, folder)
        self._cookies: dict[str, str] = {}

    def link(self, account: str, path: str) -> str:
        """The address of a page that signs an account in."""
        return f"{self.dashboard.url}{path}#token={self.accounts.tokens[account]}"

    def cookie(self, account: str) -> dict[str, object]:
        """The cookie of an account's session, signed in once."""
        if account not in self._cookies:
            body = json.dumps({"token": self.accounts.tokens[account]}).encode()
            request = urllib.request.Request(
                f"{self.dashboard.url}/api/v1/session", body, {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=30) as answer:
                morsel = http.cookies.SimpleCookie(answer.headers["Set-Cookie"])["suanli-session"]
            self._cookies[account] = morsel.value
        return {
            "name": "suanli-session", "value": self._cookies[account], "url": self.dashboard.url,
            "httpOnly": True, "sameSite": "Strict",
        }  # fmt: skip

    def replace_leader(self, rows: board.Board | None = None) -> None:
        """End the leader's stream and begin another's over `rows`, or the same ones, on another port."""
        self.leader.stop()
        shown = rows or self.leader.board
        self.leader = Leader(self.hub.kubeconfig, lambda leader: _copy(shown, leader))
        self.leader.start()


def _copy(rows: board.Board, leader: board.Board) -> None:
    leader.put_centre(rows.centre)
    for table in board.TABLES:
        for row in rows.tables[table].values():
            leader.put(row)


@contextlib.contextmanager
def city(hub: Cluster, folder: Path, *, past: bool = False) -> Iterator[City]:
    """The generated city, shown for the block; with `past` it has a day of history."""
    shown = City(hub, folder)
    if past:
        store = history.Store(shown.dashboard.data / "history.sqlite")
        generated.past(shown.leader.board, int(time.time()), store)
        store.close()
    try:
        shown.leader.start()
        shown.dashboard.start()
        yield shown
    finally:
        shown.dashboard.stop()
        shown.leader.stop()


@contextlib.contextmanager
def dashboard(hub: Cluster, folder: Path) -> Iterator[Dashboard]:
    """The dashboard over the hub's own controller, for the block; `links` sign in, by account."""
    made = accounts(hub)
    shown = Dashboard(made.dashboard, folder)
    shown.links = {name: f"{shown.url}/#token={token}" for name, token in made.tokens.items()}
    try:
        shown.start()
        yield shown
    finally:
        shown.stop()


def fill_city(leader: board.Board) -> None:
    generated.fill(leader, int(time.time()))
