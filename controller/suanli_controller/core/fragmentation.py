"""Fragmentation gradient descent: put each replica where it makes the fewest accelerators useless for others.

Weng et al., "Beware of Fragmentation", USENIX ATC 2023. The fragmentation F(n) of a node is the mean, over typical
requests by their frequency, of the free device milli on n that such a request cannot use. With h(r) the free milli on
devices that have r left, it is

    F = sum of free milli - sum over requests that fit: weight * h(request)

For shares of one device the second sum is a sum over devices, and for whole devices it depends on their number alone:

    F = sum over devices: phi(free) - untouched * 1000 * weight of whole requests for at most so many

so that both are looked up by the node's kind, the requests that its free cores allow, and the free milli.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from suanli_controller.core import demand, devices, fleet

POPULAR_PERMILLE: Final = 950  # the most frequent requests that make up so much of all are typical
TOP: Final = 100  # scores are whole numbers from 0 to it, as the paper's implementation squeezes them
_STEEPNESS: Final = 1000  # milli: the paper squeezes x through 1 / (1 + exp(-x / 1000))

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Shape:
    """What a request is to fragmentation; `milli` of each of `count` devices (1000: whole ones), 0 and 0 for none."""

    cpu: int
    resource: str = ""
    milli: int = 0
    count: int = 0
    models: tuple[str, ...] = ()  # empty: any


def shape_of(variant: demand.Variant) -> Shape:
    """Of the first accelerator by name that a build asks for."""
    cpu = variant.requests.get("cpu", 0)
    if variant.share_milli:
        return Shape(cpu, variant.share_resource, variant.share_milli, 1, variant.accelerator_models)
    for name, amount in sorted(variant.requests.items()):
        if "/" in name and amount:
            return Shape(cpu, name, devices.WHOLE, amount, variant.accelerator_models)
    return Shape(cpu)


def typical(seen: Counter[Shape]) -> dict[Shape, float]:
    """The most frequent shapes that together make up 95%, with their weights, which add up to 1."""
    total, chosen, covered = sum(seen.values()), dict[Shape, int](), 0
    for shape, count in seen.most_common():
        if covered * 1000 >= POPULAR_PERMILLE * total:
            break
        chosen[shape] = count
        covered += count
    return {shape: count / covered for shape, count in chosen.items()}


class Mix:
    """Typical requests, tabulated for the kinds of nodes (resource, model) of one fleet."""

    def __init__(self, weights: dict[Shape, float], kinds: Sequence[tuple[str, str]]) -> None:
        asking = {shape: weight for shape, weight in weights.items() if shape.count}
        self.cores: Ints = np.array(sorted({shape.cpu for shape in asking}), np.int64)
        self.levels = len(self.cores) + 1
        # the last kind is that of nodes without accelerators
        self.phi: Floats = np.tile(np.arange(devices.WHOLE + 1.0), ((len(kinds) + 1) * self.levels, 1))
        self.whole: Floats = np.zeros(((len(kinds) + 1) * self.levels, devices.MOST + 1))
        for place, kind in enumerate(kinds):
            for level in range(self.levels):
                able = self.cores[level - 1] if level else -1
                usable = [(shape, weight) for shape, weight in asking.items() if _usable(shape, kind, able)]
                self._tabulate(place * self.levels + level, usable)

    def _tabulate(self, line: int, usable: Iterable[tuple[Shape, float]]) -> None:
        shares = np.zeros(devices.WHOLE + 1)
        for shape, weight in usable:
            if shape.milli < devices.WHOLE:
                shares[shape.milli] += weight
            elif shape.count <= devices.MOST:
                self.whole[line, shape.count :] += weight
        self.phi[line] *= 1 - np.cumsum(shares)
        self.whole[line] *= np.arange(devices.MOST + 1) * devices.WHOLE

    def lines(self, kinds: Ints, cpu: Ints) -> Ints:
        """Where in the tables nodes of such kinds and free cores stand."""
        return kinds * self.levels + self.cores.searchsorted(cpu, "right")


def _usable(shape: Shape, kind: tuple[str, str], cores: int) -> bool:
    return shape.cpu <= cores and shape.resource == kind[0] and (not shape.models or kind[1] in shape.models)


class Scorer:
    """Scores of one build's request on the nodes of a fleet: 0 to TOP, 50 where fragmentation stays as it is."""

    def __init__(self, where: fleet.Fleet, variant: demand.Variant, mix: Mix) -> None:
        self._where, self._mix = where, mix
        self._shape = shape_of(variant)
        resources = [where.resources.get(resource, -1) for resource, _ in _kinds(where)] + [-1]
        # a kind whose resource no node has any more counts as none, which is the last
        kinds = [kind if line >= 0 else len(resources) - 1 for kind, line in enumerate(resources)]
        self._kinds = np.array(kinds, np.int64)[where.facts["kind"].codes]
        self._resource = np.array(resources, np.int64)

    def scores(self, rows: Ints) -> Ints:
        """By row, the better the larger. Only meaningful for rows on which the request fits."""
        where, mix, shape = self._where, self._mix, self._shape
        kinds = self._kinds[rows]
        cpu = where.free[0].take(rows)
        before, after = mix.lines(kinds, cpu), mix.lines(kinds, cpu - shape.cpu)
        if where.devices is None:
            full = where.free[self._resource[kinds], rows]
            full[kinds == len(self._resource) - 1] = 0
            np.clip(full, 0, devices.MOST, out=full)
            left = np.maximum(full - self._whole_on(kinds), 0)
            drop = self._of_whole(before, full) - self._of_whole(after, left)
            return _squeezed(drop)
        milli = where.devices.milli.take(rows, 0)
        full = (milli == devices.WHOLE).sum(1)
        known = mix.phi[before[:, None], milli].sum(1) - mix.whole[before, full]
        parts = mix.phi[after[:, None], milli]
        if 0 < shape.milli < devices.WHOLE:
            return np.asarray(self._by_device(milli, known, parts, after, full).max(1))
        taken = np.minimum(self._whole_on(kinds), full)
        rest = parts.sum(1) - taken * mix.phi[after, devices.WHOLE] - mix.whole[after, full - taken]
        return _squeezed(known - rest)

    def device(self, row: int) -> int:
        """The device of a node from which a share is taken best; the first of equal ones. -1: whole ones are taken."""
        if not 0 < self._shape.milli < devices.WHOLE:
            return -1
        where, rows = self._where, np.array([row])
        assert where.devices is not None  # noqa: S101 - shares were asked for
        milli = where.devices.milli.take(rows, 0)
        kinds, cpu = self._kinds[rows], where.free[0].take(rows)
        before, after = self._mix.lines(kinds, cpu), self._mix.lines(kinds, cpu - self._shape.cpu)
        full = (milli == devices.WHOLE).sum(1)
        known = self._mix.phi[before[:, None], milli].sum(1) - self._mix.whole[before, full]
        parts = self._mix.phi[after[:, None], milli]
        return int(self._by_device(milli, known, parts, after, full)[0].argmax())

    def _by_device(self, milli: Ints, known: Floats, parts: Floats, after: Ints, full: Ints) -> Ints:
        """Scores by row and device for a share; -1 where it does not fit."""
        mix, share = self._mix, self._shape.milli
        opened = milli == devices.WHOLE
        changed = mix.phi[after[:, None], np.maximum(milli - share, 0)] - parts
        whole = mix.whole[after[:, None], full[:, None] - opened]
        drop = known[:, None] - (parts.sum(1)[:, None] + changed - whole)
        return np.where(milli >= share, _squeezed(drop), -1)

    def _whole_on(self, kinds: Ints) -> Ints:
        """Whole devices that the request takes of nodes of such kinds: none where their accelerator is another."""
        shape = self._shape
        if shape.milli < devices.WHOLE:
            return np.zeros(len(kinds), np.int64)
        index = self._where.resources[shape.resource]
        return np.where(self._resource[kinds] == index, shape.count, 0)

    def _of_whole(self, lines: Ints, full: Ints) -> Floats:
        phi: Floats = self._mix.phi[lines, devices.WHOLE]
        return full * phi - self._mix.whole[lines, full]


def _kinds(where: fleet.Fleet) -> list[tuple[str, str]]:
    return [(str(value[0]), str(value[1])) for value in where.facts["kind"].values if isinstance(value, tuple)]


def mix_of(where: fleet.Fleet, seen: Counter[Shape]) -> Mix:
    """A mix for the kinds of nodes that the fleet has now."""
    return Mix(typical(seen), _kinds(where))


def _squeezed(drop: Floats) -> Ints:
    """The fall of fragmentation, in milli of one node's devices, as a whole number from 0 to TOP."""
    return (TOP / (1 + np.exp(drop / -_STEEPNESS))).astype(np.int64)
