"""Edge boxes for tests: the hub's controllers for sites, and agents as processes of this machine.

with controllers(hub): ...                       # sites and certificate requests, until the block ends
box = Box(tmp_path, "box-1", runtime=containerd.socket)
box.join(token_line(hub, "north"), "--ca-file", str(ca_file(hub, tmp_path)))
with box.running(): ...                          # the real daemon
"""

import asyncio
import base64
import contextlib
import http.client
import json
import os
import shlex
import signal
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from suanli_clusters import Cluster, Clusters, controller, until
from suanli_controller.kube import client, events, kubeconfig
from suanli_controller.reconcile import city, csr, site
from suanli_operator import City

CRDS = Path(__file__).parent.parent / "crds"


async def _control(path: Path, started: threading.Event, stop: asyncio.Event) -> None:
    way = kubeconfig.from_operator(str(path))
    async with client.Client(way) as api, asyncio.TaskGroup() as tasks:
        recorder = events.Recorder(api)
        everything = city.City(api, "hub-of-tests", "default", recorder)
        everything.add_cluster(city.HUB, api)
        requests, sites = csr.CertificateRequests(api, recorder), site.Sites(everything, recorder)
        running = [tasks.create_task(work) for work in (recorder.run(), requests.run(), sites.run())]
        started.set()
        await stop.wait()
        for task in running:
            task.cancel()
        await everything.close()


class Controllers:
    """The running reconcilers of one hub."""

    def __init__(self, hub: Cluster, loop: asyncio.AbstractEventLoop) -> None:
        self.hub = hub
        self._loop = loop

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """They decide nothing until the block ends: for what happens while the controller is away."""
        go_on, holding = threading.Event(), threading.Event()

        def hold() -> None:
            holding.set()
            go_on.wait()

        self._loop.call_soon_threadsafe(hold)
        assert holding.wait(30)
        try:
            yield
        finally:
            go_on.set()


@contextlib.contextmanager
def operated(clusters: Clusters, name: str, place: str) -> Iterator[City]:
    """A hub under the operator itself, with one site that takes graver work than the default."""
    with clusters.running(name) as hub:
        made = City(hub)
        with controller.Operator(clusters, hub) as operator:
            made.operator = operator
            make_site(hub, place, district="370811", clearance="Important")
            yield made


@contextlib.contextmanager
def controllers(hub: Cluster) -> Iterator[Controllers]:
    """Run the reconcilers of sites and of certificate requests against `hub`, whose CRDs are applied first."""
    hub.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(CRDS))
    controller.wait_served(hub)
    loop, started, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    thread = threading.Thread(target=lambda: loop.run_until_complete(_control(hub.kubeconfig, started, stop)))
    thread.start()
    assert started.wait(30)
    try:
        yield Controllers(hub, loop)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(30)
        assert not thread.is_alive(), "the controllers do not stop"
        loop.close()


def make_site(hub: Cluster, name: str, **spec: Any) -> None:
    """Apply an EdgeSite, and wait until it is open."""
    hub.apply({"apiVersion": "suanli.io/v1alpha1", "kind": "EdgeSite", "metadata": {"name": name}, "spec": spec})
    hub.kubectl("wait", "--for=condition=Ready", f"edgesite/{name}", "--timeout=60s")


