"""Who is given which card: no card twice, the same ones again, and as many as kube-scheduler counts."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_agent.core import devices, objects

NPU = "huawei.com/Ascend910"
POOL = devices.Pool(tuple((f"/dev/davinci{n}", f"/dev/extra{n}") for n in range(4)), ("/dev/davinci_manager",))
NAMES = [card[0] for card in POOL.cards]


def container(name: str, cards: int, **fields: Any) -> objects.Container:
    return objects.Container(
        name=name, resources=objects.ResourceRequirements(limits={NPU: str(cards), "cpu": "1"}), **fields
    )


counts = st.lists(st.integers(0, 3), max_size=4)


@given(counts, counts, counts)
def test_containers_that_run_at_once_share_no_card(init: list[int], sidecars: list[int], main: list[int]) -> None:
    """Law; and a pod's cards are the most that kube-scheduler counts at any moment of its start."""
    first = [container(f"i{n}", count) for n, count in enumerate(init)]
    beside = [container(f"s{n}", count, restart_policy="Always") for n, count in enumerate(sidecars)]
    last = [container(f"c{n}", count) for n, count in enumerate(main)]
    shares = devices.shares(objects.PodSpec(init_containers=[*first, *beside], containers=last), NPU)
    running = [card for one in [*beside, *last] for card in shares[one.name]]
    assert len(running) == len(set(running)) == sum(sidecars) + sum(main)
    total = max((share.stop for share in shares.values()), default=0)
    assert total == max([sum(sidecars) + sum(main), *init])


@given(
    st.integers(0, 4), st.lists(st.sampled_from(NAMES), unique=True), st.lists(st.sampled_from(NAMES), unique=True)
)
def test_cards_are_free_ones_or_those_of_before(count: int, before: list[str], others: list[str]) -> None:
    taken = set(others) - set(before)
    try:
        chosen = devices.given(NPU, POOL, count, before, taken)
    except devices.TooFewError:
        assert len(set(NAMES) - taken) < count
        return
    assert len(set(chosen)) == count
    assert not set(chosen) & taken
    assert list(chosen[: len(before)]) == before[:count]


def test_a_card_that_is_gone_is_replaced_and_the_others_kept() -> None:
    assert devices.given(NPU, POOL, 2, ["/dev/davinci9", NAMES[3]], set()) == (NAMES[0], NAMES[3])


def test_too_few_cards_are_said_in_numbers() -> None:
    with pytest.raises(devices.TooFewError, match=f"{NPU}: 2 wanted, 1 of the 4 cards of this box are free"):
        devices.given(NPU, POOL, 2, [], set(NAMES[:3]))


def test_a_card_comes_with_all_its_nodes_and_what_every_user_needs() -> None:
    assert POOL.nodes([NAMES[1]]) == ["/dev/davinci1", "/dev/extra1", "/dev/davinci_manager"]
    assert POOL.nodes([]) == []


def test_only_extended_resources_are_cards() -> None:
    """Not cpu, huge pages, nor what Kubernetes itself names with a domain."""
    limits: dict[str, str | int] = {"cpu": "1", "hugepages-2Mi": "4Mi", "batch.kubernetes.io/cpu": "1", NPU: "1"}
    asked = objects.Container(name="c", resources=objects.ResourceRequirements(limits=limits))
    assert devices.wanted(objects.PodSpec(containers=[asked])) == [NPU]
