"""What a cloud's storage classes have left."""

from collections.abc import Iterable

from suanli_controller.api import cloud, core_v1
from suanli_controller.core import quantity

STORAGE_CLASSES_LIMIT = 64
"""Entries in status.storage, as the CRD bounds it."""


def left(
    capacities: Iterable[core_v1.CSIStorageCapacity], volumes: Iterable[core_v1.PersistentVolume]
) -> tuple[cloud.StorageCapacity, ...]:
    """Bytes by storage class: what CSI drivers report, summed over topology segments, and volumes nobody claimed."""
    found: dict[str, int] = {}
    for each in capacities:
        if each.capacity is not None and each.storage_class_name:
            _add(found, each.storage_class_name, each.capacity)
    for volume in volumes:
        if volume.status.phase == "Available" and volume.spec.storage_class_name:
            _add(found, volume.spec.storage_class_name, volume.spec.capacity.get("storage", 0))
    return tuple(
        cloud.StorageCapacity(name, quantity.text("storage", found[name]))
        for name in sorted(found)[:STORAGE_CLASSES_LIMIT]
    )


def _add(found: dict[str, int], name: str, amount: quantity.Raw) -> None:
    found[name] = found.get(name, 0) + quantity.amount("storage", amount)
