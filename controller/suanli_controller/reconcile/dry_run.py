"""Asks the hub's API server whether it would accept what is generated from a template: once for each template.

Templates that differ in the values of labels alone, as those of a hundred alike applications do, are one: label
values are checked in `core/rules`.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import msgspec

from suanli_controller.api import names, template, workload
from suanli_controller.core import objects
from suanli_controller.kube import client, errors
from suanli_controller.reconcile import cluster

REMEMBERED = 10_000
"""Templates that are known to be accepted; at about 200 bytes each."""


class Checks:
    """What was accepted so far, by content. A refusal is not remembered: a policy of one namespace may have made it."""

    def __init__(self, hub: client.Client, hub_uid: str) -> None:
        self._hub = hub
        self._hub_uid = hub_uid
        self._accepted: OrderedDict[str, None] = OrderedDict()
        self._asking: dict[str, asyncio.Task[str]] = {}

    def has_accepted(self, item: workload.ComputeWorkload) -> bool:
        """Whether it is known already that an API server accepts the workload's template."""
        return _digest(item) in self._accepted

    async def refusal(self, item: workload.ComputeWorkload) -> str:
        """Why an API server refuses the workload's template, naming the field; empty where it does not.

        Raises errors.KubeError where it cannot be asked.
        """
        digest = _digest(item)
        if digest in self._accepted:
            return ""
        task = self._asking.get(digest)
        if task is None:  # a hundred alike may come at once: they share one question, and its failure too
            task = self._asking[digest] = asyncio.create_task(self._ask(item, digest))
            task.add_done_callback(lambda done: self._take_in(digest, done))
        return await asyncio.shield(task)

    def _take_in(self, digest: str, asked: asyncio.Task[str]) -> None:
        del self._asking[digest]
        if asked.cancelled() or asked.exception() is not None or asked.result():
            return
        self._accepted[digest] = None
        if len(self._accepted) > REMEMBERED:
            self._accepted.popitem(last=False)

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


def _digest(item: workload.ComputeWorkload) -> str:
    spec = item.spec
    content = [spec.type, _without_label_values(spec.template), spec.variants, spec.job]
    return hashlib.sha256(msgspec.json.encode(content, order="deterministic")).hexdigest()


def _without_label_values(raw: Mapping[str, Any]) -> dict[str, Any]:
    meta = template.part(raw, "metadata")
    return {**raw, "metadata": {**meta, "labels": sorted(meta.get("labels", {}))}}
