"""A pod's sandbox and containers in CRI's words. Builds messages from decided facts; asks nobody."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Optional

from suanli_agent.core import life, objects, payload, resources, security, support
from suanli_agent.pods import network, settings
from suanli_agent.runtime import cri_pb2 as cri
from suanli_agent.runtime import records

_PROFILES = {
    "RuntimeDefault": cri.SecurityProfile.RuntimeDefault,
    "Unconfined": cri.SecurityProfile.Unconfined,
    "Localhost": cri.SecurityProfile.Localhost,
}
_PROPAGATION = {
    "": cri.PROPAGATION_PRIVATE,
    "None": cri.PROPAGATION_PRIVATE,
    "HostToContainer": cri.PROPAGATION_HOST_TO_CONTAINER,
    "Bidirectional": cri.PROPAGATION_BIDIRECTIONAL,
}


def log_directory(knobs: settings.Settings, pod: objects.Pod) -> Path:
    """Where a pod's logs are: the layout that log collectors know."""
    meta = pod.metadata
    return knobs.log_root / f"{meta.namespace}_{meta.name}_{meta.uid}"


def labels(pod: objects.Pod) -> dict[str, str]:
    """What our sandboxes and containers are found by."""
    meta = pod.metadata
    return {
        records.POD_NAME: meta.name,
        records.POD_NAMESPACE: meta.namespace,
        records.POD_UID: meta.uid,
        records.MANAGED_BY: "suanli-agent",
    }


def sandbox(pod: objects.Pod, attempt: int, knobs: settings.Settings, resolv_conf: str) -> cri.PodSandboxConfig:
    """The sandbox of a pod. Raises ValueError for a hostname that does not fit."""
    meta, spec = pod.metadata, pod.spec
    name = "" if spec.host_network else network.hostname(pod, knobs.cluster_domain)
    return cri.PodSandboxConfig(
        metadata=cri.PodSandboxMetadata(name=meta.name, uid=meta.uid, namespace=meta.namespace, attempt=attempt),
        hostname=name,
        log_directory=str(log_directory(knobs, pod)),
        dns_config=network.dns(pod, knobs, resolv_conf),
        port_mappings=network.port_mappings(spec),
        labels={**meta.labels, **labels(pod)},
        annotations=meta.annotations,
        linux=_linux_sandbox(spec, knobs),
    )


def _linux_sandbox(spec: objects.PodSpec, knobs: settings.Settings) -> cri.LinuxPodSandboxConfig:
    own = spec.security_context
    context = cri.LinuxSandboxSecurityContext(
        namespace_options=_namespaces(spec),
        selinux_options=_selinux(own.se_linux_options),
        run_as_user=_number(own.run_as_user),
        run_as_group=_number(own.run_as_group) if own.run_as_user is not None else None,
        supplemental_groups=security.groups(own),
        privileged=any(_privileged(c) for c in [*spec.init_containers, *spec.containers]),
        seccomp=cri.SecurityProfile(profile_type=cri.SecurityProfile.RuntimeDefault),
    )
    sysctls = {support.sysctl_name(sysctl.name): sysctl.value for sysctl in own.sysctls}
    return cri.LinuxPodSandboxConfig(cgroup_parent=knobs.cgroup_parent, security_context=context, sysctls=sysctls)


def _privileged(container: objects.Container) -> bool:
    return bool(container.security_context and container.security_context.privileged)


def _namespaces(spec: objects.PodSpec, target_id: str = "") -> cri.NamespaceOption:
    pid = cri.CONTAINER
    if spec.host_pid:
        pid = cri.NODE
    elif spec.share_process_namespace:
        pid = cri.POD
    elif target_id:
        pid = cri.TARGET
    return cri.NamespaceOption(
        network=cri.NODE if spec.host_network else cri.POD,
        ipc=cri.NODE if spec.host_ipc else cri.POD,
        pid=pid,
        target_id=target_id if pid == cri.TARGET else "",
    )


@dataclasses.dataclass(frozen=True)
class Given:
    """What a container is made from, all of it resolved."""

    attempt: int
    image: str
    image_ref: str
    env: Mapping[str, str]
    command: Sequence[str]
    args: Sequence[str]
    working_dir: str
    mounts: Sequence[cri.Mount]
    context: security.Effective
    linux: resources.LinuxResources
    log_path: str
    target_id: str = ""
    devices: Sequence[str] = ()


