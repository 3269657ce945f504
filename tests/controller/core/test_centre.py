"""The centre's arithmetic: units by class, totals by dimension, the domestic share."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.core import centre, quantity

TABLE = centre.UnitTable(
    {"kunpeng-920": 1000},
    {
        ("huawei.com/Ascend910", "ascend910b"): centre.Accelerator(500_000, 256_000, 512_000),
        ("huawei.com/Ascend910", ""): centre.Accelerator(300_000, 1, 1),
    },
)
ASCEND = "arm64.kunpeng-920.openeuler.ascend910b"


def test_960_cores_and_80_accelerators_are_the_contracts_own_example() -> None:
    """API.md: 960 cores x 1000 + 80 accelerators x 500000 = 40960000."""
    units = centre.units_of(TABLE, ASCEND, {"cpu": 960_000, "memory": 5, "huawei.com/Ascend910": 80})
    assert units.milli == 40_960_000
    assert (units.general_milli, units.gigaflops_fp16) == (960_000, 80 * 256_000)


def test_a_model_that_is_not_listed_counts_as_its_resource() -> None:
    units = centre.units_of(TABLE, "arm64.kunpeng-920.openeuler.ascend910a", {"huawei.com/Ascend910": 2})
    assert units.intelligent_milli == 600_000


def test_what_is_not_in_the_table_counts_nothing() -> None:
    assert centre.units_of(TABLE, "amd64.amd.debian.none", {"cpu": 64_000}) == centre.Units()


def test_an_accelerators_name_may_hold_dots() -> None:
    assert centre.class_parts("arm64.kunpeng-920.openeuler.huawei.com_Ascend910").accelerator == (
        "huawei.com_Ascend910"
    )


def test_a_class_without_four_parts_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"class 'arm64\.x': must read"):
        centre.class_parts("arm64.x")


def test_domestic_needs_both_family_and_system() -> None:
    listed = centre.DomesticList(frozenset({"kunpeng-920"}), frozenset({"openeuler"}))
    assert centre.is_domestic("arm64.kunpeng-920.openeuler.none", listed)
    assert not centre.is_domestic("arm64.kunpeng-920.ubuntu.none", listed)
    assert not centre.is_domestic("amd64.intel.openeuler.none", listed)


def test_draining_a_node_does_not_change_the_domestic_share() -> None:
    """The share is of what is installed: allocatable goes to nothing, capacity stays."""
    listed = centre.DomesticList(frozenset({"kunpeng-920"}), frozenset({"openeuler"}))
    drained = centre.Amounts(nodes=1, capacity={"cpu": 1000})
    counted = centre.with_units(drained, "arm64.kunpeng-920.openeuler.none", TABLE, listed)
    assert centre.domestic_permille(counted) == 1000


def test_nothing_installed_has_no_share() -> None:
    assert centre.domestic_permille(centre.Amounts()) == 0


_amounts = st.builds(
    centre.Amounts,
    nodes=st.integers(0, 9),
    allocatable=st.dictionaries(st.sampled_from(["cpu", "memory"]), st.integers(0, 99)),
    largest_free=st.dictionaries(st.sampled_from(["cpu", "memory"]), st.integers(0, 99)),
)
_holdings = st.lists(
    st.builds(
        centre.Holding,
        target=st.sampled_from(["Cloud/a", "Cloud/b"]),
        tier=st.sampled_from(["Municipal", "District"]),
        district=st.sampled_from(["1", "2"]),
        provider=st.just(""),
        class_key=st.sampled_from([ASCEND, "amd64.intel.ubuntu.none"]),
        amounts=_amounts,
    )
)
_dimensions = st.lists(st.sampled_from(centre.DIMENSIONS), max_size=3, unique=True)


@given(holdings=_holdings, by=_dimensions)
def test_groups_add_up_to_the_whole_whatever_they_are_grouped_by(
    holdings: list[centre.Holding], by: list[str]
) -> None:
    groups = centre.group(holdings, by)
    whole = centre.group(holdings, ()).get((), centre.Amounts())
    assert sum(amounts.nodes for amounts in groups.values()) == whole.nodes
    for resource in ("cpu", "memory"):
        parts = [amounts.allocatable.get(resource, 0) for amounts in groups.values()]
        assert sum(parts) == whole.allocatable.get(resource, 0)


@given(holdings=_holdings, by=_dimensions)
def test_order_of_holdings_does_not_matter(holdings: list[centre.Holding], by: list[str]) -> None:
    assert centre.group(holdings, by) == centre.group(holdings[::-1], by)


@given(left=_amounts, right=_amounts)
def test_the_largest_free_of_two_is_the_larger_and_not_the_sum(
    left: centre.Amounts, right: centre.Amounts
) -> None:
    both = centre.total([left, right])
    for resource in both.largest_free:
        assert both.largest_free[resource] == max(
            left.largest_free.get(resource, 0), right.largest_free.get(resource, 0)
        )


def test_absurd_amounts_stay_within_64_bits_in_units_and_totals() -> None:
    """A hostile box's word is counted, and still fits the stream, the dashboard's arrays and SQLite."""
    absurd = {"cpu": quantity.MAX_AMOUNT, "huawei.com/Ascend910": quantity.MAX_AMOUNT}
    listed = centre.DomesticList(frozenset({"kunpeng-920"}), frozenset({"openeuler"}))
    one = centre.with_units(centre.Amounts(capacity=absurd, requested=absurd), ASCEND, TABLE, listed)
    assert one.capacity_units == centre.Units(*[quantity.MAX_AMOUNT] * 4)
    whole = centre.total([one] * 5000)
    assert whole.requested == dict.fromkeys(absurd, quantity.MAX_TOTAL)
    assert (whole.capacity_units.milli, whole.domestic_milli) == (2 * quantity.MAX_TOTAL, quantity.MAX_TOTAL)
