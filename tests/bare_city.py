"""A city that nothing was told yet, for tests of `reconcile` that need no API server."""

from typing import Any

from suanli_controller.reconcile import city


class Hub:
    """Stands in for client.Client: nothing is asked of it."""


def made() -> city.City:
    hub: Any = Hub()
    return city.City(hub, "hub", "suanli-system", hub)
