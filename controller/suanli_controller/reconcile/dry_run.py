"""Asks the hub's API server whether it would accept what is generated from a template: once for each template.

Templates that differ in the values of labels alone, as those of a hundred alike applications do, are one: label
values are checked in `core/rules`.
"""

import asyncio
import hashlib
import weakref
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from suanli_controller.api import names, workload
from suanli_controller.core import objects
from suanli_controller.kube import client, errors
from suanli_controller.reconcile import cluster

REMEMBERED = 10_000
"""Templates whose answer is kept; at about 200 bytes each."""


class Checks:
    """The answers so far, by content."""

    def __init__(self, hub: client.Client, hub_uid: str) -> None:
        self._hub = hub
        self._hub_uid = hub_uid
        self._answers: OrderedDict[str, str] = OrderedDict()
        self._asking: weakref.WeakValueDictionary[str, asyncio.Lock] = weakref.WeakValueDictionary()

    async def refusal(self, item: workload.ComputeWorkload) -> str:
        """Why an API server refuses the workload's template, naming the field; empty where it does not.

        Raises errors.KubeError where it cannot be asked.
        """
        spec = item.spec
        content = [spec.type, _without_label_values(spec.template), spec.variants, spec.job]
        digest = hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()
        async with self._asking.setdefault(digest, asyncio.Lock()):  # a hundred alike may come at once
            if digest not in self._answers:
                self._answers[digest] = await self._ask(item, digest)
                if len(self._answers) > REMEMBERED:
                    self._answers.popitem(last=False)
            return self._answers[digest]

    async def _ask(self, item: workload.ComputeWorkload, digest: str) -> str:
        for build in [each.name for each in item.spec.variants] or [names.DEFAULT_VARIANT]:
            share = objects.Share(names.target(names.CLOUD_KIND, "any"), build, 1)
            manifest = objects.generate(item, share, objects.Placed(self._hub_uid))
            manifest["metadata"]["name"] = f"suanli-dry-run-{digest[:16]}"  # the real one may be here already
            try:
                await self._hub.create(cluster.OWNED[item.spec.type].metadata_only, manifest, dry_run=True)
            except (errors.Invalid, errors.BadRequest) as error:
                return f"variant {build}: {error.message}"
            except errors.Forbidden:
                continue  # a quota or a policy of the hub's own pods: the target judges by its own
        return ""


def _without_label_values(template: Mapping[str, Any]) -> dict[str, Any]:
    meta = template.get("metadata", {})
    return {**template, "metadata": {**meta, "labels": sorted(meta.get("labels", {}))}}
