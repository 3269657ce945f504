"""One named cluster: a real Kubernetes control plane as processes of this machine, started by kwokctl.

Besides starting and stopping it can be made to fail as clusters do: its API away (`stop`, `kill`), hanging
(`pause`), back again (`start`, `restart`, `resume`).
"""

import functools
import json
import os
import signal
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from suanli_clusters import config, nodes, ports, processes, tools
from suanli_clusters.api import Api
from suanli_clusters.config import Options
from suanli_clusters.nodes import SimulatedNode
from suanli_clusters.waiting import until

API_SERVER = "kube-apiserver"
NOT_READY = "node.kubernetes.io/not-ready"

START_SECONDS = 180
"""A start takes 4 s on an idle machine; a busy one with 2 cores has been seen to take a minute."""


class ClusterError(Exception):
    """A cluster does not start or stop; the message holds the end of the logs."""


class KubectlError(Exception):
    """kubectl failed; the message is what it wrote to stderr."""


class Member:
    """A cluster as tests see it, whatever it runs on: a kubeconfig, kubectl and a JSON client."""

    def __init__(self, name: str, kubeconfig: Path, kubectl: Path) -> None:
        self.name = name
        self.kubeconfig = kubeconfig
        """A cluster administrator's, of group system:masters: tests of access rights need `service_account`."""
        self._kubectl = kubectl

    @functools.cached_property
    def api(self) -> Api:
        return Api(self.kubeconfig)

    def kubectl(self, *arguments: str, stdin: str | None = None, check: bool = True, seconds: float = 120) -> str:
        """What kubectl prints. Raises KubectlError when it fails, unless `check` is false."""
        answer = subprocess.run(
            [str(self._kubectl), *arguments], input=stdin, env=self.environment(), capture_output=True, text=True,
            timeout=seconds, check=False,
        )  # fmt: skip
        if check and answer.returncode:
            raise KubectlError(f"kubectl {' '.join(arguments)}: {answer.stderr.strip()}")
        return answer.stdout

    def environment(self) -> dict[str, str]:
        """The environment in which kubectl and others that read KUBECONFIG meet this cluster alone."""
        cache = self.kubeconfig.parent / "kubectl-cache"
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "KUBECACHEDIR": str(cache)}

    def apply(self, *objects: Mapping[str, Any]) -> None:
        """Server-side apply, objects of any kinds."""
        stdin = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)})
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=stdin)

    def service_account(self, namespace: str, name: str, cluster_role: str | None = None) -> Path:
        """The kubeconfig of a ServiceAccount, made if need be: an hour's token, the rights of a ClusterRole."""
        self.apply(*_account_objects(namespace, name, cluster_role))
        token = self.kubectl("create", "token", name, "--namespace", namespace, "--duration", "1h").strip()
        path = self.kubeconfig_with(f"{namespace}-{name}", {"token": token})
        if cluster_role == "view":
            pods = "/api/v1/namespaces/default/pods"
            until(lambda: isinstance(Api(path).items(pods), list), "rights that the API server has heard of")
        return path

    def kubeconfig_with(self, user: str, credentials: Mapping[str, str]) -> Path:
        """A kubeconfig like the administrator's with other credentials, beside it."""
        whole = self._kubeconfig()
        whole["users"] = [{"name": user, "user": dict(credentials)}]
        whole["contexts"][0]["context"]["user"] = user
        return _write_private(self.kubeconfig.parent / f"{self.name}-{user}.kubeconfig", whole)

    def _kubeconfig(self) -> Any:
        """The administrator's kubeconfig with its credentials inside, not named by their files."""
        return json.loads(self.kubectl("config", "view", "--raw", "--flatten", "--minify", "--output", "json"))


def _write_private(path: Path, content: Any) -> Path:
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))
    return path


def _account_objects(namespace: str, name: str, cluster_role: str | None) -> list[dict[str, Any]]:
    objects: list[dict[str, Any]] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}},
    ]
    if cluster_role:
        objects.append(
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRoleBinding",
                "metadata": {"name": f"{namespace}-{name}-{cluster_role}"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
                "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
            }
        )
    return objects


