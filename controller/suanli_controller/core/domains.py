"""In which domain of a kind each node stands: its district, its zone, the value of one of its labels.

Facts of the fleet alone, whoever asks and whatever lies there.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from suanli_controller.api import names
from suanli_controller.core import fleet

Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Domains:
    """Domains of one kind, counted through; -1: in none. By target where each target lies whole in one, else by row."""

    scope: list[int]  # by domain: within which skew is measured
    targets: list[int] | None = None
    rows: Codes | None = None


class Kinds:
    """The domains of one fleet, found once for each kind; worth nothing once facts change."""

    def __init__(self, where: fleet.Fleet) -> None:
        self._where = where
        self._places: dict[str, Domains] = {}
        self._labels: dict[str, Domains] = {}

    def of_places(self, by: str) -> Domains:
        """By node, cloud, site, district, provider, zone: all targets together."""
        if by not in self._places:
            self._places[by] = _of_places(self._where, by)
        return self._places[by]

    def of_label(self, key: str) -> Domains:
        """One for each value of a label within each target, which is its scope."""
        if key not in self._labels:
            self._labels[key] = _of_label(self._where, key)
        return self._labels[key]


def _of_places(where: fleet.Fleet, by: str) -> Domains:
    if by == "node":
        return Domains([0] * where.rows, rows=np.arange(where.rows))
    index: dict[str, int] = {}
    said = [target.value(by) for target in where.targets]
    codes = [index.setdefault(value, len(index)) if value else -1 for value in said]
    if by != "zone" or -1 not in codes:
        return Domains([0] * len(index), targets=codes)
    label = where.labels.column(names.ZONE_LABEL)
    of_label = [index.setdefault(str(value), len(index)) for value in label.values]
    by_target = np.array([*codes, -1])[where.target_of[: where.rows]]
    by_label = np.array([*of_label, -1])[label.codes[: where.rows]]
    return Domains([0] * len(index), rows=np.where(by_target >= 0, by_target, by_label))


def _of_label(where: fleet.Fleet, key: str) -> Domains:
    label = where.labels.column(key)
    mixed = where.target_of[: where.rows].astype(np.int64) * (len(label.values) + 1) + label.codes[: where.rows]
    usable = label.present(where.rows)
    values, inverse = np.unique(mixed[usable], return_inverse=True)
    codes = np.full(where.rows, -1, np.int64)
    codes[usable] = inverse
    return Domains((values // (len(label.values) + 1)).tolist(), rows=codes)
