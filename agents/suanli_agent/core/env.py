"""A container's environment, command and args, once every object that they name is at hand."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Optional, TypeVar, Union

from suanli_agent.core import fields, objects

T = TypeVar("T")
_REFERENCE = re.compile(r"\$(\$|\(([^)]*)\))")


class MissingError(ValueError):
    """A ConfigMap, a Secret or a key of one that the pod cannot start without."""


@dataclasses.dataclass(frozen=True)
class Sources:
    """Objects by name; None stands for one that does not exist."""

    config_maps: Mapping[str, Optional[objects.ConfigMap]]
    secrets: Mapping[str, Optional[objects.Secret]]


def expand(text: str, values: Mapping[str, str]) -> str:
    """Replace $(NAME) by its value; an unknown one stays, $$ is a dollar sign."""

    def known(found: re.Match[str]) -> str:
        if found[1] == "$":
            return "$"
        return values.get(found[2], found[0])

    return _REFERENCE.sub(known, text)


def environment(
    pod: objects.Pod,
    container: objects.Container,
    place: fields.Place,
    sources: Sources,
    services: Mapping[str, str],
) -> dict[str, str]:
    """Every variable of a container: services first, then envFrom, then env, where later ones win.

    Raises MissingError for what is not there, ValueError for a reference that means nothing.
    """
    found: dict[str, str] = {}
    for origin in container.env_from:
        found.update(_all_of(origin, sources))
    for variable in container.env:
        value = _value(pod, container, variable, place, sources, {**services, **found})
        if value is not None:
            found[variable.name] = value
    return {**services, **found}


def words(container: objects.Container, values: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Command and args with $(NAME) replaced."""
    return [expand(word, values) for word in container.command], [expand(word, values) for word in container.args]


def services(
    found: Sequence[objects.Service], namespace: str, api: tuple[str, int], *, links: bool
) -> dict[str, str]:
    """The variables of a namespace's Services; KUBERNETES_* is always there and means api, the hub's address."""
    result = _service_variables("kubernetes", api[0], [objects.ServicePort(name="https", port=api[1])])
    for service in found if links else ():
        meta, spec = service.metadata, service.spec
        ours = meta.namespace == namespace and not (namespace == "default" and meta.name == "kubernetes")
        if ours and spec.cluster_ip not in {"", "None"} and spec.ports:
            result.update(_service_variables(meta.name, spec.cluster_ip, spec.ports))
    return result


def _service_variables(name: str, ip: str, ports: Sequence[objects.ServicePort]) -> dict[str, str]:
    prefix = name.upper().replace("-", "_")
    host = f"[{ip}]" if ":" in ip else ip
    first = ports[0]
    result = {f"{prefix}_SERVICE_HOST": ip, f"{prefix}_SERVICE_PORT": str(first.port)}
    result[f"{prefix}_PORT"] = f"{first.protocol.lower()}://{host}:{first.port}"
    for port in ports:
        if port.name:
            result[f"{prefix}_SERVICE_PORT_{port.name.upper().replace('-', '_')}"] = str(port.port)
        base = f"{prefix}_PORT_{port.port}_{port.protocol.upper()}"
        result[base] = f"{port.protocol.lower()}://{host}:{port.port}"
        result.update({f"{base}_PROTO": port.protocol.lower(), f"{base}_PORT": str(port.port), f"{base}_ADDR": ip})
    return result


def _all_of(origin: objects.EnvFromSource, sources: Sources) -> dict[str, str]:
    result: dict[str, str] = {}
    if origin.config_map_ref is not None:
        config_map = _object(sources.config_maps, "configmap", origin.config_map_ref)
        result = dict(config_map.data) if config_map else {}
    if origin.secret_ref is not None:
        secret = _object(sources.secrets, "secret", origin.secret_ref)
        result = {key: text(value) for key, value in secret.data.items()} if secret else {}
    return {origin.prefix + key: value for key, value in result.items()}


def _value(
    pod: objects.Pod,
    container: objects.Container,
    variable: objects.EnvVar,
    place: fields.Place,
    sources: Sources,
    before: Mapping[str, str],
) -> Optional[str]:
    origin = variable.value_from
    if origin is None:
        return expand(variable.value, before)
    if origin.field_ref is not None:
        return fields.field(pod, place, origin.field_ref.field_path)
    if origin.resource_field_ref is not None:
        return fields.resource(pod.spec, container, origin.resource_field_ref, place)
    if origin.config_map_key_ref is not None:
        config_map = _object(sources.config_maps, "configmap", origin.config_map_key_ref)
        return _key(config_map.data if config_map else None, "ConfigMap", pod, origin.config_map_key_ref)
    if origin.secret_key_ref is not None:
        secret = _object(sources.secrets, "secret", origin.secret_key_ref)
        value = _key(secret.data if secret else None, "Secret", pod, origin.secret_key_ref)
        return None if value is None else text(value)
    raise ValueError(f"env {variable.name!r} has an empty valueFrom")


def _object(
    known: Mapping[str, Optional[T]], kind: str, ref: Union[objects.EnvSource, objects.KeySelector]
) -> Optional[T]:
    if known.get(ref.name) is None and not ref.optional:
        raise MissingError(f'{kind} "{ref.name}" not found')
    return known.get(ref.name)


def _key(data: Optional[Mapping[str, T]], kind: str, pod: objects.Pod, ref: objects.KeySelector) -> Optional[T]:
    if data is not None and ref.key in data:
        return data[ref.key]
    if not ref.optional:
        raise MissingError(f"couldn't find key {ref.key} in {kind} {pod.metadata.namespace}/{ref.name}")
    return None


def text(value: bytes) -> str:
    """A Secret's bytes as a variable's text; bytes that are no UTF-8 go through unharmed."""
    return value.decode(errors="surrogateescape")
