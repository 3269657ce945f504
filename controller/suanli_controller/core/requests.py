"""What a pod takes from its node.

The arithmetic is that of Kubernetes itself (component-helpers, resource/helpers.go, PodRequests), by which
kube-scheduler binds: any other answer would place pods that the target's scheduler then refuses.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from suanli_controller.api import core_v1
from suanli_controller.core import quantity

Amounts = dict[str, int]

_FINISHED: Final = ("Succeeded", "Failed")
_POD_LEVEL: Final = ("cpu", "memory")  # and hugepages: what spec.resources of a pod may name


@dataclass(frozen=True, slots=True)
class _Held:
    """What the node has given a container, granted or actual, whichever is larger; `refused`: it got no more."""

    amounts: Amounts
    refused: bool

    def merged(self, wanted: Amounts) -> Amounts:
        result = {} if self.refused else wanted
        _raise_to(result, self.amounts)
        return result


def of_pod(pod: core_v1.Pod) -> Amounts:
    """What the pod holds on its node, `pods: 1` included; nothing once it has finished.

    Core units (see `quantity`). Raises QuantityError for a quantity that is none.
    """
    if pod.status.phase in _FINISHED:
        return {}
    return of_spec(pod.spec, pod.status)


def of_spec(spec: core_v1.PodSpec, status: core_v1.PodStatus | None = None) -> Amounts:
    """The effective request of a pod made from `spec`, `pods: 1` included.

    `status` tells what the containers hold while a resize in place is under way. Raises QuantityError.
    """
    held = _held(status) if status else {}
    total: Amounts = {}
    for container in spec.containers:
        _add(total, _container(container, held))
    if spec.init_containers:
        _raise_to(total, _initialising(spec.init_containers, held, total))
    if spec.resources:
        total.update(_pod_level(spec.resources, total))
    _add(total, quantity.amounts(spec.overhead))
    total["pods"] = 1
    return quantity.capped(total)


def _initialising(containers: list[core_v1.Container], held: Mapping[str, _Held], total: Amounts) -> Amounts:
    """The most that is in use while init containers run, one after another.

    Sidecars among them stay, so `total` grows by those.
    """
    sidecars: Amounts = {}
    peak: Amounts = {}
    for container in containers:
        if container.restart_policy == "Always":
            own = _container(container, held)
            _add(total, own)
            _add(sidecars, own)
            _raise_to(peak, sidecars)
        else:
            running = _container(container, {})
            _add(running, sidecars)
            _raise_to(peak, running)
    return peak


def _container(container: core_v1.Container, held: Mapping[str, _Held]) -> Amounts:
    """A container's request; a limit stands for a request that is missing, as the API server writes it."""
    resources = container.resources
    wanted = quantity.amounts({**resources.limits, **resources.requests})
    state = held.get(container.name)
    return state.merged(wanted) if state else wanted


def _pod_level(resources: core_v1.ResourceRequirements, total: Amounts) -> Amounts:
    """What the pod as a whole asks for, in place of its containers' sum.

    A limit without a request means the containers' sum where they ask for anything, else the limit itself.
    """
    requests = quantity.amounts({name: raw for name, raw in resources.requests.items() if _is_pod_level(name)})
    limits = quantity.amounts({name: raw for name, raw in resources.limits.items() if _is_pod_level(name)})
    return {**{name: total.get(name) or limit for name, limit in limits.items()}, **requests}


def _is_pod_level(resource: str) -> bool:
    return resource in _POD_LEVEL or resource.startswith("hugepages-")


def _held(status: core_v1.PodStatus) -> dict[str, _Held]:
    """By container, where the node reports what it has given."""
    refused = any(each.type == "PodResizePending" and each.reason == "Infeasible" for each in status.conditions)
    statuses = (*status.container_statuses, *status.init_container_statuses)
    return {each.name: _Held(_given(each), refused) for each in statuses if each.resources is not None}


def _given(status: core_v1.ContainerStatus) -> Amounts:
    given = quantity.amounts(status.resources.requests if status.resources else {})
    _raise_to(given, quantity.amounts(status.allocated_resources))
    return given


def _add(total: Amounts, more: Mapping[str, int]) -> None:
    for resource, value in more.items():
        total[resource] = total.get(resource, 0) + value


def _raise_to(total: Amounts, least: Mapping[str, int]) -> None:
    for resource, value in least.items():
        total[resource] = max(total.get(resource, 0), value)
