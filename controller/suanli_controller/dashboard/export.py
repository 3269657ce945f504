"""Tables as CSV, row by row: a fleet is never held as text."""

import csv
import io
from collections.abc import Iterable, Iterator

from suanli_controller.core import centre
from suanli_controller.dashboard import answers, query
from suanli_controller.view import model

_CHUNK_ROWS = 500

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


def lines(columns: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """CSV text in chunks, its header first; a byte order mark tells spreadsheets that it is UTF-8."""
    buffer = io.StringIO("\ufeff")
    buffer.seek(0, io.SEEK_END)
    writer = csv.writer(buffer)
    writer.writerow(columns)
    for number, row in enumerate(rows, 1):
        writer.writerow([_safe(value) for value in row])
        if number % _CHUNK_ROWS == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


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
        sum(query.accelerators(node.allocatable).values()),
        sum(query.accelerators(node.requested).values()),
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
