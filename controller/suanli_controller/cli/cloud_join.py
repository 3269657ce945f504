"""How `cloud join` does it: check, make the account, fetch its token, try it, register it. Each may be repeated."""

import asyncio
import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import click
import yaml

from suanli_controller.api import cloud as api
from suanli_controller.api import names
from suanli_controller.cli import common
from suanli_controller.core import cloud_access, cloud_status
from suanli_controller.kube import client, connection, errors, kinds, kubeconfig, resources
from suanli_controller.kube.resources import Json, Resource
from suanli_controller.reconcile import claim

MANAGER = "suanli-cli"  # not the controller's: an apply by one must not take back what the other said
TOKEN_SECONDS = 30.0
"""How long the cloud's controller-manager may take to fill the token in; it takes milliseconds."""

_OWNER_ANNOTATION = "kubernetes.io/service-account.uid"

_RESOURCES: Mapping[str, Resource[Any]] = {
    "Namespace": resources.NAMESPACES,
    "ServiceAccount": resources.SERVICE_ACCOUNTS,
    "Secret": resources.SECRETS,
    "Cloud": kinds.CLOUDS,
    "ClusterRole": Resource("rbac.authorization.k8s.io/v1", "ClusterRole", "clusterroles", dict, namespaced=False),
    "ClusterRoleBinding": Resource(
        "rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "clusterrolebindings", dict, namespaced=False
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to join; `cloud` is None for the hub's own cluster, `server` is empty to take the cloud kubeconfig's."""

    name: str
    hub: connection.Connection
    cloud: connection.Connection | None
    server: str
    namespace: str
    spec: Mapping[str, Any]
    dry_run: bool


async def join(plan: Plan) -> None:
    """Do it, telling each step. Raises click.ClickException or errors.KubeError."""
    async with client.Client(plan.hub) as hub:
        clouds = await _clouds(hub, plan)
        _check_side(clouds.get(plan.name), plan)
        if plan.cloud is None:
            await _register(hub, plan, {"local": {}})
            return
        async with client.Client(plan.cloud) as cloud:
            await _check_cloud(hub, cloud, plan, clouds)
            _tell_grants(plan)
            token, authority = await _make_account(cloud, dry_run=plan.dry_run)
            content = await _kubeconfig(plan, plan.cloud, token, authority)
            if not plan.dry_run:
                await _try(content, plan)
            await _store(hub, plan, content)
            access = {"kubeconfigSecretRef": {"name": plan.name, "key": "kubeconfig"}}
            await _register(hub, plan, access)


# --- check


async def _clouds(hub: client.Client, plan: Plan) -> dict[str, api.Cloud]:
    """Those that the hub has, by name."""
    try:
        return {each.metadata.name: each for each in (await hub.list(kinds.CLOUDS)).items}
    except errors.NotFound as error:
        mend = f"run `{common.INSTALL}` against it first"
        raise click.ClickException(f"the hub {plan.hub.server} does not know the kind Cloud: {mend}") from error
    except errors.KubeError as error:
        raise click.ClickException(f"the hub: {error.reason}: {error.message}") from error


def _check_side(before: api.Cloud | None, plan: Plan) -> None:
    """Before anything is made: the hub's API server would refuse it at the end."""
    if before is not None and (before.spec.access.local is None) != (plan.cloud is not None):
        was = "a cluster of its own" if plan.cloud is None else "the hub's own nodes"
        raise click.ClickException(f"Cloud {plan.name} is {was}, and {api.SIDES}; or join under another name")


async def _check_cloud(
    hub: client.Client, cloud: client.Client, plan: Plan, clouds: Mapping[str, api.Cloud]
) -> None:
    mark = claim.Mark((await hub.get(resources.NAMESPACES, "kube-system")).metadata.uid, plan.name)
    version = await _version(cloud, plan)
    try:
        refusal = await claim.refusal(cloud, mark, lambda name: name in clouds)
    except errors.KubeError as error:
        raise click.ClickException(f"the cloud {plan.name}: {error.reason}: {error.message}") from error
    if oldest := cloud_status.too_old(version.number):
        raise click.ClickException(f"the cloud runs Kubernetes {version.git_version}; {oldest} or later is needed")
    if refusal is not None:
        raise click.ClickException(f"the cloud {plan.name}: {refusal.message}")


async def _version(cloud: client.Client, plan: Plan) -> client.Version:
    asked = f"GET {cloud.connection.server.rstrip('/')}/version"
    try:
        return await cloud.version()
    except (errors.NotFound, errors.Undecodable) as error:
        raise click.ClickException(
            f"the cloud {plan.name}: no Kubernetes API server answers {asked}: {error.reason}: {error.message}; "
            "correct `server` in its kubeconfig, which may need a path, as in https://HOST/k8s/core"
        ) from error
    except errors.KubeError as error:
        raise click.ClickException(f"the cloud {plan.name}: {error.reason}: {error.message}") from error


# --- in the cloud


def _tell_grants(plan: Plan) -> None:
    account = f"{names.SYSTEM_NAMESPACE}/{cloud_access.ACCOUNT}"
    click.echo(f"{_would(plan)}ServiceAccount {account} in {plan.name} may, in all namespaces:", err=True)
    for grant in cloud_access.GRANTS:
        what = ", ".join(f"{each}.{grant.group}" if grant.group else each for each in grant.resources)
        click.echo(f"  {what}\n      {' '.join(grant.verbs)}: {grant.why}", err=True)
    click.echo(
        "  Whoever may make pods in a namespace can use its Secrets and accounts: treat the hub as you treat "
        "this account.",
        err=True,
    )


def _would(plan: Plan) -> str:
    return "(dry run) " if plan.dry_run else ""


async def _make_account(cloud: client.Client, *, dry_run: bool) -> tuple[str, str]:
    """The account's token, and the cloud's authority as PEM; what a dry run cannot know says so."""
    for manifest in cloud_access.account():
        await _write(cloud, manifest, dry_run=dry_run)
    if dry_run:
        return "<made by the cloud>", ""
    name, namespace = cloud_access.TOKEN_SECRET, names.SYSTEM_NAMESPACE
    owner = await cloud.get(resources.SERVICE_ACCOUNTS, cloud_access.ACCOUNT, namespace)
    try:
        async with asyncio.timeout(TOKEN_SECONDS):
            while (found := await _token(cloud, owner.metadata.uid)) is None:  # noqa: ASYNC110
                await asyncio.sleep(0.2)
            return found
    except TimeoutError as error:
        raise click.ClickException(
            f"Secret {namespace}/{name} in the cloud has had no token for {TOKEN_SECONDS:.0f} s: "
            "does its kube-controller-manager run?"
        ) from error


async def _token(cloud: client.Client, owner: str) -> tuple[str, str] | None:
    """The token once it is there, and none of an earlier account of that name, whose Secret is about to go."""
    try:
        secret = await cloud.get(resources.SECRETS, cloud_access.TOKEN_SECRET, names.SYSTEM_NAMESPACE)
    except errors.NotFound:
        await _write(cloud, cloud_access.account()[-1], dry_run=False)
        return None
    if "token" not in secret.data or secret.metadata.annotations.get(_OWNER_ANNOTATION) != owner:
        return None
    return _decoded(secret.data["token"]), _decoded(secret.data.get("ca.crt", ""))


def _decoded(text: str) -> str:
    return base64.b64decode(text).decode()


async def _kubeconfig(plan: Plan, way: connection.Connection, token: str, authority: str) -> bytes:
    """The operator's own way there, with the new account in place of the operator."""
    server = plan.server or way.server
    if not server.startswith("https:"):
        raise click.ClickException(
            f"{server}: the hub sends a token there, so the server must begin with https://; name it with --server"
        )
    cluster = {
        "server": server,
        "certificate-authority-data": base64.b64encode(way.ca or authority.encode()).decode(),
        "tls-server-name": way.tls_server_name,
        "proxy-url": way.proxy,
    }
    return yaml.safe_dump(cloud_access.kubeconfig(plan.name, cluster, token), sort_keys=False).encode()


async def _try(content: bytes, plan: Plan) -> None:
    """Use the new account once, from here: a wrong server or authority is better known now."""
    try:
        async with client.Client(kubeconfig.from_secret(content)) as account:
            await _list_nodes(account, tries=20)
    except errors.Unreachable as error:
        if plan.server:  # named for the hub's network, which need not be ours
            click.echo(f"cannot try {plan.server} from here: {error.message}", err=True)
            return
        raise


async def _list_nodes(account: client.Client, tries: int) -> None:
    try:
        await account.list_bytes(resources.NODES, "", {"limit": "1"})
    except (errors.Unauthorized, errors.Forbidden):
        if tries <= 1:
            raise
        await asyncio.sleep(0.25)  # the cloud's caches follow its own writes in a moment
        await _list_nodes(account, tries - 1)


# --- on the hub


async def _store(hub: client.Client, plan: Plan, content: bytes) -> None:
    await _write(hub, cloud_access.hub_namespace(plan.namespace), dry_run=plan.dry_run)
    secret = cloud_access.kubeconfig_secret(plan.name, plan.namespace, base64.b64encode(content).decode())
    await _write(hub, secret, dry_run=plan.dry_run)


async def _register(hub: client.Client, plan: Plan, access: Json) -> None:
    """Make the Cloud, or change in it what was named, so that running it again takes nothing back."""
    spec = {"access": access, **plan.spec}
    if plan.dry_run:
        await _write(hub, cloud_access.cloud(plan.name, spec), dry_run=True)
        return
    try:
        await hub.patch(kinds.CLOUDS.metadata_only, plan.name, "", {"spec": spec})
        click.echo(f"Cloud/{plan.name} updated")
    except errors.NotFound:
        spec = {"tier": "District", **spec}
        await hub.create(kinds.CLOUDS.metadata_only, cloud_access.cloud(plan.name, spec))
        click.echo(f"Cloud/{plan.name} created")
    click.echo(f"watch it: kubectl wait --for=condition=Ready cloud/{plan.name}", err=True)


async def _write(api: client.Client, manifest: Json, *, dry_run: bool) -> None:
    meta = manifest["metadata"]
    where = f"{meta['namespace']}/" if "namespace" in meta else ""
    if dry_run:
        click.echo("---\n" + yaml.safe_dump(_without_secrets(manifest), sort_keys=False), nl=False)
        return
    await api.apply(_RESOURCES[manifest["kind"]].metadata_only, manifest, manager=MANAGER)
    click.echo(f"{manifest['kind']}/{where}{meta['name']} applied in {api.connection.server}")


def _without_secrets(manifest: Json) -> Json:
    if "data" not in manifest:
        return manifest
    return {**manifest, "data": dict.fromkeys(manifest["data"], "<kubeconfig with the account's token, base64>")}
