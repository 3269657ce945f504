"""What a stretch of work has cost: processor time of processes, and requests that an API server has answered."""

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")

READS = {"GET", "LIST", "WATCH", "CONNECT"}

APART = {"leases", "events", "subjectaccessreviews", "tokenreviews"}
"""Writes that say nothing of a system's design: heartbeats, remarks and questions. They are counted apart."""

SERIES = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<value>\S+)$", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


def cpu_seconds(pids: Sequence[int]) -> float:
    """User and system time of the processes since they started."""
    return sum(_cpu_ticks(pid) for pid in pids) / TICKS


def _cpu_ticks(pid: int) -> int:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def busy_seconds() -> float:
    """Of the whole machine, all cores: what is not idle and not waiting for a disk."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    user, nice, system, _idle, _waiting, interrupts, soft = fields[:7]
    return (user + nice + system + interrupts + soft) / TICKS


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of processor time by group, since a moment; `machine` is all of it, whoever used it."""

    seconds: Mapping[str, float]

    def others(self) -> float:
        """The share of the machine's work that was not ours: high, and wall times mean little."""
        machine = self.seconds["machine"]
        return (
            1 - sum(value for key, value in self.seconds.items() if key != "machine") / machine if machine else 0.0
        )


class Meter:
    """Measures from its making on."""

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        self._groups = groups
        self._start = self._now()

    def _now(self) -> dict[str, float]:
        driver = os.times()
        seconds = {name: cpu_seconds(pids) for name, pids in self._groups.items()}
        return {**seconds, "driver": driver.user + driver.system, "machine": busy_seconds()}

    def cost(self) -> Cost:
        return Cost({name: value - self._start[name] for name, value in self._now().items()})


def writes(metrics: str) -> Counter[str]:
    """The writes that an API server has answered, by "VERB resource", from its metrics page. Refused ones count."""
    counts: Counter[str] = Counter()
    for match in SERIES.finditer(metrics):
        labels = dict(LABEL.findall(match["labels"]))
        if labels["verb"] not in READS:
            part = f"/{labels['subresource']}" if labels.get("subresource") else ""
            counts[f"{labels['verb']} {labels['resource']}{part}"] += int(float(match["value"]))
    return counts


def counted(written: Mapping[str, int]) -> int:
    """The sum without those that are kept apart."""
    return sum(count for key, count in written.items() if key.split(" ")[1].split("/")[0] not in APART)