def token_create(hub: Cluster, name: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `suanli-controller token create`."""
    program = Path(sys.executable).parent / "suanli-controller"
    command = [str(program), "token", "create", "--site", name, "--kubeconfig", str(hub.kubeconfig), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def token_line(hub: Cluster, name: str, *options: str) -> list[str]:
    """What `suanli-controller token create` prints, as words."""
    done = token_create(hub, name, *options)
    assert done.returncode == 0, done.stderr
    return shlex.split(done.stdout)


def token_of(line: list[str]) -> str:
    return line[line.index("--token") + 1]


def _cluster(hub: Cluster) -> dict[str, str]:
    whole = json.loads(hub.kubectl("config", "view", "--raw", "--flatten", "--minify", "--output", "json"))
    return dict(whole["clusters"][0]["cluster"])


def server(hub: Cluster) -> str:
    return _cluster(hub)["server"]


def ca_file(hub: Cluster, folder: Path) -> Path:
    """The hub's CA in a file, as an operator would carry it to a box."""
    path = folder / "hub-ca.crt"
    path.write_bytes(base64.b64decode(_cluster(hub)["certificate-authority-data"]))
    return path


class Box:
    """One box: a state directory, a name, and the agent's own commands."""

    def __init__(
        self, folder: Path, name: str, runtime: str = "/nowhere.sock", listen: int = 0, **settings: str
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.name, self.folder = name, folder
        self.state = folder / "state"
        chosen = {
            "STATE": self.state,
            "RUN": folder / "run",
            "CNI_DIR": "",  # the tests' containerd has a network
            "RUNTIME": f"unix://{runtime}",
            "LISTEN": listen,
        }
        more = {key.upper(): value for key, value in settings.items()}
        own = {f"SUANLI_AGENT_{key}": str(value) for key, value in {**chosen, **more}.items()}
        self.environment = {**os.environ, "LANG": "C.UTF-8", **own}
        self.process: subprocess.Popen[bytes] | None = None
        self.python = sys.executable

    def agent(self, *words: str, check: bool = True, seconds: float = 120) -> subprocess.CompletedProcess[str]:
        """Run one of the agent's verbs."""
        command = [self.python, "-m", "suanli_agent", *words]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert not check or done.returncode == 0, done.stderr + done.stdout
        return done

    def join(self, line: list[str], *options: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the join line that the hub printed; with this box's name where the line says none, for the boxes of this
        machine have one host name.
        """
        named = [] if "--node-name" in line else ["--node-name", self.name]
        return self.agent(*line[1:], *named, *options, check=check)

    @property
    def log(self) -> Path:
        return self.folder / "agent.log"

    def start(self) -> None:
        with self.log.open("ab") as log:
            command = [self.python, "-m", "suanli_agent", "run"]
            self.process = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        until(lambda: self.status().get("node") == self.name, "the agent's own answer", seconds=180)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """End the daemon; its exit code."""
        assert self.process is not None
        self.process.send_signal(number)
        code = self.process.wait(30)
        self.process = None
        return code

    @contextlib.contextmanager
    def running(self) -> Iterator["Box"]:
        """The daemon, until the block ends; its log is shown where a test fails."""
        self.start()
        try:
            yield self
        except BaseException:
            sys.stderr.write(f"--- log of {self.name}\n{self.log.read_text()[-5000:]}\n")
            raise
        finally:
            if self.process is not None:
                self.stop()

    def status(self) -> dict[str, Any]:
        """`suanli-agent status --json`; empty where no daemon answers."""
        try:
            return dict(json.loads(self.agent("status", "--json", check=False).stdout))
        except ValueError:
            return {}

    def certificate(self) -> dict[str, Any]:
        """What the installed client certificate says."""
        return dict(json.loads((self.state / "pki/client.json").read_text()))


class Caller:
    """Requests with a box's certificate or a token: the status code, and the object or message."""

    def __init__(self, url: str, ca: Path, pem: Path | None = None, token: str = "") -> None:
        parts = urlsplit(url)
        self._address = (parts.hostname or "", parts.port or 443)
        self._context = ssl.create_default_context(cafile=str(ca))
        if pem is not None:
            self._context.load_cert_chain(str(pem))
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def __call__(
        self, method: str, path: str, body: Any = None, kind: str = "application/json"
    ) -> tuple[int, dict[str, Any]]:
        connection = http.client.HTTPSConnection(*self._address, context=self._context, timeout=30)
        headers = {**self._headers, "Content-Type": kind}
        try:
            connection.request(method, path, json.dumps(body) if body is not None else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        try:
            return answer.status, dict(json.loads(text))
        except ValueError:
            return answer.status, {"message": text.decode(errors="replace")}
