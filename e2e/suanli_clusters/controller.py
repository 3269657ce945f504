"""Our own operator against a hub: its verbs, and it itself as a process of this machine, as a person would start it."""

import base64
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

from suanli_clusters import Clusters
from suanli_clusters.cluster import Member
from suanli_clusters.waiting import until
from suanli_controller.api import kinds, names

PROGRAM = Path(sys.executable).parent / "suanli-controller"
NAMESPACE = "suanli-system"
POLICIES = Path(__file__).resolve().parents[2] / "policies"
RIGHTS = POLICIES / "hub-rbac.yaml"

END_SECONDS = 20


class ControllerError(Exception):
    """A verb failed or the operator ended; the message holds what it wrote last."""


def verb(hub: Member, *arguments: str) -> str:
    """Run one of the verbs with the hub's kubeconfig and return what it prints. Raises ControllerError."""
    command = [str(PROGRAM), *arguments]
    answer = subprocess.run(command, env=hub.environment(), capture_output=True, text=True, check=False)
    if answer.returncode:
        raise ControllerError(f"{' '.join(command)} failed:\n{answer.stderr.strip()}")
    return answer.stdout


def install(hub: Member) -> None:
    """Our kinds and our namespace."""
    hub.kubectl("apply", "--server-side", "-f", "-", stdin=verb(hub, "crds"))
    wait_served(hub)
    hub.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})


def wait_served(hub: Member) -> None:
    """Until the API server serves our kinds; `kubectl wait` gives up on a CRD that has no conditions yet."""
    until(lambda: {kind.plural for kind in kinds.KINDS} <= _served(hub), "our kinds in what the API server serves")


def _served(hub: Member) -> set[str]:
    return {each["name"] for each in hub.api.get("/apis/suanli.io/v1alpha1")["resources"]}


@contextlib.contextmanager
def finalizers_given(hub: Member) -> Iterator[None]:
    """policies/workload-finalizer.yaml for a while, from when it counts."""
    policy = str(POLICIES / "workload-finalizer.yaml")
    path = f"/apis/{names.API_VERSION}/namespaces/default/computeworkloads?dryRun=All"
    pods = {"spec": {"containers": [{"name": "app", "image": "app"}]}}
    body = {"metadata": {"name": "dry-run"}, "spec": {"template": pods}}
    head = {"apiVersion": names.API_VERSION, "kind": names.WORKLOAD_KIND}
    hub.kubectl("apply", "--server-side", "-f", policy)
    try:
        until(lambda: hub.api.post(path, head | body)["metadata"].get("finalizers"), "the policy to count")
        yield
    finally:
        hub.kubectl("delete", "-f", policy, "--ignore-not-found")


def account(hub: Member) -> Path:
    """The kubeconfig of the controller's own account on the hub, with the rights of policies/hub-rbac.yaml."""
    hub.kubectl("apply", "--server-side", "-f", str(RIGHTS))
    meta = {
        "name": "suanli-controller-token",
        "namespace": NAMESPACE,
        "annotations": {"kubernetes.io/service-account.name": "suanli-controller"},
    }
    hub.apply(
        {"apiVersion": "v1", "kind": "Secret", "metadata": meta, "type": "kubernetes.io/service-account-token"}
    )
    path = f"/api/v1/namespaces/{NAMESPACE}/secrets/{meta['name']}"
    token = until(lambda: hub.api.get(path)["data"]["token"], "a token for the controller")
    return hub.kubeconfig_with("suanli-controller", {"token": base64.b64decode(token).decode()})


def join(hub: Member, cloud: Member, *options: str) -> None:
    """`cloud join` with an administrator's access to the cloud, which it uses to make a lesser one."""
    verb(hub, "cloud", "join", cloud.name, "--cloud-kubeconfig", str(cloud.kubeconfig), *options)


class Operator:
    """`suanli-controller run` for a hub, as its own account; its log is a file in the clusters' folder.

    As a context manager it runs for the block; `kill` is SIGKILL, `restart` starts it again. `start` must come first.
    """

    def __init__(self, clusters: Clusters, hub: Member, identity: str = "one") -> None:
        self.identity = identity
        self.log = clusters.folder / f"operator-{hub.name}-{identity}.log"
        self._environment = clusters.environment()
        # no metrics: their port is one for the machine, and another operator may run here
        self._command = [
            str(PROGRAM), "run", "--kubeconfig", str(account(hub)), "--namespace", NAMESPACE,
            "--metrics", "off", "--identity", identity, "--log-format", "json",
        ]  # fmt: skip
        self.process: subprocess.Popen[bytes]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        with self.log.open("ab") as output:
            # A session of its own: Ctrl-C is for us, and the operator ends when we have done with it.
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdout=output, stderr=output, start_new_session=True
            )

    def stop(self) -> int:
        """As an orderly shutdown does; returns the exit code. Nothing where it has ended."""
        self.process.terminate()
        try:
            return self.process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def kill(self) -> None:
        """As a crash of the machine does: nothing is finished, no Lease given back."""
        self.process.kill()
        self.process.wait()

    def restart(self) -> None:
        """Kill it and start it again."""
        self.kill()
        self.start()

    def ended(self) -> bool:
        return self.process.poll() is not None

    def check(self) -> None:
        """Raises ControllerError when it has ended, with the end of its log."""
        if self.ended():
            raise ControllerError(f"the operator ended with {self.process.returncode}:\n{self.tail()}")

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-5000:]

    def lines(self) -> list[dict[str, Any]]:
        """What it has logged, one entry a line."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
