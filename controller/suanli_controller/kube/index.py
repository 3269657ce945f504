"""Finds objects of a cache by something other than their key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Generic, TypeVar

from suanli_controller.kube import resources
from suanli_controller.kube.resources import KubeObject

T = TypeVar("T", bound=KubeObject)


class Index(Generic[T]):
    """Objects under the words that `words` gives for them; kept right by `update`, a handler of the cache."""

    def __init__(self, words: Callable[[T], Iterable[str]]) -> None:
        self._words = words
        self._found: dict[str, dict[str, T]] = {}

    def __getitem__(self, word: str) -> Mapping[str, T]:
        """The objects under `word` by key; empty where there are none."""
        return self._found.get(word, {})

    def update(self, old: T | None, new: T | None) -> None:
        """Take in one change."""
        kept = frozenset(self._words(new)) if new is not None else frozenset[str]()
        if old is not None:
            self._remove(resources.key_of(old), frozenset(self._words(old)) - kept)
        if new is not None:
            key = resources.key_of(new)
            for word in kept:
                self._found.setdefault(word, {})[key] = new

    def _remove(self, key: str, words: Iterable[str]) -> None:
        for word in words:
            under = self._found[word]
            del under[key]
            if not under:
                del self._found[word]
