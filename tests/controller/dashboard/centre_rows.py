"""Rows for the tests of the dashboard, and random fleets for its laws."""

from hypothesis import strategies as st

from suanli_controller.core import capacity, centre, hardware
from suanli_controller.dashboard import replica
from suanli_controller.view import board, model, rows

CLASSES = (
    "arm64.kunpeng-920.openeuler.ascend910b",
    "arm64.phytium-s2500.kylin-v10.none",
    "amd64.intel.ubuntu.none",
    "amd64.hygon.kylin-v10.huawei.com_Ascend310P",
)
TABLE = centre.UnitTable(
    {"kunpeng-920": 1000, "intel": 1350, "hygon": 1050},
    {
        ("huawei.com/Ascend910", "ascend910b"): centre.Accelerator(500_000, 313_000, 640_000),
        ("huawei.com/Ascend310P", ""): centre.Accelerator(90_000, 70_000, 140_000),
    },
)
DOMESTIC = centre.DomesticList(frozenset({"kunpeng-920", "hygon"}), frozenset({"openeuler", "kylin-v10"}))

_amount = st.integers(0, 10**6)
_resources = st.fixed_dictionaries(
    {"cpu": _amount, "memory": _amount},
    optional={"huawei.com/Ascend910": st.integers(0, 8), "huawei.com/Ascend310P": st.integers(0, 8)},
)
PLACES = (("Cloud/a", "Municipal", "370811"), ("Cloud/b", "District", "370812"), ("EdgeSite/s", "Edge", "370811"))


@st.composite
def nodes(draw: st.DrawFn, target: str, number: int) -> model.Node:
    allocatable = draw(_resources)
    return model.Node(
        target=target,
        name=f"n{number}",
        class_key=draw(st.sampled_from(CLASSES)),
        ready=draw(st.booleans()),
        cordoned=draw(st.booleans()),
        allocatable=allocatable,
        capacity=allocatable,
        requested=draw(_resources),
    )


@st.composite
def fleets(draw: st.DrawFn) -> list[model.Node]:
    return [draw(nodes(target, number)) for target, _, _ in PLACES for number in range(draw(st.integers(0, 6)))]


def facts(row: model.Node) -> hardware.NodeFacts:
    return hardware.NodeFacts(
        name=row.name,
        target=row.target,
        labels={},
        taints=(),
        allocatable=row.allocatable,
        capacity=row.capacity,
        ready=row.ready,
        cordoned=row.cordoned,
        hardware=hardware.Hardware(),
        placeable=hardware.Hardware(),
        class_name=row.class_key,
        selectors={},
    )


def classes_of(found: list[model.Node]) -> tuple[model.Capacity, ...]:
    return rows.of_classes(capacity.by_class((facts(n), n.requested) for n in found), TABLE, DOMESTIC)


def leader_with(found: list[model.Node]) -> board.Board:
    """A board of three places over these nodes, as the leader makes it."""
    leader = board.Board("run-1")
    for node in found:
        leader.put(node)
    for target, tier, district in PLACES:
        mine = [n for n in found if n.target == target]
        kind, _, name = target.partition("/")
        ready = model.Condition(type="Ready", status="True", reason="Connected")
        if kind == "Cloud":
            leader.put(
                model.Cloud(
                    name=name, tier=tier, district=district, ready=ready, nodes=len(mine),
                    ready_nodes=sum(n.ready for n in mine), classes=classes_of(mine),
                )
            )  # fmt: skip
        else:
            leader.put(
                model.Site(
                    name=name, district=district, ready=ready, boxes=len(mine),
                    ready_boxes=sum(n.ready for n in mine), classes=classes_of(mine),
                )
            )  # fmt: skip
    leader.tick(0)
    return leader


def replica_of(leader: board.Board, now: int = 1000) -> replica.Replica:
    held = replica.Replica()
    for part in leader.snapshot(now):
        held.apply(part)
    held.connected = True
    return held


def workload(namespace: str, name: str, *, unplaced: int = 0, target: str = "Cloud/a") -> model.Workload:
    return model.Workload(
        namespace=namespace,
        name=name,
        replicas=2,
        ready_replicas=2,
        unplaced_replicas=unplaced,
        placements=(model.Placement(target=target, variant="arm64", replicas=2, ready_replicas=2),),
        unplaced=(model.Reason(reason="ArchitectureMismatch", nodes=3),) if unplaced else (),
    )
