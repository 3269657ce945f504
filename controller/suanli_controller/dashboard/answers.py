"""What the API answers, beside the rows of the view: pages, totals, alerts, history, sessions, live frames."""

from typing import Literal

import msgspec

from suanli_controller.view import model


class Answer(msgspec.Struct, frozen=True, kw_only=True, rename="camel", gc=False):
    """Base of every answer: camelCase names, nothing left out."""


class Problem(Answer, frozen=True):
    """Why a request was not answered: one CamelCase word, and what to do about it."""

    reason: str
    message: str


class Page(Answer, frozen=True):
    """A part of a table: `total` rows match, those from `offset` on are here."""

    total: int
    offset: int
    limit: int


class Clouds(Page, frozen=True):
    items: list[model.Cloud]


class Sites(Page, frozen=True):
    items: list[model.Site]


class Nodes(Page, frozen=True):
    items: list[model.Node]


class Workloads(Page, frozen=True):
    items: list[model.Workload]


class Algorithms(Page, frozen=True):
    items: list[model.Algorithm]


class Total(Answer, frozen=True):
    """Capacity of everything that shares the values in `key`. Resources as in Capacity, units times a thousand."""

    key: dict[str, str]
    nodes: int
    ready_nodes: int
    allocatable: model.Resources
    capacity: model.Resources
    requested: model.Resources
    largest_free: model.Resources
    units: model.Units
    capacity_units: model.Units
    requested_units: model.Units
    domestic_milli: int
    domestic_permille: int


class Totals(Answer, frozen=True):
    """Totals by the dimensions `by`; empty `by` gives one total."""

    by: list[str]
    items: list[Total]


Severity = Literal["critical", "warning"]


class Alert(Answer, frozen=True):
    """Something that a person should look at.

    `subject` is Cloud/NAME, EdgeSite/NAME, ComputeWorkload/NAMESPACE/NAME or a class; empty for who sees totals
    only. `value` is what `reason` speaks of: seconds left, nodes missing, replicas, permille in use. `since` is
    0 where nothing tells.
    """

    reason: str
    severity: Severity
    subject: str = ""
    value: int = 0
    since: int = 0
    message: str = ""


class Alerts(Answer, frozen=True):
    items: list[Alert]


class Sample(Answer, frozen=True):
    """Totals of one key at one moment, units times a thousand."""

    at: int
    key: str
    general_milli: int
    general_requested_milli: int
    intelligent_milli: int
    intelligent_requested_milli: int
    nodes: int
    ready_nodes: int


class History(Answer, frozen=True):
    """Samples by time, then key. `step_seconds` lies between two; `source` is local or prometheus."""

    by: str
    step_seconds: int
    source: Literal["local", "prometheus"]
    items: list[Sample]


class Counts(Answer, frozen=True):
    """How much there is of what: of the whole centre for who may see everything or totals, else of what one may
    see.
    """

    clouds: int = 0
    ready_clouds: int = 0
    sites: int = 0
    ready_sites: int = 0
    nodes: int = 0
    ready_nodes: int = 0
    workloads: int = 0
    unplaced_workloads: int = 0
    replicas: int = 0
    ready_replicas: int = 0
    algorithms: int = 0


class Allowed(Answer, frozen=True):
    """What the signed-in person may see; `namespaces` where not all workloads."""

    totals: bool
    clouds: bool
    sites: bool
    algorithms: bool
    workloads: bool
    namespaces: list[str]
    totals_only: bool


class Session(Answer, frozen=True):
    """Who is signed in. `expires` in Unix seconds, 0 where use renews it."""

    user: str
    expires: int
    allowed: Allowed


class Freshness(Answer, frozen=True):
    """How old what is shown may be: the leader's clock in its last word, and whether it is followed now."""

    heard_at: int
    now: int
    connected: bool


class LiveSnapshot(Answer, frozen=True, tag="snapshot", tag_field="kind"):
    """Everything that the overview needs. Deltas follow by `sequence`.

    `cells` are totals by class, tier and district, for who may not see every place that goes into them; who may
    sums up the classes of `clouds` and `sites`.
    """

    sequence: int
    freshness: Freshness
    allowed: Allowed
    centre: model.Centre | None
    cells: list[Total]
    counts: Counts
    clouds: list[model.Cloud]
    sites: list[model.Site]
    algorithms: list[model.Algorithm]
    alerts: list[Alert]


class Touched(Answer, frozen=True):
    """Which tables that are read by page have changed: targets of nodes, keys of workloads; None: too many to
    name.
    """

    nodes: list[str] | None = []
    workloads: list[str] | None = []


class LiveDelta(Answer, frozen=True, tag="delta", tag_field="kind", omit_defaults=True):
    """What changed since `sequence` - 1; what is absent is as it was.

    `cells` are those that changed, `cells_gone` the keys of those that are no more. `gone` names what is no more,
    as Cloud/NAME.
    """

    sequence: int
    freshness: Freshness
    centre: model.Centre | msgspec.UnsetType | None = msgspec.UNSET
    cells: list[Total] = []
    cells_gone: list[dict[str, str]] = []
    counts: Counts | msgspec.UnsetType = msgspec.UNSET
    clouds: list[model.Cloud] = []
    sites: list[model.Site] = []
    algorithms: list[model.Algorithm] = []
    gone: list[str] = []
    alerts: list[Alert] | msgspec.UnsetType = msgspec.UNSET
    touched: Touched | msgspec.UnsetType = msgspec.UNSET


class LiveBeat(Answer, frozen=True, tag="beat", tag_field="kind"):
    """Nothing changed; how fresh that is."""

    sequence: int
    freshness: Freshness
