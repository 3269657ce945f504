"""Kubernetes quantities as whole numbers, and back.

Inside `core/` an amount is an int: `cpu` in millicores, everything else in its base unit (bytes, devices, pods).
The grammar is that of apimachinery's pkg/api/resource: a decimal number with a binary suffix, a decimal suffix or
a decimal exponent. Fractions of a unit round up, as in Kubernetes.
"""

import functools
import re
from collections.abc import Mapping
from typing import Final

Raw = str | int | float

MAX_AMOUNT: Final = 2**50
"""What one node has or one pod asks counts as no more: a petabyte, or a million million cores, is beyond any machine.
Whoever owns a box writes its amounts as they like, and a thousand of the largest must still add up within MAX_TOTAL.
"""
MAX_TOTAL: Final = 2**60
"""Sums over nodes and places count as no more: 64 bits, signed, hold a few of them together, and they are what the
stream, the dashboard's arrays and SQLite have."""

_BINARY: Final = {suffix: 1024**power for power, suffix in enumerate(("", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"))}
_DECIMAL: Final = {"n": -9, "u": -6, "m": -3, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_GRAMMAR: Final = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>\d*)(?:\.(?P<fraction>\d*))?"
    r"(?:(?P<binary>[KMGTPE]i)|(?P<decimal>[numkMGTPE])|[eE](?P<exponent>[+-]?\d+))?",
    re.ASCII,
)
_LONGEST: Final = 64  # characters; a longer number says nothing that a machine could have


class QuantityError(ValueError):
    """A quantity that cannot be an amount of a resource; the message names the value and what would do."""


@functools.lru_cache(maxsize=65_536)
def parse(raw: Raw, scale: int = 0) -> int:
    """The amount in units of 10**-scale, at most MAX_TOTAL: 3 for cpu (millicores), 0 for everything else.

    Raises QuantityError for what is no quantity, and for a negative one.
    """
    text = str(raw)
    match = _GRAMMAR.fullmatch(text) if len(text) <= _LONGEST else None
    digits = (match["whole"] + (match["fraction"] or "")) if match else ""
    if not match or not digits:
        raise QuantityError(f"{text[:_LONGEST]!r} is not a quantity: write for example 500m, 2, 1.5 or 4Gi")
    if match["sign"] == "-" and int(digits):
        raise QuantityError(f"{text!r} is negative: an amount is 0 or more")
    power = scale - len(match["fraction"] or "") + _power_of_ten(match)
    return _scaled(int(digits) * _BINARY[match["binary"] or ""], power)


def _power_of_ten(match: re.Match[str]) -> int:
    if match["decimal"]:
        return _DECIMAL[match["decimal"]]
    return int(match["exponent"] or 0)


def _scaled(number: int, power: int) -> int:
    """`number` x 10**power, rounded up, at most MAX_TOTAL."""
    if number == 0:
        return 0
    if power > 20:
        return MAX_TOTAL
    if power < -2 * _LONGEST:  # a trace of a unit, not worth a divisor of that many digits
        return 1
    multiplier: int = 10 ** max(power, 0)
    divisor: int = 10 ** max(-power, 0)
    return min(-(-number * multiplier // divisor), MAX_TOTAL)


def amount(resource: str, raw: Raw, most: int = MAX_AMOUNT) -> int:
    """The amount of a resource in core units, at most `most`. Raises QuantityError that names the resource."""
    try:
        return min(parse(raw, 3 if resource == "cpu" else 0), most)
    except QuantityError as error:
        raise QuantityError(f"{resource}: {error}") from error


def amounts(resources: Mapping[str, Raw], most: int = MAX_AMOUNT) -> dict[str, int]:
    """A ResourceList in core units, each at most `most`. Raises QuantityError that names the resource."""
    return {resource: amount(resource, raw, most) for resource, raw in resources.items()}


def capped(resources: Mapping[str, int], most: int = MAX_AMOUNT) -> dict[str, int]:
    """Sums in core units, each at most `most`."""
    return {resource: min(value, most) for resource, value in resources.items()}


def text(resource: str, value: int) -> str:
    """The one way in which we write an amount: `960` or `500m` for cpu, `5Ti` for bytes, plain for all else."""
    if resource == "cpu":
        return f"{value}m" if value % 1000 else str(value // 1000)
    return _bytes(value) if _in_bytes(resource) else str(value)


def texts(resources: Mapping[str, int]) -> dict[str, str]:
    """A ResourceList by name, each amount in its one way."""
    return {resource: text(resource, value) for resource, value in sorted(resources.items())}


def _in_bytes(resource: str) -> bool:
    return resource in ("memory", "storage", "ephemeral-storage") or resource.startswith("hugepages-")


def _bytes(value: int) -> str:
    """With the largest binary suffix that loses nothing."""
    suffix = next(suffix for suffix in reversed(_BINARY) if value % _BINARY[suffix] == 0)
    return f"{value // _BINARY[suffix]}{suffix}" if value else "0"
