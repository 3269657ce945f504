"""`suanli-controller token create`: a token for joining boxes to a site, and the line to run on the box."""

import asyncio
import datetime as dt
import hashlib
import ipaddress

import click
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from suanli_controller.api import names
from suanli_controller.api import site as sites
from suanli_controller.core import conditions, enrolment
from suanli_controller.kube import client, connection, errors, kubeconfig, resources
from suanli_controller.reconcile import csr
from suanli_controller.reconcile import site as site_module


@click.group()
def token() -> None:
    """Tokens that let boxes join an EdgeSite.

    \b
    Example:
      suanli-controller token create --site north-gate
    """


@token.command()
@click.option("--site", required=True, help="EdgeSite that the token is for.")
@click.option("--node", default="", help="Only this node name may be joined, once. Default: any free name.")
@click.option(
    "--replace", is_flag=True, help="With --node: that node may come with a new key (the old one was lost)."
)
@click.option("--ttl", type=click.IntRange(60, 31_536_000), help="Seconds until it expires. Default: the site's.")
@click.option("--hub", default="", help="URL by which boxes reach the hub. Default: the kubeconfig's server.")
@click.option("--kubeconfig", "path", default="", help="Kubeconfig of the hub. Default: as kubectl.")
@click.option("--context", default="", help="Context in it. Default: the current one.")
def create(*, site: str, node: str, replace: bool, ttl: int | None, hub: str, path: str, context: str) -> None:
    """Make a token and print the line that joins a box.

    \b
    Examples:
      suanli-controller token create --site north-gate
      suanli-controller token create --site north-gate --node camera-7 --replace
    """
    if replace and not node:
        raise click.UsageError("--replace: name the node that may come with a new key, with --node")
    try:
        way = kubeconfig.hub(path, context)
        made = asyncio.run(_create(way, site, node, replace=replace, ttl=ttl))
    except errors.NotFound as error:
        raise click.ClickException(
            f"--site {site}: there is no such EdgeSite; `kubectl get sites` lists them"
        ) from error
    except errors.KubeError as error:
        raise click.ClickException(error.message) from error
    url = hub or way.server
    _warn(url)
    named = f" --node-name {node}" if node else ""  # else the box comes as its host name says: TokenForOtherNode
    click.echo(f"suanli-agent join --hub {url} --token {made} --ca-hash {ca_hash(way.ca)}{named}")


async def _create(way: connection.Connection, name: str, node: str, *, replace: bool, ttl: int | None) -> str:
    async with client.Client(way) as api:
        site = await api.get(csr.SITES, name)
        _check_open(site)
        made = (site_module.random_word(6), site_module.token_secret())
        ends = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=ttl or site.spec.join.token_ttl_seconds)
        await api.create(resources.SECRETS, enrolment.join_token(site, made, ends, node, replace=replace))
        return ".".join(made)


def _check_open(site: sites.EdgeSite) -> None:
    ready = conditions.get(site.status.conditions, names.READY)
    if ready is None:
        click.echo(
            f"EdgeSite {site.metadata.name} has no status yet: boxes can join once suanli-controller runs",
            err=True,
        )
    elif ready.status == "False":
        raise click.ClickException(f"EdgeSite {site.metadata.name}: {ready.reason}: {ready.message}")


def ca_hash(pem: bytes) -> str:
    """`sha256:HEX` of the CA's public key, as kubeadm prints it; of the last certificate of a bundle, its root."""
    if not pem:
        raise click.ClickException(
            "the kubeconfig names no CA (certificate-authority): its hash cannot be printed"
        )
    public = x509.load_pem_x509_certificates(pem)[-1].public_key()
    der = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def _warn(url: str) -> None:
    host = url.removeprefix("https://").rpartition(":")[0].strip("[]")
    try:
        loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if loopback:
        click.echo(f"{url} is this machine's own address: name one that boxes reach, with --hub", err=True)
