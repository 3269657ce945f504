"""How full each node is and where its name stands, packed into one integer for the strategies to compare.

A rank is `score << 31 | smallness << 22 | name`: the larger the better, and no two nodes have the same. Equal
scores (they are told apart in millionths) go to the smaller node by cores (told apart from a sixteenth more on), then
to the lower (target, name).
"""

import bisect
from typing import Final

SCALE: Final = 1 << 20  # a score of one: nothing of the node is free
SCORE_SHIFT: Final = 31
ALL_SCORE: Final = (SCALE - 1) << SCORE_SHIFT  # the bits of the score: inverted, the emptiest node is the best
MINOR_MASK: Final = (1 << SCORE_SHIFT) - 1
SIZE_SHIFT: Final = 22
NAME_BITS: Final = 22
STEP_BITS: Final = 4  # of smallness: 16 steps from one power of two to the next
NAME_MASK: Final = (1 << NAME_BITS) - 1
RANK_BITS: Final = 52  # of a rank; what is above them is for constraints
UPPER_SHIFT: Final = RANK_BITS - 7  # where a score of at most 127 stands that goes before fullness
SCORE_BITS_GIVEN_UP: Final = RANK_BITS - UPPER_SHIFT + SIZE_SHIFT  # fullness is told less finely then
CLOSED: Final = -(1 << 62)  # a node that takes nothing
_FEW: Final = 64  # newcomers above it are sorted in at once


def smallness(cores_milli: int) -> int:
    """The larger the fewer cores: their logarithm in sixteenths of a doubling, from the top of the bits that it has."""
    length = cores_milli.bit_length()
    step = (cores_milli << STEP_BITS >> max(length - 1, 0)) & ((1 << STEP_BITS) - 1)
    return max((1 << SCORE_SHIFT - SIZE_SHIFT) - 1 - (length << STEP_BITS | step), 0)


Key = tuple[str, str]  # target, node


class NameOrder:
    """Gives each row a number that orders rows by key, with gaps so that newcomers rarely renumber the others."""

    def __init__(self) -> None:
        self.keys: list[Key] = []
        self._numbers: list[int] = []

    def remove(self, key: Key) -> None:
        at = bisect.bisect_left(self.keys, key)
        del self.keys[at], self._numbers[at]

    def take_in(self, fresh: list[Key]) -> tuple[list[tuple[Key, int]], bool]:
        """Newcomers with their numbers; all keys with theirs (and true) where there are many, or no gap is left."""
        if len(fresh) <= _FEW:
            numbers = []
            for key in fresh:
                number = self._insert(key)
                if number is None:
                    break
                numbers.append((key, number))
            else:
                return numbers, False
        known = set(self.keys)
        return self._renumber([key for key in fresh if key not in known]), True

    def _insert(self, key: Key) -> int | None:
        """The number between the neighbours'; None where there is no gap left."""
        at = bisect.bisect_left(self.keys, key)
        low = self._numbers[at - 1] if at else 0
        high = self._numbers[at] if at < len(self._numbers) else NAME_MASK
        self.keys.insert(at, key)
        self._numbers.insert(at, (low + high) // 2)
        return (low + high) // 2 if high - low > 1 else None

    def _renumber(self, added: list[Key]) -> list[tuple[Key, int]]:
        self.keys = sorted([*self.keys, *added])
        gap = NAME_MASK // (len(self.keys) + 1)
        self._numbers = [gap * (place + 1) for place in range(len(self.keys))]
        return list(zip(self.keys, self._numbers, strict=True))
