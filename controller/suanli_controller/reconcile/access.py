"""The way to a cloud's API, from the Secret on the hub that its spec names. Reads, and connects to nothing."""

import base64
import binascii

from suanli_controller.api import cloud
from suanli_controller.kube import client, connection, errors, kubeconfig, resources


async def way_to(hub: client.Client, reference: cloud.SecretKeyRef, namespace: str) -> connection.Connection:
    """Raises errors.InvalidKubeconfig, which names the field, and errors.NotFound where there is no such Secret."""
    secret = await hub.get(resources.SECRETS, reference.name, namespace)
    if reference.key not in secret.data:
        raise errors.InvalidKubeconfig(f"data.{reference.key}", "is missing")
    try:
        content = base64.b64decode(secret.data[reference.key], validate=True)
    except (binascii.Error, ValueError) as error:
        raise errors.InvalidKubeconfig(f"data.{reference.key}", "is not base64") from error
    return kubeconfig.from_secret(content)
