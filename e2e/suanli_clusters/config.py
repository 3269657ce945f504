"""kwokctl's configuration for one cluster. Pure: options in, a plain object out; nothing is read or started."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

CONTROLLER_MANAGER = "kube-controller-manager"
SCHEDULER = "kube-scheduler"
KWOK = "kwok-controller"
"""The components that a cluster can be started without."""

FAKE_NODE = ("kwok.x-k8s.io/node", "fake")
"""The annotation of nodes that kwok simulates; all others are left alone: real edge boxes join these clusters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a cluster is like. The defaults suit a test that wants an ordinary Kubernetes."""

    address: str = "127.0.0.1"
    """Where the API server listens. "0.0.0.0" lets pods and other network namespaces reach it by this machine's
    addresses, all of which are in its certificate."""

    names: tuple[str, ...] = ()
    """More host names and addresses for the API server's certificate, for those that do not exist yet."""

    heartbeat_factor: float = 1
    """Scales how rarely nodes report and how late they count as gone. 1: NotReady after 40 s, as on any cluster;
    50 for thousands of idle nodes, whose Leases would else cost a core."""

    unlimited: bool = False
    """No limits on requests in the API server and in its clients: for benchmarks."""

    without: frozenset[str] = frozenset()
    """Components left out, of CONTROLLER_MANAGER, SCHEDULER and KWOK."""

    api_server: Mapping[str, str] = field(default_factory=dict)
    """More flags, without the dashes; they win over ours. Likewise below."""

    controller_manager: Mapping[str, str] = field(default_factory=dict)
    scheduler: Mapping[str, str] = field(default_factory=dict)
    kwok: Mapping[str, str] = field(default_factory=dict)


def kwokctl_config(
    options: Options, pki: Path, ports: Mapping[str, int], binaries: Mapping[str, Path], version: str
) -> dict[str, Any]:
    """The KwokctlConfiguration; `pki` is the folder where kwokctl will write the cluster's certificates."""
    return {
        "kind": "KwokctlConfiguration",
        "apiVersion": "config.kwok.x-k8s.io/v1alpha1",
        "options": {
            "runtime": "binary",
            "kubeVersion": version,
            "kubectlBinary": str(binaries["kubectl"]),
            "etcdBinary": str(binaries["etcd"]),
            "kubeApiserverBinary": str(binaries["kube-apiserver"]),
            "kubeControllerManagerBinary": str(binaries["kube-controller-manager"]),
            "kubeSchedulerBinary": str(binaries["kube-scheduler"]),
            "kwokControllerBinary": str(binaries["kwok"]),
            "bindAddress": "127.0.0.1",
            "kubeApiserverCertSANs": list(options.names),
            "heartbeatFactor": options.heartbeat_factor,
            "disableQPSLimits": options.unlimited,
            "disable": sorted(options.without),
            **ports,
        },
        "componentsPatches": [
            {"name": name, "extraArgs": [{"key": key, "value": value} for key, value in flags.items()]}
            for name, flags in _flags(options, pki).items()
            if name not in options.without
        ],
    }


ALONE = {"leader-elect": "false"}
"""One that loses its Lease ends, unseen, and one that is started again waits for the Lease's end; there is but one."""


def _flags(options: Options, pki: Path) -> dict[str, dict[str, str]]:
    """Each component's flags. kwokctl puts them behind its own, and the last of two wins."""
    return {
        "kube-apiserver": {
            "bind-address": options.address,
            "enable-admission-plugins": "NodeRestriction",
            "enable-bootstrap-token-auth": "true",
            # kubectl logs and exec reach a node with a client certificate, at its address: no DNS has its name.
            "kubelet-client-certificate": str(pki / "admin.crt"),
            "kubelet-client-key": str(pki / "admin.key"),
            "kubelet-preferred-address-types": "InternalIP,Hostname",
            **options.api_server,
        },
        CONTROLLER_MANAGER: {
            # Without these two no certificate request is ever signed.
            "cluster-signing-cert-file": str(pki / "ca.crt"),
            "cluster-signing-key-file": str(pki / "ca.key"),
            "controllers": "*,bootstrap-signer-controller,token-cleaner-controller",
            **ALONE,
            **options.controller_manager,
        },
        SCHEDULER: {**ALONE, **options.scheduler},
        KWOK: {
            "manage-all-nodes": "false",
            "manage-nodes-with-annotation-selector": "=".join(FAKE_NODE),
            **options.kwok,
        },
    }
