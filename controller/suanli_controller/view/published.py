"""Tells subscribers, through a ConfigMap of the hub, where the leader's stream is and which certificate it
shows.
"""

from suanli_controller.kube import client, resources

NAME = "suanli-view"
URL_KEY = "url"
CERTIFICATE_KEY = "certificate"


async def publish(hub: client.Client, namespace: str, url: str, certificate: bytes) -> None:
    """Write it; the newest leader's word stands.

    Raises errors.KubeError.
    """
    body = {
        "metadata": {"name": NAME, "namespace": namespace},
        "data": {URL_KEY: url, CERTIFICATE_KEY: certificate.decode("ascii")},
    }
    await hub.apply(resources.CONFIG_MAPS, body)
