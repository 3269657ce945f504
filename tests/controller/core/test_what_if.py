"""What a plan says is left, for fleets that claim what they like."""

from tests import engine_fleets as fleets

from suanli_controller.core import quantity, what_if


def test_sums_over_thousands_of_nodes_that_claim_the_most_stay_within_the_largest_total() -> None:
    most = quantity.MAX_AMOUNT
    where = fleets.of(
        [fleets.cloud("a")],
        [fleets.node(f"n{number}", memory=most // fleets.GIB, extended={"npu/x": most}) for number in range(8200)],
    )
    where.settle()
    (found,) = what_if.free_by_class(where, None)
    for amounts in (found.free, found.allocatable):
        assert quantity.amount("memory", amounts["memory"], quantity.MAX_TOTAL) == quantity.MAX_TOTAL
        assert amounts["npu/x"] == str(quantity.MAX_TOTAL)
    assert quantity.amount("memory", found.largest_free["memory"]) == most
