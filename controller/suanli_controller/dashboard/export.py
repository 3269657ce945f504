"""Tables as CSV, row by row: a fleet is never held as text."""

import asyncio
import csv
import io
from collections.abc import AsyncIterator, Iterable

from suanli_controller.core import centre
from suanli_controller.dashboard import answers, fleet
from suanli_controller.view import model

PART_ROWS = 100  # some 2 ms of work

NODE_COLUMNS = (
    "target", "name", "architecture", "family", "os", "accelerator", "isaLevel", "pageSizeKib", "ready",
    "cordoned",
    "cpuAllocatableMillicores", "cpuRequestedMillicores", "memoryAllocatableBytes", "memoryRequestedBytes",
    "acceleratorsAllocatable", "acceleratorsRequested", "osImage", "kernel", "kubelet",
)  # fmt: skip
TOTAL_COLUMNS = (
    "nodes", "readyNodes", "cpuAllocatableMillicores", "cpuRequestedMillicores", "memoryAllocatableBytes",
    "memoryRequestedBytes", "generalMilliUnits", "generalRequestedMilliUnits", "intelligentMilliUnits",
    "intelligentRequestedMilliUnits", "gigaflopsFp16", "domesticPermille",
)  # fmt: skip
WORKLOAD_COLUMNS = (
    "namespace", "name", "type", "replicas", "readyReplicas", "unplacedReplicas", "placements", "reasons",
    "algorithm",
)  # fmt: skip


async def lines(columns: Iterable[str], parts: Iterable[Iterable[Iterable[object]]]) -> AsyncIterator[str]:
    """CSV text in chunks, its header first; a byte order mark tells spreadsheets that it is UTF-8.

    `parts` are rows, a few at a time: after each the others who wait have their turn.
    """
    yield "\ufeff" + _text([columns])
    for part in parts:
        yield _text(part)
        await asyncio.sleep(0)


def _text(rows: Iterable[Iterable[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer).writerows([_safe(value) for value in row] for row in rows)
    return buffer.getvalue()


def _safe(value: object) -> object:
    """A text that a spreadsheet would run as a formula is quoted: OS images come from the boxes themselves."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def node_row(node: model.Node) -> tuple[object, ...]:
    parts = centre.class_parts(node.class_key)
    return (
        node.target,
        node.name,
        parts.architecture,
        parts.family,
        parts.os,
        parts.accelerator,
        node.isa_level,
        node.page_size_kib,
        node.ready,
        node.cordoned,
        node.allocatable.get("cpu", 0),
        node.requested.get("cpu", 0),
        node.allocatable.get("memory", 0),
        node.requested.get("memory", 0),
        fleet.accelerators(node.allocatable),
        fleet.accelerators(node.requested),
        node.os_image,
        node.kernel,
        node.kubelet,
    )


def total_row(total: answers.Total) -> tuple[object, ...]:
    return (
        *total.key.values(),
        total.nodes,
        total.ready_nodes,
        total.allocatable.get("cpu", 0),
        total.requested.get("cpu", 0),
        total.allocatable.get("memory", 0),
        total.requested.get("memory", 0),
        total.units.general_milli,
        total.requested_units.general_milli,
        total.units.intelligent_milli,
        total.requested_units.intelligent_milli,
        total.units.gigaflops_fp16,
        total.domestic_permille,
    )


def workload_row(workload: model.Workload) -> tuple[object, ...]:
    return (
        workload.namespace,
        workload.name,
        workload.type,
        workload.replicas,
        workload.ready_replicas,
        workload.unplaced_replicas,
        " ".join(f"{p.target}:{p.variant}:{p.replicas}" for p in workload.placements),
        " ".join(f"{r.reason}:{r.nodes}" for r in workload.unplaced),
        workload.algorithm,
    )
