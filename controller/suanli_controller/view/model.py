"""The rows of the stream and the frames that carry them.

One definition for both ends and for the dashboard's API. Resources are whole numbers by Kubernetes name, `cpu` in
millicores and everything else in its base unit; times are Unix seconds; names are those of the kinds.
"""

from collections.abc import Iterator

import msgspec

PATH = "/view/v1/stream"  # where the leader serves it
Resources = dict[str, int]


class Row(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False, omit_defaults=False):
    """One thing the leader knows. Rows are values: a change makes another row."""


class Names(Row, frozen=True):
    """A name in both languages of the centre."""

    zh: str = ""
    en: str = ""


class Position(Row, frozen=True):
    """Degrees east and north, times a million."""

    east_e6: int
    north_e6: int


class District(Row, frozen=True):
    code: str
    display_name: Names = Names()
    position: Position | None = None


class FamilyUnits(Row, frozen=True):
    """What a core of one CPU family counts, in compute units times a thousand."""

    family: str
    milli_units_per_core: int
    source: str = ""


class AcceleratorUnits(Row, frozen=True):
    """What one accelerator counts; an empty model stands for every model of the resource."""

    resource: str
    model: str = ""
    milli_units: int = 0
    gigaflops_fp16: int = 0
    gigaops_int8: int = 0
    source: str = ""


class Domestic(Row, frozen=True):
    """The CPU families and operating systems that count as domestic."""

    families: tuple[str, ...] = ()
    oses: tuple[str, ...] = ()


class Centre(Row, frozen=True):
    """The ComputeCentre: names, districts and the table of compute units."""

    display_name: Names = Names()
    districts: tuple[District, ...] = ()
    table_version: str = ""
    families: tuple[FamilyUnits, ...] = ()
    accelerators: tuple[AcceleratorUnits, ...] = ()
    domestic: Domestic = Domestic()


class Units(Row, frozen=True):
    """Compute units times a thousand: of cores (general) and of accelerators (intelligent), and their peak
    rates.
    """

    general_milli: int = 0
    intelligent_milli: int = 0
    gigaflops_fp16: int = 0
    gigaops_int8: int = 0


class Capacity(Row, frozen=True):
    """One hardware class in one place; `key` is architecture.family.os.accelerator.

    `allocatable`, `units` and `largest_free` are of ready, schedulable nodes; `capacity`, `capacity_units`,
    `requested` and `requested_units` of all.
    """

    key: str
    nodes: int = 0
    ready_nodes: int = 0
    allocatable: Resources = {}
    capacity: Resources = {}
    requested: Resources = {}
    largest_free: Resources = {}
    units: Units = Units()
    capacity_units: Units = Units()
    requested_units: Units = Units()
    domestic: bool = False


