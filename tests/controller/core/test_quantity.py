"""Quantities: the grammar of Kubernetes, whole numbers inside, one way of writing."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.core import quantity

RESOURCES = ("cpu", "memory", "ephemeral-storage", "hugepages-2Mi", "pods", "huawei.com/Ascend910")


@pytest.mark.parametrize(
    ("resource", "raw", "expected"),
    [
        ("cpu", "960", 960_000),
        ("cpu", "500m", 500),
        ("cpu", "0.5", 500),
        ("cpu", ".5", 500),
        ("cpu", "2.", 2000),
        ("cpu", 2, 2000),
        ("cpu", 0.1, 100),
        ("cpu", "1e-1", 100),
        ("cpu", "1u", 1),  # a trace counts as a whole unit, as in Kubernetes
        ("cpu", "1k", 1_000_000),
        ("memory", "5Ti", 5 * 1024**4),
        ("memory", "1.5Gi", 1536 * 1024**2),
        ("memory", "128974848", 128974848),
        ("memory", "129e6", 129_000_000),
        ("memory", "129M", 129_000_000),
        ("memory", "1P", 10**15),
        ("memory", "1E3", 1000),
        ("memory", "100m", 1),
        ("memory", "+1Ki", 1024),
        ("memory", "-0", 0),
        ("pods", "110", 110),
        ("huawei.com/Ascend910", "8", 8),
    ],
)
def test_reads_what_kubernetes_reads(resource: str, raw: quantity.Raw, expected: int) -> None:
    assert quantity.amount(resource, raw) == expected


@pytest.mark.parametrize(
    "raw", ["", " 1", "1 ", "1i", "1kb", "Gi", ".", "1..2", "1e", "0x10", "1_000", "١", "NaN", "1Gi1", "1" * 65]
)
def test_refuses_what_is_no_quantity_and_names_it(raw: str) -> None:
    with pytest.raises(quantity.QuantityError, match=r"memory: .* is not a quantity"):
        quantity.amount("memory", raw)


def test_refuses_a_negative_amount() -> None:
    with pytest.raises(quantity.QuantityError, match="cpu: '-2' is negative"):
        quantity.amount("cpu", "-2")


@pytest.mark.parametrize("raw", ["1e999999999", "9" * 60, "99999999999999Ei", "1E"])
def test_an_absurd_amount_counts_as_the_largest(raw: str) -> None:
    assert quantity.amount("memory", raw) == quantity.MAX_AMOUNT


def test_a_trace_with_an_absurd_exponent_is_one_unit() -> None:
    assert quantity.amount("memory", "1e-999999999") == 1


@pytest.mark.parametrize(
    ("resource", "value", "expected"),
    [
        ("cpu", 960_000, "960"),
        ("cpu", 1500, "1500m"),
        ("cpu", 0, "0"),
        ("memory", 5 * 1024**4, "5Ti"),
        ("memory", 1536 * 1024**2, "1536Mi"),
        ("memory", 1000, "1000"),
        ("memory", 0, "0"),
        ("ephemeral-storage", 20 * 1024**4, "20Ti"),
        ("hugepages-2Mi", 2 * 1024**2, "2Mi"),
        ("pods", 1024, "1024"),
        ("huawei.com/Ascend910", 80, "80"),
    ],
)
def test_writes_one_way(resource: str, value: int, expected: str) -> None:
    assert quantity.text(resource, value) == expected


@given(st.sampled_from(RESOURCES), st.integers(0, quantity.MAX_AMOUNT))
def test_what_is_written_reads_back(resource: str, value: int) -> None:
    """No amount is lost between core and status, so an unchanged amount is never written again."""
    assert quantity.amount(resource, quantity.text(resource, value)) == value


@given(
    st.integers(0, 10**12),
    st.integers(0, 10**9),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "Ki", "Mi", "Gi"]),
)
def test_rounds_up_and_never_down(whole: int, billionths: int, suffix: str) -> None:
    """The amount is the smallest whole number that is not below the exact value."""
    factor = {"n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1)}
    factor |= {"k": Fraction(10**3), "M": Fraction(10**6), "G": Fraction(10**9)}
    factor |= {"Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30)}
    exact = (whole + Fraction(billionths % 10**9, 10**9)) * factor[suffix]
    amount = quantity.amount("memory", f"{whole}.{billionths % 10**9:09d}{suffix}")
    assert amount == min(-(-exact.numerator // exact.denominator), quantity.MAX_AMOUNT)


@given(st.dictionaries(st.sampled_from(RESOURCES), st.integers(0, 2**50)))
def test_order_does_not_show_in_what_is_written(resources: dict[str, int]) -> None:
    backwards = dict(reversed(resources.items()))
    assert list(quantity.texts(resources).items()) == list(quantity.texts(backwards).items())


def test_one_machine_has_at_most_a_petabyte_and_a_city_more() -> None:
    assert quantity.amounts({"huawei.com/Ascend910": "1Ei"}) == {"huawei.com/Ascend910": quantity.MAX_AMOUNT}
    assert quantity.amounts({"memory": "50Pi"}, quantity.MAX_TOTAL) == {"memory": 50 * 2**50}
    assert quantity.capped({"cpu": 2**80, "pods": 3}) == {"cpu": quantity.MAX_AMOUNT, "pods": 3}
