"""What a pod sees of names and addresses: hostname, /etc/hosts, resolv.conf, host ports.

Plain data; callers write it.
"""

from __future__ import annotations

from collections.abc import Sequence

from suanli_agent.core import objects
from suanli_agent.pods import settings
from suanli_agent.runtime import cri_pb2 as cri

HOSTNAME_LIMIT = 63
NAMESERVER_LIMIT = 3

HOSTS_HEADER = "# Kubernetes-managed hosts file.\n"
HOSTS_HEADER_HOST_NETWORK = "# Kubernetes-managed hosts file (host network).\n"
HOSTS_BASE = (
    "127.0.0.1\tlocalhost\n"
    "::1\tlocalhost ip6-localhost ip6-loopback\n"
    "fe00::0\tip6-localnet\n"
    "fe00::0\tip6-mcastprefix\n"
    "fe00::1\tip6-allnodes\n"
    "fe00::2\tip6-allrouters\n"
)


def hostname(pod: objects.Pod, domain: str) -> str:
    """The name inside the pod. Raises ValueError when the full name does not fit into what Linux allows."""
    spec = pod.spec
    if spec.hostname_override is not None:
        return spec.hostname_override
    short = (spec.hostname or pod.metadata.name)[:HOSTNAME_LIMIT].rstrip("-.")
    if spec.set_hostname_as_fqdn and spec.subdomain:
        full = f"{short}.{_pod_domain(pod, domain)}"
        if len(full) > HOSTNAME_LIMIT + 1:
            raise ValueError(f"setHostnameAsFQDN: {full!r} is longer than {HOSTNAME_LIMIT + 1} characters")
        return full
    return short


def _pod_domain(pod: objects.Pod, domain: str) -> str:
    return f"{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{domain}"


def hosts_file(pod: objects.Pod, ips: Sequence[str], domain: str, host_content: str) -> str:
    """/etc/hosts of a pod; host_content is the box's own file, which pods on the host network keep."""
    spec = pod.spec
    aliases = "".join(f"{alias.ip}\t{chr(9).join(alias.hostnames)}\n" for alias in spec.host_aliases)
    if aliases:
        aliases = "\n# Entries added by HostAliases.\n" + aliases
    if spec.host_network:
        return HOSTS_HEADER_HOST_NETWORK + host_content + aliases
    name = hostname(pod, domain)
    full = f"{name}.{_pod_domain(pod, domain)}\t" if spec.subdomain and spec.hostname_override is None else ""
    own = "".join(f"{ip}\t{full}{name}\n" for ip in ips)
    return HOSTS_HEADER + HOSTS_BASE + own + aliases


def dns(pod: objects.Pod, knobs: settings.Settings, host_content: str) -> cri.DNSConfig:
    """The resolv.conf of a pod.

    host_content is the box's own; pods on the host network get it for ClusterFirst.
    """
    servers, searches, options = _by_policy(pod, knobs, host_content)
    own = pod.spec.dns_config
    if own is not None:
        servers = list(dict.fromkeys([*servers, *own.nameservers]))
        searches = list(dict.fromkeys([*searches, *own.searches]))
        options = _merged(options, own.options)
    return cri.DNSConfig(servers=servers[:NAMESERVER_LIMIT], searches=searches, options=options)


def _by_policy(
    pod: objects.Pod, knobs: settings.Settings, host_content: str
) -> tuple[list[str], list[str], list[str]]:
    policy = pod.spec.dns_policy
    if policy == "None":
        return [], [], []
    in_cluster = policy == "ClusterFirstWithHostNet" or (policy == "ClusterFirst" and not pod.spec.host_network)
    if in_cluster and knobs.cluster_dns:
        return _cluster(pod, knobs, host_content)
    return _parsed(host_content)


def _cluster(
    pod: objects.Pod, knobs: settings.Settings, host_content: str
) -> tuple[list[str], list[str], list[str]]:
    domain = knobs.cluster_domain
    own = [f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain]
    return list(knobs.cluster_dns), [*own, *_parsed(host_content)[1]], ["ndots:5"]


def _parsed(content: str) -> tuple[list[str], list[str], list[str]]:
    """Servers, searches and options of a resolv.conf."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in content.splitlines():
        words = line.split()
        if not words or words[0][0] in "#;":
            continue
        if words[0] == "nameserver":
            servers.extend(words[1:2])
        elif words[0] in {"search", "domain"}:
            searches = words[1:]
        elif words[0] == "options":
            options = words[1:]
    return servers, searches, options


def _merged(options: Sequence[str], own: Sequence[objects.PodDNSConfigOption]) -> list[str]:
    merged = dict(option.partition(":")[::2] for option in options)
    merged.update({option.name: option.value or "" for option in own})
    return [f"{name}:{value}" if value else name for name, value in merged.items()]


def port_mappings(spec: objects.PodSpec) -> list[cri.PortMapping]:
    """Host ports of every container; on the host network there is nothing to map."""
    if spec.host_network:
        return []
    ports = [port for c in [*spec.init_containers, *spec.containers] for port in c.ports if port.host_port]
    return [
        cri.PortMapping(
            protocol=port.protocol,
            container_port=port.container_port,
            host_port=port.host_port,
            host_ip=port.host_ip,
        )
        for port in ports
    ]
