"""What is remembered of a cloud ends with its Cloud."""

from typing import Any

from suanli_controller.api import cloud, meta, names
from suanli_controller.core import fleet
from suanli_controller.kube import informer, kinds, resources
from suanli_controller.reconcile import city
from suanli_controller.reconcile import cloud as clouds


class Hub:
    """Stands in for client.Client: gives back what it is sent."""

    async def patch(self, _resource: Any, _name: str, _namespace: str, change: Any) -> Any:
        return change


async def test_a_cloud_that_is_made_anew_under_its_name_takes_its_mark_anew() -> None:
    """It may come before the former is heard to be gone; its cluster bears no mark, and may be another hub's by now."""
    hub: Any = Hub()
    here = city.City(hub, "hub", "suanli-system", hub)
    items = informer.Informer(hub, kinds.CLOUDS)
    made = clouds.Clouds(here, items, informer.Informer(hub, resources.SECRETS.metadata_only))
    here.set_target(fleet.Target("Cloud/c"), "Cloud/c")
    head = meta.ObjectMeta(name="c", resource_version="1", finalizers=[names.CLOUD_FINALIZER])
    access = cloud.CloudAccess(kubeconfig_secret_ref=cloud.SecretKeyRef(name="c"))
    item = cloud.Cloud(metadata=head, spec=cloud.CloudSpec(access=access, tier="District"))
    made._claimed.add("c")
    await made._release(item, None)
    assert made._claimed == set()
