"""The dashboard's copy of the leader's tables.

Filled by frames alone and read by queries; it never asks a cluster.
"""

from dataclasses import dataclass, field

from suanli_controller.core import centre
from suanli_controller.dashboard import fleet
from suanli_controller.view import model, rows


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

    @property
    def places(self) -> bool:
        """Whether totals may differ."""
        return self.everything or bool(self.clouds or self.sites)

    def merge(self, other: "Change") -> None:
        self.everything |= other.everything
        self.centre |= other.centre
        for name in ("clouds", "sites", "algorithms", "workloads", "node_targets"):
            getattr(self, name).update(getattr(other, name))


class GapError(Exception):
    """A delta does not follow on what is held: the stream must be taken from its snapshot again."""


class Replica:
    """The tables by key, nodes as columns. `heard_at` is the leader's clock in its last frame, 0
    before any.
    """

    def __init__(self) -> None:
        self.centre: model.Centre | None = None
        self.clouds: dict[str, model.Cloud] = {}
        self.sites: dict[str, model.Site] = {}
        self.nodes = fleet.Fleet()
        self.holdings: dict[str, tuple[centre.Holding, ...]] = {}  # of each place: what all totals are made of
        self.workloads: dict[str, model.Workload] = {}
        self.algorithms: dict[str, model.Algorithm] = {}
        self.epoch = ""
        self.sequence = 0
        self.heard_at = 0
        self.complete = False
        self.connected = False
        self.version = 0
        self._seen: dict[str, set[str]] | None = None

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
            self._seen = {name: set() for name in ("clouds", "sites", "workloads", "algorithms")}
            self.nodes.begin_round()
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

    def _note_seen(self, told: model.Rows, seen: dict[str, set[str]]) -> None:
        for name in ("clouds", "sites", "algorithms"):
            seen[name].update(row.name for row in getattr(told, name))
        seen["workloads"].update(row.key for row in told.workloads)

    def _keep_only(self, seen: dict[str, set[str]]) -> None:
        for name in ("clouds", "sites", "workloads", "algorithms"):
            table = getattr(self, name)
            for key in [key for key in table if key not in seen[name]]:
                self._forget(name, key)
        self.nodes.keep_round()

    def _take_rows(self, told: model.Rows) -> Change:
        change = Change()
        if told.centre is not None:
            self.centre, change.centre = told.centre, True
        for name in ("clouds", "sites", "algorithms"):
            for row in getattr(told, name):
                getattr(self, name)[row.name] = row
                getattr(change, name).add(row.name)
        places: list[model.Cloud | model.Site] = [*told.clouds, *told.sites]
        for place in places:
            self.holdings[place.target] = tuple(rows.holdings((place,)))
        for workload in told.workloads:
            self.workloads[workload.key] = workload
            change.workloads.add(workload.key)
        for node in told.nodes:
            self.nodes.put(node)
            change.node_targets.add(node.target)
        return change

    def _forget(self, table: str, key: str) -> None:
        row = getattr(self, table).pop(key, None)
        if isinstance(row, model.Cloud | model.Site):
            self.holdings.pop(row.target, None)

    def _drop(self, gone: model.Gone, change: Change) -> None:
        if gone.centre:
            self.centre, change.centre = None, True
        for name in ("clouds", "sites", "workloads", "algorithms"):
            for key in getattr(gone, name):
                self._forget(name, key)
                getattr(change, name).add(key)
        for key in gone.nodes:
            target, _, name = key.rpartition("/")
            self.nodes.drop(target, name)
            change.node_targets.add(target)
