"""Sharing out by weight: whatever speeds it up, the answer is that of counting out one by one."""

from hypothesis import example, given
from hypothesis import strategies as st

from suanli_controller.core import scoring_divide


def counted_out(replicas: int, weights: list[int], room: list[int]) -> list[int]:
    got = [0] * len(weights)
    for _ in range(replicas):
        open_ = [place for place, weight in enumerate(weights) if weight and got[place] < room[place]]
        if not open_:
            break
        got[max(open_, key=lambda place: (weights[place] / (2 * got[place] + 1), -place))] += 1
    return got


@given(
    st.integers(0, 200),
    st.lists(st.tuples(st.integers(0, 1000) | st.integers(0, 6), st.integers(0, 300)), min_size=1, max_size=12),
)
@example(100, [(946, 1000), *[(6, 1000)] * 9])  # small ones, each rounded up, take three from the large one
def test_webster_is_counting_out_one_by_one(replicas: int, places: list[tuple[int, int]]) -> None:
    weights, room = [weight for weight, _ in places], [most for _, most in places]
    assert scoring_divide.webster(replicas, weights, room) == counted_out(replicas, weights, room)
