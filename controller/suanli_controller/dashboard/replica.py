"""The dashboard's copy of the leader's tables.

Filled by frames alone and read by queries; it never asks a cluster. Equal strings and resource maps are held
once: a fleet of 50,000 nodes has a few dozen shapes.
"""

import sys
from dataclasses import dataclass, field

import msgspec

from suanli_controller.view import model


@dataclass(slots=True)
class Change:
    """What one frame touched: keys by table, for nodes the targets. `everything` after a snapshot."""

    everything: bool = False
    centre: bool = False
    clouds: set[str] = field(default_factory=set)
    sites: set[str] = field(default_factory=set)
    algorithms: set[str] = field(default_factory=set)
    workloads: set[str] = field(default_factory=set)
    node_targets: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        touched = (self.clouds, self.sites, self.algorithms, self.workloads, self.node_targets)
        return self.everything or self.centre or any(touched)

    def merge(self, other: "Change") -> None:
        self.everything |= other.everything
        self.centre |= other.centre
        for name in ("clouds", "sites", "algorithms", "workloads", "node_targets"):
            getattr(self, name).update(getattr(other, name))


class GapError(Exception):
    """A delta does not follow on what is held: the stream must be taken from its snapshot again."""


class Replica:
    """The tables by key; nodes by target, then name. `heard_at` is the leader's clock in its last frame, 0
    before any.
    """

    def __init__(self) -> None:
        self.centre: model.Centre | None = None
        self.clouds: dict[str, model.Cloud] = {}
        self.sites: dict[str, model.Site] = {}
        self.nodes: dict[str, dict[str, model.Node]] = {}
        self.workloads: dict[str, model.Workload] = {}
        self.algorithms: dict[str, model.Algorithm] = {}
        self.epoch = ""
        self.sequence = 0
        self.heard_at = 0
        self.complete = False
        self.connected = False
        self.version = 0
        self._seen: dict[str, set[str]] | None = None
        self._shared: dict[object, model.Resources] = {}

    def apply(self, frame: model.Frame) -> Change:
        """Take one frame in.

        Raises GapError where a delta or beat does not follow on what is held.
        """
        match frame:
            case model.SnapshotPart():
                change = self._take_part(frame)
            case model.Delta():
                self._expect(frame.sequence - 1)
                change = self._take_rows(frame.rows)
                self._drop(frame.gone, change)
            case model.Beat():
                self._expect(frame.sequence)
                change = Change()
        self.sequence, self.heard_at = frame.sequence, frame.at
        self.version += bool(change)
        return change

    def _expect(self, sequence: int) -> None:
        if self._seen is not None or not self.complete or sequence != self.sequence:
            raise GapError(f"the stream goes on from {sequence}, held is {self.sequence}")

    def _take_part(self, part: model.SnapshotPart) -> Change:
        """In place, so that a fleet is never held twice; what the snapshot did not name goes with its last
        part.
        """
        if self._seen is None or part.epoch != self.epoch:
            self._seen = {name: set() for name in ("clouds", "sites", "nodes", "workloads", "algorithms")}
            self.centre = part.rows.centre
        self.epoch = part.epoch
        self._take_rows(part.rows)
        self._note_seen(part.rows, self._seen)
        if not part.last:
            return Change()
        self._keep_only(self._seen)
        self._seen, self.complete = None, True
        return Change(everything=True)

    def begin(self) -> None:
        """A connection starts: what was half told before it counts for nothing."""
        self._seen = None

    def _note_seen(self, rows: model.Rows, seen: dict[str, set[str]]) -> None:
        for name in ("clouds", "sites", "algorithms"):
            seen[name].update(row.name for row in getattr(rows, name))
        seen["nodes"].update(row.key for row in rows.nodes)
        seen["workloads"].update(row.key for row in rows.workloads)

    def _keep_only(self, seen: dict[str, set[str]]) -> None:
        for name in ("clouds", "sites", "workloads", "algorithms"):
            table = getattr(self, name)
            for key in [key for key in table if key not in seen[name]]:
                del table[key]
        for target, nodes in list(self.nodes.items()):
            kept = {name: node for name, node in nodes.items() if node.key in seen["nodes"]}
            self._put_nodes(target, kept)

    def _put_nodes(self, target: str, nodes: dict[str, model.Node]) -> None:
        if nodes:
            self.nodes[target] = nodes
        else:
            self.nodes.pop(target, None)

    def _take_rows(self, rows: model.Rows) -> Change:
        change = Change()
        if rows.centre is not None:
            self.centre, change.centre = rows.centre, True
        for name in ("clouds", "sites", "algorithms"):
            for row in getattr(rows, name):
                getattr(self, name)[row.name] = row
                getattr(change, name).add(row.name)
        for workload in rows.workloads:
            self.workloads[workload.key] = workload
            change.workloads.add(workload.key)
        for node in rows.nodes:
            slim = self._slim(node)
            self.nodes.setdefault(slim.target, {})[slim.name] = slim
            change.node_targets.add(slim.target)
        return change

    def _drop(self, gone: model.Gone, change: Change) -> None:
        if gone.centre:
            self.centre, change.centre = None, True
        for name in ("clouds", "sites", "workloads", "algorithms"):
            for key in getattr(gone, name):
                getattr(self, name).pop(key, None)
                getattr(change, name).add(key)
        for key in gone.nodes:
            target, _, name = key.rpartition("/")
            nodes = self.nodes.get(target, {})
            nodes.pop(name, None)
            self._put_nodes(target, nodes)
            change.node_targets.add(target)

    def _slim(self, node: model.Node) -> model.Node:
        return msgspec.structs.replace(
            node,
            target=sys.intern(node.target),
            class_key=sys.intern(node.class_key),
            isa_level=sys.intern(node.isa_level),
            os_image=sys.intern(node.os_image),
            kernel=sys.intern(node.kernel),
            kubelet=sys.intern(node.kubelet),
            allocatable=self._share(node.allocatable),
            capacity=self._share(node.capacity),
            requested=self._share(node.requested),
        )

    def _share(self, resources: model.Resources) -> model.Resources:
        if len(self._shared) > _SHAPES_HELD:
            self._shared.clear()
        return self._shared.setdefault(tuple(resources.items()), resources)


_SHAPES_HELD = 20_000  # beyond it sharing costs more than it saves; starting afresh loses only the sharing
