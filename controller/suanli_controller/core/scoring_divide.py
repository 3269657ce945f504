"""How many replicas each place gets, in proportion to weights. Arithmetic only: no nodes, no fleet.

Webster's method (Sainte-Laguë): each replica in turn goes where weight / (2 x given + 1) is greatest. It nearly always
stays within one of the exact proportion, and one replica more never takes one away from another place: a workload that
is scaled up moves nothing.
"""

import heapq
from collections.abc import Sequence


def webster(replicas: int, weights: Sequence[int], room: Sequence[int], given: Sequence[int] = ()) -> list[int]:
    """Share out up to `replicas` in proportion to `weights`, at most `room` to each; what each gets.

    `given` is what each has already; it counts towards its part. Equal claims go to the first. Places with weight
    0 get nothing.
    """
    held = given or [0] * len(weights)
    got = [0] * len(weights) if any(held) else _head_start(replicas, weights, room)
    left = replicas - sum(got)
    if not left:
        return got
    claims = [
        (-(weight / (2 * (has + gets) + 1)), i)
        for i, (weight, most, has, gets) in enumerate(zip(weights, room, held, got, strict=True))
        if weight and gets < most
    ]
    heapq.heapify(claims)
    while left and claims:
        i = claims[0][1]
        got[i] += 1
        left -= 1
        if got[i] < room[i]:
            heapq.heapreplace(claims, (-(weights[i] / (2 * (held[i] + got[i]) + 1)), i))
        else:
            heapq.heappop(claims)
    return got


def _head_start(replicas: int, weights: Sequence[int], room: Sequence[int]) -> list[int]:
    """What each surely gets, so that thousands need not be counted out one by one.

    Webster's method rounds weight / d to the nearest, for the d with which all together are `replicas`. That d is at
    most total / replicas where rounding with this one, halves down, gives no more than `replicas`; otherwise, with n
    places, total / d is at least replicas - n / 2, and none gets less than weight x (replicas - n / 2) / total - 1 / 2.
    What some have no room for only lets others get more.
    """
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    twice, most = 2 * total, 2 * replicas
    got = [(most * each + total - 1) // twice for each in weights]
    if sum(got) > replicas:
        most -= len(weights) - weights.count(0)
        got = [max(0, (most * each - total) // twice) for each in weights]
    return list(map(min, got, room))


def surplus(replicas: int, weights: Sequence[int], held: Sequence[int]) -> list[int]:
    """Take `replicas` away from what is held, the ones that Webster's method would have given last first."""
    lost = [0] * len(held)
    claims = [
        (weight / (2 * has - 1), -i) for i, (weight, has) in enumerate(zip(weights, held, strict=True)) if has
    ]
    heapq.heapify(claims)
    for _ in range(min(replicas, sum(held))):
        _, negative = claims[0]
        i = -negative
        lost[i] += 1
        if lost[i] < held[i]:
            heapq.heapreplace(claims, (weights[i] / (2 * (held[i] - lost[i]) - 1), -i))
        else:
            heapq.heappop(claims)
    return lost