class Condition(Row, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: int = 0


class Cloud(Row, frozen=True):
    name: str
    tier: str
    district: str = ""
    provider: str = ""
    zone: str = ""
    clearance: str = ""
    cordoned: bool = False
    local: bool = False
    ready: Condition | None = None
    version: str = ""
    nodes: int = 0
    ready_nodes: int = 0
    classes: tuple[Capacity, ...] = ()
    rtt_microseconds: int | None = None
    credential_expires: int | None = None
    created: int = 0

    @property
    def target(self) -> str:
        return f"Cloud/{self.name}"


class Site(Row, frozen=True):
    """An EdgeSite; its tier is Edge."""

    name: str
    tier: str = "Edge"
    district: str = ""
    provider: str = ""
    clearance: str = ""
    cordoned: bool = False
    offline_mode: str = "Keep"
    ready: Condition | None = None
    boxes: int = 0
    ready_boxes: int = 0
    next_certificate_expiry: int | None = None
    classes: tuple[Capacity, ...] = ()
    created: int = 0

    @property
    def target(self) -> str:
        return f"EdgeSite/{self.name}"


class Node(Row, frozen=True):
    """A node of a cloud or a box of a site; `target` is Cloud/NAME or EdgeSite/NAME."""

    target: str
    name: str
    class_key: str
    ready: bool = False
    cordoned: bool = False
    isa_level: str = ""
    page_size_kib: int = 0
    os_image: str = ""
    kernel: str = ""
    kubelet: str = ""
    allocatable: Resources = {}
    capacity: Resources = {}
    requested: Resources = {}
    certificate_expires: int | None = None
    created: int = 0

    @property
    def key(self) -> str:
        return f"{self.target}/{self.name}"


class Placement(Row, frozen=True):
    target: str
    variant: str
    replicas: int = 0
    ready_replicas: int = 0
    succeeded: int = 0
    failed: int = 0


class Reason(Row, frozen=True):
    """Why nodes were ruled out for what is not placed, and how many nodes."""

    reason: str
    nodes: int = 0
    message: str = ""


class Workload(Row, frozen=True):
    namespace: str
    name: str
    type: str = "Deployment"
    replicas: int = 0
    ready_replicas: int = 0
    unplaced_replicas: int = 0
    suspended: bool = False
    data_grade: str = ""
    priority_class: str = ""
    algorithm: str = ""
    variants: tuple[str, ...] = ()
    placements: tuple[Placement, ...] = ()
    unplaced: tuple[Reason, ...] = ()
    conditions: tuple[Condition, ...] = ()
    created: int = 0

    @property
    def key(self) -> str:
        return f"{self.namespace}/{self.name}"


class Throughput(Row, frozen=True):
    class_key: str
    per_replica: int
    unit: str
    source: str = ""


class AlgorithmVersion(Row, frozen=True):
    version: str
    variants: tuple[str, ...] = ()
    throughput: tuple[Throughput, ...] = ()


class Algorithm(Row, frozen=True):
    name: str
    display_name: Names = Names()
    category: str = ""
    versions: tuple[AlgorithmVersion, ...] = ()
    workloads: int = 0
    replicas: int = 0
    ready: Condition | None = None


class Rows(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Some rows of each table."""

    centre: Centre | None = None
    clouds: list[Cloud] = []
    sites: list[Site] = []
    nodes: list[Node] = []
    workloads: list[Workload] = []
    algorithms: list[Algorithm] = []


class Gone(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Keys of rows that are no more: names, `target/name` of a node, `namespace/name` of a workload.

    A row that came and went within one tick may be named without having been told.
    """

    centre: bool = False
    clouds: list[str] = []
    sites: list[str] = []
    nodes: list[str] = []
    workloads: list[str] = []
    algorithms: list[str] = []


class SnapshotPart(msgspec.Struct, frozen=True, kw_only=True, tag="snapshot", tag_field="kind"):
    """A piece of everything as it stood at `sequence`; the last piece says so. `epoch` names this leader's run."""

    epoch: str
    sequence: int
    at: int
    last: bool
    rows: Rows


class Delta(msgspec.Struct, frozen=True, kw_only=True, tag="delta", tag_field="kind"):
    """What changed since `sequence` - 1."""

    sequence: int
    at: int
    rows: Rows
    gone: Gone = Gone()


class Beat(msgspec.Struct, frozen=True, kw_only=True, tag="beat", tag_field="kind"):
    """Nothing changed, and the leader still looks: what one holds is as fresh as `at`."""

    sequence: int
    at: int


Frame = SnapshotPart | Delta | Beat

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[Frame] = msgspec.msgpack.Decoder(Frame)
_LENGTH_BYTES = 4


def encode(frame: Frame) -> bytes:
    """The frame as it goes over the wire: its length in four bytes, big end first, then msgpack."""
    body = _encoder.encode(frame)
    return len(body).to_bytes(_LENGTH_BYTES, "big") + body


class FrameTooLargeError(Exception):
    """The stream announces a frame beyond any that this program sends."""


class Deframer:
    """Cuts a byte stream back into frames."""

    def __init__(self, limit: int = 64 * 1024 * 1024) -> None:
        self._buffer = bytearray()
        self._limit = limit

    def feed(self, data: bytes) -> Iterator[Frame]:
        """Yield each frame that `data` completes.

        Raises FrameTooLargeError, and msgspec.DecodeError where the body is not a frame.
        """
        self._buffer += data
        while len(self._buffer) >= _LENGTH_BYTES:
            length = int.from_bytes(self._buffer[:_LENGTH_BYTES], "big")
            if length > self._limit:
                raise FrameTooLargeError(f"a frame of {length} bytes; at most {self._limit} are read")
            end = _LENGTH_BYTES + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_LENGTH_BYTES:end])
            del self._buffer[:end]
            yield _decoder.decode(body)