class Cluster(Member):
    """A cluster on kwokctl's binary runtime. Made by `Clusters.start`."""

    def __init__(self, name: str, run: Path, options: Options, claimed: ports.Ports) -> None:
        super().__init__(name, run / f"{name}.kubeconfig", tools.find("kubectl"))
        self.options = options
        self.port = claimed.api_server
        self.folder = run / "clusters" / name
        self.pki = self.folder / "pki"
        """Its certificates: ca.crt and ca.key, admin.crt and admin.key."""
        self._run = run
        self._ports = claimed
        self._killed: dict[str, processes.Command] = {}

    def create(self) -> None:
        """Start it the first time, until pods can be made. Raises ClusterError."""
        binaries = {tool.name: tools.find(tool.name) for tool in tools.TOOLS}
        written = config.kwokctl_config(
            self.options, self.pki, self._ports.options(), binaries, tools.kubernetes_version()
        )
        path = self._run / f"{self.name}.kwokctl.json"
        path.write_text(json.dumps(written, indent=1))
        self._kwokctl(
            "create", "cluster", "--config", str(path), "--kubeconfig", str(self.kubeconfig), "--wait", "120s"
        )
        _write_private(self.kubeconfig, self._kubeconfig())
        self._wait_served()

    def stop(self) -> None:
        """Take the whole cluster away: connections are refused. Its data stay."""
        self.resume()
        pids = list(self.pids().values())
        self._kwokctl("stop", "cluster")
        processes.kill(pids)  # kwokctl does not wait for their end

    def start(self) -> None:
        """Bring a stopped cluster back, with its data, at the same address."""
        self._kwokctl("start", "cluster")
        self._wait_served()

    def pause(self, *components: str) -> None:
        """Make components hang: they take connections and never answer. The API server, when none is named."""
        processes.send([self.pid(component) for component in components or (API_SERVER,)], signal.SIGSTOP)

    def resume(self) -> None:
        """Let everything that was paused go on."""
        processes.send(list(self.pids().values()), signal.SIGCONT)

    def kill(self, component: str = API_SERVER) -> None:
        """End one component as a crash does. Without the API server connections are refused; the rest run on."""
        pid = self.pid(component)
        self._killed[component] = processes.command(pid)
        processes.kill([pid])
        # kwokctl takes a pid file for a running component.
        self._pid_file(component).unlink()

    def restart(self, component: str = API_SERVER) -> None:
        """Start a killed component again, as it was started before."""
        pid = processes.start(self._killed.pop(component), self.log(component))
        self._pid_file(component).write_text(str(pid))
        self._wait_served()

    def pids(self) -> dict[str, int]:
        """The process id of each component that runs: etcd, kube-apiserver and so on."""
        found = {path.stem: int(path.read_text()) for path in (self.folder / "pids").glob("*.pid")}
        return {component: pid for component, pid in found.items() if processes.alive(pid)}

    def pid(self, component: str) -> int:
        """Raises ClusterError when the component does not run."""
        found = self.pids()
        if component not in found:
            raise ClusterError(
                f"cluster {self.name}: {component} does not run; running: {', '.join(found) or 'none'}"
            )
        return found[component]

    def log(self, component: str) -> Path:
        return self.folder / "logs" / f"{component}.log"

    def server_at(self, host: str) -> str:
        """The API server's URL under another address of this machine: see Options.address and .names."""
        return f"https://{host}:{self.port}"

    def kubeconfig_at(self, host: str) -> Path:
        """The administrator's kubeconfig for those who reach this machine under another address."""
        whole = self._kubeconfig()
        whole["clusters"][0]["cluster"]["server"] = self.server_at(f"[{host}]" if ":" in host else host)
        return _write_private(self._run / f"{self.name}-at-{host.replace(':', '_')}.kubeconfig", whole)

    def create_nodes(self, wanted: Iterable[SimulatedNode], ready: bool = True) -> None:
        """Make simulated nodes over many connections, and wait until pods can be bound to all, unless told not to."""
        objects = [nodes.node_object(node) for node in wanted]
        self.api.post_all("/api/v1/nodes", objects)
        if ready:
            names = {node["metadata"]["name"] for node in objects}
            until(lambda: names <= self.ready_nodes(), f"{len(names)} nodes Ready in {self.name}", 120, every=0.3)

    def ready_nodes(self) -> set[str]:
        """Names of the nodes that are Ready and, where there are controllers to do it, have lost the taint that says
        they are not: it goes a moment later.
        """
        tainted = NOT_READY if config.CONTROLLER_MANAGER not in self.options.without else ""
        return {node["metadata"]["name"] for node in self.api.items("/api/v1/nodes") if _is_ready(node, tainted)}

    def remove(self) -> None:
        """End its processes and delete its data; other clusters of the run stay."""
        mine = [pid for pid in processes.of_run(self._run) if self._owns(pid)]
        processes.kill(mine)
        self._ports.release()

    def _owns(self, pid: int) -> bool:
        try:
            return Path(processes.command(pid).directory) == self.folder
        except ProcessLookupError:
            return False

    def _wait_served(self) -> None:
        until(lambda: self.api.text("/readyz") == "ok", f"cluster {self.name} ready", START_SECONDS)
        if config.CONTROLLER_MANAGER not in self.options.without:
            # No pod can be made before the controller manager has made the namespace's account.
            account = "/api/v1/namespaces/default/serviceaccounts/default"
            until(lambda: self.api.exists(account), f"cluster {self.name}: default ServiceAccount", START_SECONDS)

    def _pid_file(self, component: str) -> Path:
        return self.folder / "pids" / f"{component}.pid"

    def _kwokctl(self, *arguments: str) -> None:
        """Run kwokctl with an environment of its own: a user's KWOK_ variables would change what it makes."""
        path = f"{tools.find('kubectl').parent}:{os.environ.get('PATH', '')}"
        environment = {"HOME": str(self._run), "PATH": path, processes.MARK: str(self._run)}
        command = [str(tools.find("kwokctl")), "--name", self.name, *arguments]
        # A session of its own: Ctrl-C reaches us alone, and we end what it has started.
        with subprocess.Popen(
            command,
            env=environment,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                output, _ = process.communicate(timeout=START_SECONDS)
            except BaseException:
                process.kill()
                raise
        if process.returncode:
            raise ClusterError(
                f"kwokctl {' '.join(arguments[:2])} {self.name} failed:\n{output[-3000:]}\n{self._logs()}"
            )

    def _logs(self) -> str:
        """The end of every component's log."""
        found: Sequence[Path] = sorted((self.folder / "logs").glob("*.log"))
        return "\n".join(f"--- {path.name}\n{path.read_text(errors='replace')[-1500:]}" for path in found)


def _is_ready(node: Mapping[str, Any], tainted: str) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    if any(taint["key"] == tainted for taint in node["spec"].get("taints", ())):
        return False
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
