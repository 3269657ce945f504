"""EdgeSite: a place with edge boxes, which are Nodes of the hub."""

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from suanli_controller.api import names
from suanli_controller.api.fields import (
    Classes,
    Conditions,
    Grade,
    HardwareWord,
    ObservedGeneration,
    Word,
)
from suanli_controller.api.markers import REQUIRED, UNIQUE, list_map, rule, rules
from suanli_controller.api.meta import LabelValue, ObjectMeta, Part, Time

TaintEffect = Literal["NoSchedule", "PreferNoSchedule", "NoExecute"]
OfflineMode = Literal["Keep", "Evict"]
NodeLabelKey = Annotated[str, Meta(min_length=1, max_length=63)]
MachineID = Annotated[
    str, Meta(min_length=1, max_length=128, pattern="^[A-Za-z0-9]([-A-Za-z0-9._]*[A-Za-z0-9])?$")
]


class SiteTaint(Part, frozen=True):
    """A taint of every box, as in core/v1."""

    key: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=317,
            pattern="^([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$",
            description="Key of the taint.",
        ),
    ]
    effect: Annotated[TaintEffect, Meta(description="What happens to pods that do not tolerate the taint.")]
    value: Annotated[Word, Meta(description="Value of the taint.")] = ""


class SiteJoin(Part, frozen=True):
    """Who may join and for how long."""

    token_ttl_seconds: Annotated[int, Meta(ge=60, le=31_536_000, description="Life of a join token.")] = field(
        name="tokenTTLSeconds", default=86_400
    )
    certificate_ttl_seconds: Annotated[
        int,
        Meta(
            ge=600, le=31_536_000, description="Longest life of a box's certificate; 600 is the API's own least."
        ),
    ] = field(name="certificateTTLSeconds", default=604_800)
    max_boxes: Annotated[int, Meta(ge=0, le=5_000, description="Most boxes of this site.")] = 100
    machine_ids: Annotated[
        list[MachineID],
        Meta(
            max_length=5_000,
            description="When given, only machines with these ids (/etc/machine-id or serial) may join.",
        ),
        UNIQUE,
    ] = field(name="machineIDs", default_factory=list)


class DeclaredHardware(Part, frozen=True):
    """Hardware that the owner vouches for."""

    family: Annotated[HardwareWord, Meta(description="CPU family, e.g. phytium-ft2000-4.")]
    os: Annotated[HardwareWord, Meta(description="Operating system, e.g. kylin-v10.")] = ""


class SiteOffline(Part, frozen=True):
    """What becomes of a silent box's pods."""

    mode: Annotated[
        OfflineMode,
        Meta(description="Keep: they stay on the box and nothing fails over. Evict: they are placed elsewhere."),
    ] = "Keep"
    evict_after_seconds: Annotated[
        int, Meta(ge=0, le=31_536_000, description="Seconds of silence before Evict acts.")
    ] = 0


_RESERVED_RULE = rule(
    "!('site' in self) && !('district' in self) && !('clearance' in self) && !('key-hash' in self)",
    "nodeLabels must not hold site, district, clearance or key-hash: the hub gives those itself",
)
_KEYS_RULE = rule(
    "self.all(k, k.size() <= 63 && k.matches('^[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?$'))",
    "a key of nodeLabels is a label name without prefix, of at most 63 characters",
)


class EdgeSiteSpec(Part, frozen=True):
    """What the owner says about this place."""

    district: Annotated[Word, Meta(description="Code of the district; its name is in the ComputeCentre.")] = ""
    clearance: Annotated[
        Grade, Meta(description="Highest data grade that this site may hold: General < Important < Core.")
    ] = "General"
    provider: Annotated[Word, Meta(description="Owner of the site.")] = ""
    zone: Annotated[Word, Meta(description="Failure domain.")] = ""
    cordoned: Annotated[bool, Meta(description="When true, nothing new is placed here.")] = False
    node_labels: Annotated[
        dict[NodeLabelKey, LabelValue],
        Meta(
            max_length=32,
            description="Given to every box, under suanli.node-restriction.kubernetes.io/.",
            extra_json_schema=rules(_RESERVED_RULE, _KEYS_RULE),
        ),
    ] = {}
    taints: Annotated[
        list[SiteTaint],
        Meta(
            max_length=16,
            description="Given to every box; an empty list: boxes take any pod.",
            extra_json_schema={"default": [{"key": names.EDGE_TAINT, "effect": "NoSchedule"}]},
        ),
        list_map("key", "effect"),
    ] = field(default_factory=lambda: [SiteTaint(key=names.EDGE_TAINT, effect="NoSchedule")])
    join: Annotated[SiteJoin, Meta(description="Who may join and for how long.")] = field(default_factory=SiteJoin)
    declared_hardware: Annotated[
        list[DeclaredHardware],
        Meta(
            max_length=32,
            description="What the owner vouches for; rules that grant read this, never a box's own report.",
        ),
    ] = []
    offline: Annotated[SiteOffline, Meta(description="What becomes of a silent box's pods.")] = field(
        default_factory=SiteOffline
    )


class EdgeSiteStatus(Part, frozen=True):
    """What the hub saw of this site last."""

    observed_generation: ObservedGeneration = 0
    conditions: Conditions = []
    boxes: Annotated[int, Meta(ge=0, description="Boxes that have joined.")] = 0
    ready_boxes: Annotated[int, Meta(ge=0, description="Boxes that are Ready.")] = 0
    next_certificate_expiry: Annotated[
        Time | None, Meta(description="When the first certificate of a box ends.")
    ] = None
    classes: Classes = []


class EdgeSite(Struct, frozen=True, rename="camel", gc=False):
    """A place with edge boxes, bare Linux machines that are Nodes of the hub; as a target its tier is Edge."""

    metadata: ObjectMeta
    spec: Annotated[EdgeSiteSpec, REQUIRED] = field(default_factory=EdgeSiteSpec)
    status: EdgeSiteStatus = field(default_factory=EdgeSiteStatus)
    api_version: str = names.API_VERSION
    kind: str = names.SITE_KIND
