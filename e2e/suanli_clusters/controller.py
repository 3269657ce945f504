"""Our own operator against a hub: its verbs, and it itself as a process of this machine, as a person would start it."""

import base64
import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from suanli_clusters import Clusters
from suanli_clusters.cluster import Member
from suanli_clusters.waiting import until
from suanli_controller.api import kinds

PROGRAM = Path(sys.executable).parent / "suanli-controller"
NAMESPACE = "suanli-system"
RIGHTS = Path(__file__).resolve().parents[2] / "policies" / "hub-rbac.yaml"

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
    hub.kubectl("wait", "--for=condition=Established", "crd", "--all")
    until(lambda: {kind.plural for kind in kinds.KINDS} <= _served(hub), "our kinds in what the API server serves")
    hub.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})


def _served(hub: Member) -> set[str]:
    return {each["name"] for each in hub.api.get("/apis/suanli.io/v1alpha1")["resources"]}


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
    """A running operator."""

    def __init__(self, process: "subprocess.Popen[bytes]", log: Path) -> None:
        self.process = process
        self.log = log

    def ended(self) -> bool:
        return self.process.poll() is not None

    def check(self) -> None:
        """Raises ControllerError when it has ended, with the end of its log."""
        if self.ended():
            raise ControllerError(f"the operator ended with {self.process.returncode}:\n{self.tail()}")

    def tail(self) -> str:
        return self.log.read_text(errors="replace")[-3000:]


@contextlib.contextmanager
def running(clusters: Clusters, hub: Member, *options: str) -> Iterator[Operator]:
    """The operator for the block, as its own account; its log is a file in the clusters' folder."""
    log = clusters.folder / f"operator-{hub.name}.log"
    command = [str(PROGRAM), "run", "--kubeconfig", str(account(hub)), "--namespace", NAMESPACE]
    # No metrics: their port is one for the machine, and another operator may run here.
    command += ["--metrics", "off", *options]
    with (
        log.open("ab") as output,
        # A session of its own: Ctrl-C is for us, and the operator ends when we have done with it.
        subprocess.Popen(
            command, env=clusters.environment(), stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        try:
            yield Operator(process, log)
        finally:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(END_SECONDS)
            process.kill()
