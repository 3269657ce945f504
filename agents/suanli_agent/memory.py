"""Giving memory back to the box: after many pods at once half of what the heap holds is free, and stays with us."""

from __future__ import annotations

import gc
import os
from pathlib import Path

WORTH_BYTES = 1 << 20


def resident() -> int:
    """What this process has in memory, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def trim() -> None:
    """Collect garbage, and hand the heap's free pages to the kernel (glibc's malloc_trim(3)).

    Without effect where the C library has no such call (musl), or a hardened unit forbids what `ctypes` needs.
    """
    gc.collect()
    try:
        import ctypes  # noqa: PLC0415 - half a MiB, which only a box that had a burst pays

        ctypes.CDLL(None).malloc_trim(0)
    except (ImportError, OSError, AttributeError, MemoryError):
        return


class Thrift:
    """Trims when there is something to be had: it costs some 30 ms of a core."""

    def __init__(self) -> None:
        self._least = resident()

    def look(self) -> bool:
        """Trim where the process has grown by WORTH_BYTES since it was smallest; whether it did."""
        if resident() < self._least + WORTH_BYTES:
            self._least = min(self._least, resident())
            return False
        trim()
        self._least = resident()
        return True