def container(
    pod: objects.Pod, spec: objects.Container, given: Given, knobs: settings.Settings
) -> cri.ContainerConfig:
    """A container of a pod."""
    annotations = {
        records.SPEC_HASH: life.spec_hash(spec),
        records.SIZES: resources.sizes(spec),
        records.MESSAGE_PATH: spec.termination_message_path,
        records.MESSAGE_POLICY: spec.termination_message_policy,
        records.GRACE: str(pod.spec.termination_grace_period_seconds),
    }
    return cri.ContainerConfig(
        metadata=cri.ContainerMetadata(name=spec.name, attempt=given.attempt),
        image=cri.ImageSpec(image=given.image_ref, user_specified_image=given.image),
        command=given.command,
        args=given.args,
        working_dir=given.working_dir,
        envs=[
            cri.KeyValue(key=key, value=value.encode(errors="surrogateescape")) for key, value in given.env.items()
        ],
        mounts=given.mounts,
        devices=[cri.Device(container_path=node, host_path=node, permissions="rw") for node in given.devices],
        labels={**labels(pod), records.CONTAINER_NAME: spec.name},
        annotations=annotations,
        log_path=given.log_path,
        stdin=spec.stdin,
        stdin_once=spec.stdin_once,
        tty=spec.tty,
        linux=cri.LinuxContainerConfig(
            resources=_resources(given.linux), security_context=_context(pod.spec, given, knobs)
        ),
    )


def mount(source: str, wanted: objects.VolumeMount, volume: objects.Volume) -> cri.Mount:
    """A volume's mount. What we write ourselves (configMap, secret, downwardAPI, projected) is read-only whatever the
    mount says, as with kubelet: it is we, as root, who change files there.
    """
    return cri.Mount(
        container_path=wanted.mount_path,
        host_path=source,
        readonly=wanted.read_only or payload.projected(volume) is not None,
        propagation=_PROPAGATION[wanted.mount_propagation],
    )


def _resources(linux: resources.LinuxResources) -> cri.LinuxContainerResources:
    return cri.LinuxContainerResources(
        cpu_period=linux.cpu_period,
        cpu_quota=linux.cpu_quota,
        cpu_shares=linux.cpu_shares,
        memory_limit_in_bytes=linux.memory_limit,
        oom_score_adj=linux.oom_score_adj,
        hugepage_limits=[cri.HugepageLimit(page_size=size, limit=limit) for size, limit in linux.hugepages],
    )


def _context(spec: objects.PodSpec, given: Given, knobs: settings.Settings) -> cri.LinuxContainerSecurityContext:
    wanted = given.context
    return cri.LinuxContainerSecurityContext(
        capabilities=cri.Capability(add_capabilities=wanted.add, drop_capabilities=wanted.drop),
        privileged=wanted.privileged,
        namespace_options=_namespaces(spec, given.target_id),
        selinux_options=_selinux(wanted.selinux),
        run_as_user=_number(wanted.user),
        run_as_username=wanted.username,
        run_as_group=_number(wanted.group),
        readonly_rootfs=wanted.read_only_root,
        supplemental_groups=wanted.groups,
        no_new_privs=wanted.no_new_privileges,
        masked_paths=wanted.masked,
        readonly_paths=wanted.readonly,
        seccomp=_profile(wanted.seccomp, knobs.seccomp_root),
        apparmor=_profile(wanted.apparmor, None) if wanted.apparmor else None,
    )


def _profile(profile: objects.SecurityProfile, root: Optional[Path]) -> cri.SecurityProfile:
    local = profile.localhost_profile
    return cri.SecurityProfile(
        profile_type=_PROFILES[profile.type], localhost_ref=str(root / local) if root and local else local
    )


def _selinux(options: Optional[objects.SELinuxOptions]) -> Optional[cri.SELinuxOption]:
    if options is None:
        return None
    return cri.SELinuxOption(user=options.user, role=options.role, type=options.type, level=options.level)


def _number(value: Optional[int]) -> Optional[cri.Int64Value]:
    return None if value is None else cri.Int64Value(value=value)
