"""The files of configMap, secret, downwardAPI and projected volumes: path -> content and mode.

Nothing is written here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Optional, Union

from suanli_agent.core import env, fields, objects


@dataclasses.dataclass(frozen=True)
class File:
    """One file of a volume."""

    content: bytes
    mode: int


@dataclasses.dataclass(frozen=True)
class TokenWish:
    """A service-account token that a volume needs; the key of Inputs.tokens."""

    audience: str
    expiration_seconds: int


@dataclasses.dataclass(frozen=True)
class Inputs:
    """Everything that files are made from."""

    pod: objects.Pod
    place: fields.Place
    sources: env.Sources
    tokens: Mapping[TokenWish, str]


Source = Union[objects.ObjectProjection, objects.ConfigMapVolumeSource, objects.SecretVolumeSource]


def projected(volume: objects.Volume) -> Optional[objects.ProjectedVolumeSource]:
    """Any of the four kinds as the projected volume that means the same; None for another kind."""
    if volume.projected is not None:
        return volume.projected
    if volume.config_map is not None:
        source = volume.config_map
        part = objects.VolumeProjection(config_map=_projection(source.name, source))
        return objects.ProjectedVolumeSource(sources=[part], default_mode=source.default_mode)
    if volume.secret is not None:
        wanted = volume.secret
        part = objects.VolumeProjection(secret=_projection(wanted.secret_name, wanted))
        return objects.ProjectedVolumeSource(sources=[part], default_mode=wanted.default_mode)
    if volume.downward_api is not None:
        part = objects.VolumeProjection(
            downward_api=objects.DownwardAPIProjection(items=volume.downward_api.items)
        )
        return objects.ProjectedVolumeSource(sources=[part], default_mode=volume.downward_api.default_mode)
    return None


def _projection(
    name: str, source: Union[objects.ConfigMapVolumeSource, objects.SecretVolumeSource]
) -> objects.ObjectProjection:
    return objects.ObjectProjection(name=name, items=source.items, optional=source.optional)


def token_wishes(volumes: Iterable[objects.Volume]) -> list[TokenWish]:
    """Every token that these volumes need, each once."""
    parts = [part for volume in volumes for part in (projected(volume) or objects.ProjectedVolumeSource()).sources]
    tokens = [part.service_account_token for part in parts if part.service_account_token is not None]
    return list(dict.fromkeys(TokenWish(token.audience, token.expiration_seconds) for token in tokens))


def files(volume: objects.ProjectedVolumeSource, given: Inputs) -> dict[str, File]:
    """Relative path -> File; a later source wins.

    With an fsGroup a token is readable by the group (0640) as kubelet has it; without one by its user alone when
    all containers run as the same user, else by everyone. Raises env.MissingError for what is not there,
    ValueError for a reference or a path that means nothing.
    """
    found: dict[str, File] = {}
    for part in volume.sources:
        found.update(_part(part, volume.default_mode, given))
    for path in found:
        check_path(path)
    return found


def check_path(path: str) -> None:
    """Raises ValueError for a path that would lead out of the volume."""
    if path.startswith("/") or not path or ".." in path.split("/"):
        raise ValueError(f"path {path!r} must be relative and without '..'")


def _part(part: objects.VolumeProjection, mode: int, given: Inputs) -> dict[str, File]:
    if part.config_map is not None:
        config_map = given.sources.config_maps.get(part.config_map.name)
        data = None if config_map is None else {**_encoded(config_map.data), **config_map.binary_data}
        return _keys("configmap", data, part.config_map, mode)
    if part.secret is not None:
        secret = given.sources.secrets.get(part.secret.name)
        return _keys("secret", None if secret is None else secret.data, part.secret, mode)
    if part.downward_api is not None:
        return {item.path: _downward(item, mode, given) for item in part.downward_api.items}
    if part.service_account_token is not None:
        wanted = part.service_account_token
        token = given.tokens[TokenWish(wanted.audience, wanted.expiration_seconds)]
        return {wanted.path: File(token.encode(), _token_mode(given.pod.spec))}
    return {}


def _encoded(data: Mapping[str, str]) -> dict[str, bytes]:
    return {key: value.encode() for key, value in data.items()}


def _keys(
    kind: str, data: Optional[Mapping[str, bytes]], ref: objects.ObjectProjection, mode: int
) -> dict[str, File]:
    if data is None:
        if ref.optional:
            return {}
        raise env.MissingError(f'{kind} "{ref.name}" not found')
    if not ref.items:
        return {key: File(value, mode) for key, value in data.items()}
    return dict(_chosen(kind, data, ref, mode))


def _chosen(
    kind: str, data: Mapping[str, bytes], ref: objects.ObjectProjection, mode: int
) -> Iterable[tuple[str, File]]:
    for item in ref.items:
        if item.key in data:
            yield item.path, File(data[item.key], mode if item.mode is None else item.mode)
        elif not ref.optional:
            raise env.MissingError(
                f"{kind} references non-existent {kind} key: {item.key} (in {kind} {ref.name!r})"
            )


def _downward(item: objects.DownwardAPIVolumeFile, mode: int, given: Inputs) -> File:
    if item.field_ref is not None:
        value = fields.field(given.pod, given.place, item.field_ref.field_path)
    elif item.resource_field_ref is not None:
        value = fields.resource(given.pod.spec, objects.Container(), item.resource_field_ref, given.place)
    else:
        raise ValueError(f"downwardAPI item {item.path!r} has neither fieldRef nor resourceFieldRef")
    return File(value.encode(), mode if item.mode is None else item.mode)


def _token_mode(spec: objects.PodSpec) -> int:
    if spec.security_context.fs_group is not None:
        return 0o640
    return 0o644 if shared_user(spec) is None else 0o600


def shared_user(spec: objects.PodSpec) -> Optional[int]:
    """The user that every container of the pod runs as by its spec, None when they differ or none is given."""
    users = {_user(spec, container) for container in [*spec.init_containers, *spec.containers]}
    return users.pop() if len(users) == 1 else None


def _user(spec: objects.PodSpec, container: objects.Container) -> Optional[int]:
    own = container.security_context
    return own.run_as_user if own and own.run_as_user is not None else spec.security_context.run_as_user


@dataclasses.dataclass(frozen=True)
class Names:
    """The ConfigMaps and Secrets that a pod names, each once and sorted."""

    config_maps: Sequence[str]
    secrets: Sequence[str]


def names(spec: objects.PodSpec) -> Names:
    """Everything that must be asked for before the pod can start, optional ones too; image pull secrets as
    well.
    """
    return _named(_references(spec))


def required(spec: objects.PodSpec) -> Names:
    """What the pod cannot start without: neither what is optional everywhere nor image pull secrets."""
    return _named(reference for reference in _references(spec) if not reference.optional)


@dataclasses.dataclass(frozen=True)
class _Reference:
    kind: str
    name: str
    optional: bool


_Ref = Union[objects.ObjectProjection, objects.EnvSource, objects.KeySelector, None]


def _references(spec: objects.PodSpec) -> Iterable[_Reference]:
    for secret in spec.image_pull_secrets:
        yield _Reference("Secret", secret.name, optional=True)
    for kind, ref in _refs(spec):
        if ref is not None and ref.name:
            yield _Reference(kind, ref.name, ref.optional)


def _refs(spec: objects.PodSpec) -> Iterable[tuple[str, _Ref]]:
    for volume in spec.volumes:
        for part in (projected(volume) or objects.ProjectedVolumeSource()).sources:
            yield from (("ConfigMap", part.config_map), ("Secret", part.secret))
    for container in [*spec.init_containers, *spec.containers, *spec.ephemeral_containers]:
        for origin in container.env_from:
            yield from (("ConfigMap", origin.config_map_ref), ("Secret", origin.secret_ref))
        for source in (variable.value_from for variable in container.env if variable.value_from):
            yield from (("ConfigMap", source.config_map_key_ref), ("Secret", source.secret_key_ref))


def _named(references: Iterable[_Reference]) -> Names:
    found = {(reference.kind, reference.name) for reference in references if reference.name}
    config_maps, secrets = (sorted(name for kind, name in found if kind == wanted) for wanted in _KINDS)
    return Names(config_maps, secrets)


_KINDS = ("ConfigMap", "Secret")
