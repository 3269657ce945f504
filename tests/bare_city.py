"""A city that nothing was told yet, for tests of `reconcile` that need no API server."""

import asyncio
from typing import Any

from suanli_controller.kube import errors
from suanli_controller.reconcile import city


class Hub:
    """Stands in for client.Client: nothing is asked of it."""


class Judge(Hub):
    """Asked whether it would accept an object it accepts, or refuses with an error."""

    def __init__(self, refusal: errors.KubeError | None = None) -> None:
        self.refusal = refusal
        self.asked = 0

    async def create(self, *_: Any, dry_run: bool) -> None:
        assert dry_run
        self.asked += 1
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal


def made() -> city.City:
    hub: Any = Hub()
    return city.City(hub, "hub", "suanli-system", hub)
