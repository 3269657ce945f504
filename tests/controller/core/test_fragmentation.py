"""Fragmentation is what the paper defines, and devices are never given out twice."""

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import engine_fleets as fleets

from suanli_controller.core import demand, devices, fleet, fragmentation, ledger, placement

GPU = "nvidia.com/gpu"
MODELS = ("A", "B")

SHAPES = st.builds(
    lambda cpu, gpu, models: fragmentation.Shape(cpu, GPU if gpu[1] else "", gpu[0], gpu[1], models),
    st.integers(0, 8).map(lambda cores: cores * 1000),
    st.sampled_from(((0, 0), (250, 1), (460, 1), (1000, 1), (1000, 2), (1000, 4))),
    st.sampled_from(((), ("A",), ("A", "B"))),
)


def by_definition(cpu: int, free: list[int], model: str, weights: dict[fragmentation.Shape, float]) -> float:
    """The mean over typical requests of the free milli that each cannot use."""
    total = 0.0
    for shape, weight in weights.items():
        able = [left for left in free if left >= shape.milli]
        fits = shape.count and shape.cpu <= cpu and len(able) >= shape.count
        fits = fits and (not shape.models or model in shape.models)
        total += weight * (sum(left for left in free if left < shape.milli) if fits else sum(free))
    return total


@given(
    st.lists(SHAPES, min_size=1, max_size=30),
    st.lists(st.sampled_from((0, 40, 250, 460, 500, 1000)), min_size=1, max_size=8),
    st.integers(0, 8),
    st.sampled_from(MODELS),
)
def test_the_tables_hold_the_definition(
    seen: list[fragmentation.Shape], free: list[int], cores: int, model: str
) -> None:
    weights = fragmentation.typical(Counter(seen))
    mix = fragmentation.Mix(weights, [(GPU, each) for each in MODELS])
    line = mix.lines(np.array([MODELS.index(model)]), np.array([cores * 1000]))[0]
    told = sum(mix.phi[line, left] for left in free) - mix.whole[line, free.count(1000)]
    assert math.isclose(told, by_definition(cores * 1000, free, model, weights), abs_tol=1e-6)


def test_typical_are_the_most_frequent_that_make_up_95_percent() -> None:
    seen = Counter({fragmentation.Shape(1): 90, fragmentation.Shape(2): 6, fragmentation.Shape(3): 4})
    assert fragmentation.typical(seen) == {
        fragmentation.Shape(1): pytest.approx(90 / 96),
        fragmentation.Shape(2): pytest.approx(6 / 96),
    }


def share(milli: int) -> demand.Variant:
    return demand.Variant(requests={"cpu": 1000}, share_milli=milli, share_resource=GPU)


@given(st.lists(st.one_of(st.sampled_from((250, 460, 700)), st.integers(-1, 3)), min_size=1, max_size=25))
def test_devices_and_shares_of_them_add_up(steps: list[int]) -> None:
    """Shares, whole devices and releases in any order: none is given twice, and all come back."""
    where = fleets.of([fleets.cloud("a")], [fleets.node("n", cpu=100, memory=500, extended={GPU: 4})])
    live: list[str] = []
    for number, step in enumerate(steps):
        if step == -1 and live:
            where.withdraw(live.pop(len(live) // 2))
            continue
        build = share(step) if step >= 250 else demand.Variant(requests={"cpu": 1000, GPU: max(step, 0)})
        ask = demand.Ask((build,), strategy=demand.Strategy.FRAGMENTATION)
        if not placement.place(where, [demand.Demand(str(number), ask)])[0].unplaced:
            live.append(str(number))
        if where.devices is not None:
            milli = where.devices.milli[0]
            assert milli.min() >= 0
            assert where.free[where.resources[GPU], 0] == (milli == devices.WHOLE).sum()
            assert where.free[where.resources[devices.share_name(GPU)], 0] == milli.max()
    for key in live:
        where.withdraw(key)
    assert where.free[where.resources[GPU], 0] == 4


def test_shares_begin_beside_whole_devices_that_are_taken_already() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n", extended={GPU: 2})])
    where.set_pod("p", "Cloud/a", "n", {"cpu": 1000, GPU: 1})
    ask = demand.Ask((share(600),), strategy=demand.Strategy.FRAGMENTATION)
    placed = [placement.place(where, [demand.Demand(str(number), ask)])[0] for number in range(2)]
    assert [each.unplaced for each in placed] == [0, 1]
    where.remove_pod("p")
    assert placement.place(where, [demand.Demand("later", ask)])[0].unplaced == 0


def test_small_requests_leave_whole_nodes_to_large_ones() -> None:
    nodes = [fleets.node(f"n{number}", cpu=96, memory=512, extended={GPU: 8}) for number in range(16)]
    where = fleets.of([fleets.cloud("a")], nodes)
    for name, count, replicas in (("small", 1, 40), ("pair", 2, 10), ("whole", 8, 7)):
        build = fleets.variant(cpu=1000 * count, extended={GPU: count})
        ask = fleets.ask(build, strategy=demand.Strategy.FRAGMENTATION)
        assert placement.place(where, [demand.Demand(name, ask, replicas)])[0].unplaced == 0


def test_a_node_that_goes_takes_along_what_was_assumed_on_it() -> None:
    where = fleets.of([fleets.cloud("a")], [fleets.node("n"), fleets.node("m")])
    decision = placement.place(where, [demand.Demand("w", fleets.ask(), 8)])[0]
    where.remove_node("Cloud/a", decision.placements[0].nodes[0][0])
    assert where.assumed.total() == 0
    again = placement.place(where, [demand.Demand("w", fleets.ask(), 8, current=decision.counts())])[0]
    assert again.counts() == decision.counts()
    assert ledger.replicas(where.assumed.places("w").get(ledger.Place(0, "default"))) == 8


def test_pods_may_be_seen_before_their_node_and_stay_when_it_goes() -> None:
    where = fleet.Fleet()
    where.upsert_target(fleets.cloud("a"))
    where.set_pod("p", "Cloud/a", "n", {"cpu": 7000})
    where.upsert_node(fleets.node("n"))
    assert placement.place(where, [demand.Demand("w", fleets.ask(), 8)])[0].unplaced == 7
    where.remove_node("Cloud/a", "n")
    where.upsert_node(fleets.node("n"))
    assert placement.place(where, [demand.Demand("v", fleets.ask(), 8)])[0].unplaced == 7
