"""Kubernetes quantities as integers (k8s.io/apimachinery pkg/api/resource). Exact: Decimal, never float."""

from __future__ import annotations

import decimal
import re

from suanli_agent.core import objects

_BINARY = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40, "Pi": 2**50, "Ei": 2**60}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_FORM = re.compile(r"^([+-]?[0-9.]+)(Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE]|[eE][+-]?[0-9]+)?$")


def parse(quantity: objects.Quantity) -> decimal.Decimal:
    """The number that a quantity means. Raises ValueError naming what is no quantity."""
    found = _FORM.match(str(quantity).strip())
    if found is None:
        raise ValueError(f"{quantity!r} is no quantity such as 500m, 64Mi or 2")
    number, suffix = decimal.Decimal(found[1]), found[2] or ""
    if suffix in _BINARY:
        return number * _BINARY[suffix]
    exponent = _DECIMAL[suffix] if suffix in _DECIMAL else int(suffix[1:])
    return number.scaleb(exponent)


def rounded_up(quantity: objects.Quantity, divisor: objects.Quantity = 1) -> int:
    """Quantity / divisor, rounded up as the downward API does. Raises ValueError for a divisor of 0."""
    unit = parse(divisor)
    if not unit:
        raise ValueError(f"divisor {divisor!r} is zero")
    return int((parse(quantity) / unit).to_integral_value(rounding=decimal.ROUND_CEILING))


def milli(quantity: objects.Quantity) -> int:
    """In thousandths, rounded up: millicores for cpu."""
    return rounded_up(quantity, "1m")
