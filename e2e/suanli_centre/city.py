"""A generated city: rows of clouds, sites, nodes, workloads and algorithms, the same for the same seed."""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from suanli_controller.core import capacity, centre, hardware
from suanli_controller.dashboard import answers, history, replica
from suanli_controller.view import board, model, rows

DAY = 86_400
GIB = 1024**3


@dataclass(frozen=True)
class Shape:
    """A kind of server. `cores` whole ones, `accelerators` of `resource` on each node."""

    class_key: str
    cores: int
    memory_gib: int
    isa_level: str
    page_size_kib: int
    os_image: str
    kernel: str
    resource: str = ""
    accelerators: int = 0


SHAPES = {
    "ascend": Shape(
        "arm64.kunpeng-920.openeuler.ascend910b", 96, 512, "v8.2", 4, "openEuler 22.03 (LTS-SP3)",
        "5.10.0-182.0.0.95.oe2203sp3.aarch64", "huawei.com/Ascend910", 8,
    ),
    "kunpeng": Shape(
        "arm64.kunpeng-920.openeuler.none", 128, 512, "v8.2", 4, "openEuler 22.03 (LTS-SP3)",
        "5.10.0-182.0.0.95.oe2203sp3.aarch64",
    ),
    "intel": Shape("amd64.intel.ubuntu.none", 64, 256, "v4", 4, "Ubuntu 22.04.4 LTS", "5.15.0-105-generic"),
    "nvidia": Shape(
        "amd64.intel.ubuntu.nvidia.com_gpu", 64, 512, "v4", 4, "Ubuntu 22.04.4 LTS", "5.15.0-105-generic",
        "nvidia.com/gpu", 8,
    ),
    "hygon": Shape(
        "amd64.hygon.kylin-v10.none", 64, 256, "v3", 4, "Kylin Linux Advanced Server V10 (Sword)",
        "4.19.90-52.22.v2207.ky10.x86_64",
    ),
    "phytium": Shape(
        "arm64.phytium-s2500.kylin-v10.none", 64, 128, "v8.0", 64, "Kylin Linux Advanced Server V10 (Sword)",
        "4.19.90-52.22.v2207.ky10.aarch64",
    ),
    "loongson": Shape(
        "loong64.loongson.uos.none", 32, 128, "", 16, "UnionTech OS Server 20", "4.19.0-loongson-3"
    ),
    "box": Shape(
        "arm64.phytium-ft2000-4.kylin-v10.none", 4, 8, "v8.0", 4, "Kylin V10", "4.19.90-25.4.v2101.ky10.aarch64"
    ),
    "atlas": Shape(
        "arm64.kunpeng-920.openeuler.huawei.com_Ascend310P", 24, 64, "v8.2", 4, "openEuler 22.03 (LTS-SP3)",
        "5.10.0-182.0.0.95.oe2203sp3.aarch64", "huawei.com/Ascend310P", 4,
    ),
}  # fmt: skip

DISTRICTS = (
    ("370811", "任城区", "Rencheng", 116_606_000, 35_408_000),
    ("370812", "兖州区", "Yanzhou", 116_829_000, 35_556_000),
    ("370826", "微山县", "Weishan", 117_129_000, 34_806_000),
    ("370827", "鱼台县", "Yutai", 116_650_000, 35_013_000),
    ("370828", "金乡县", "Jinxiang", 116_311_000, 35_067_000),
    ("370829", "嘉祥县", "Jiaxiang", 116_342_000, 35_398_000),
    ("370830", "汶上县", "Wenshang", 116_497_000, 35_733_000),
    ("370831", "泗水县", "Sishui", 117_251_000, 35_665_000),
    ("370832", "梁山县", "Liangshan", 116_096_000, 35_803_000),
    ("370881", "曲阜市", "Qufu", 116_986_000, 35_581_000),
    ("370883", "邹城市", "Zoucheng", 117_004_000, 35_402_000),
)

CENTRE = model.Centre(
    display_name=model.Names(zh="济宁市算力算法中心", en="Jining Compute and Algorithm Centre"),
    districts=tuple(
        model.District(
            code=code,
            display_name=model.Names(zh=zh, en=en),
            position=model.Position(east_e6=east, north_e6=north),
        )
        for code, zh, en, east, north in DISTRICTS
    ),
    table_version="2026-1",
    families=tuple(
        model.FamilyUnits(family=family, milli_units_per_core=units, source="own runs of SPECrate, 2026-05")
        for family, units in (
            ("kunpeng-920", 1000), ("intel", 1350), ("hygon", 1050), ("phytium-s2500", 620), ("loongson", 700),
            ("phytium-ft2000-4", 480),
        )
    ),
    accelerators=(
        model.AcceleratorUnits(
            resource="huawei.com/Ascend910", model="ascend910b", milli_units=500_000, gigaflops_fp16=313_000,
            gigaops_int8=640_000, source="vendor's data sheet",
        ),
        model.AcceleratorUnits(
            resource="huawei.com/Ascend310P", milli_units=90_000, gigaflops_fp16=70_000, gigaops_int8=140_000,
            source="vendor's data sheet",
        ),
        model.AcceleratorUnits(
            resource="nvidia.com/gpu", milli_units=480_000, gigaflops_fp16=312_000, gigaops_int8=624_000,
            source="vendor's data sheet",
        ),
    ),
    domestic=model.Domestic(
        families=("kunpeng-920", "hygon", "phytium-s2500", "phytium-ft2000-4", "loongson"),
        oses=("kylin-v10", "openeuler", "uos"),
    ),
)  # fmt: skip

TABLE = centre.UnitTable(
    {each.family: each.milli_units_per_core for each in CENTRE.families},
    {
        (each.resource, each.model): centre.Accelerator(each.milli_units, each.gigaflops_fp16, each.gigaops_int8)
        for each in CENTRE.accelerators
    },
)
DOMESTIC = centre.DomesticList(frozenset(CENTRE.domestic.families), frozenset(CENTRE.domestic.oses))

# name, tier, district, provider, clearance, shapes with their number of nodes
CLOUDS = (
    ("jining-core", "Municipal", "370811", "huawei", "Core", {"ascend": 24, "kunpeng": 60, "hygon": 30}),
    ("jining-ai", "Municipal", "370811", "inspur", "Important", {"nvidia": 12, "intel": 36}),
    ("jining-gov", "Municipal", "370812", "hygon", "Core", {"hygon": 48, "phytium": 24}),
    ("yanzhou", "District", "370812", "inspur", "Important", {"intel": 18, "hygon": 12}),
    ("qufu-culture", "District", "370881", "aliyun", "General", {"intel": 16, "kunpeng": 8}),
    ("zoucheng", "District", "370883", "huawei", "Important", {"kunpeng": 24, "atlas": 6}),
    ("weishan-lake", "District", "370826", "phytium", "General", {"phytium": 16}),
    ("liangshan", "District", "370832", "inspur", "General", {"intel": 8, "loongson": 6}),
    ("sishui", "District", "370831", "phytium", "General", {"phytium": 10}),
    ("jiaxiang", "District", "370829", "hygon", "General", {"hygon": 12}),
)
SITES = (
    ("north-gate", "370811", 14), ("grand-canal-locks", "370811", 22), ("yanzhou-station", "370812", 9),
    ("weishan-ferries", "370826", 12), ("qufu-temple", "370881", 16), ("zoucheng-mine", "370883", 18),
    ("wenshang-schools", "370830", 11), ("yutai-pumps", "370827", 7),
)  # fmt: skip


def fill(leader: board.Board, now: int, seed: int = 7) -> None:
    """Put the whole city on a board."""
    dice = random.Random(seed)
    leader.put_centre(CENTRE)
    for number, (name, tier, district, provider, clearance, shapes) in enumerate(CLOUDS):
        target = f"Cloud/{name}"
        for shape, count in shapes.items():
            for i in range(count):
                leader.put(node(dice, target, f"{name}-{shape}-{i + 1:02d}", SHAPES[shape], now))
        leader.put(
            model.Cloud(
                name=name, tier=tier, district=district, provider=provider, clearance=clearance, zone="az-1",
                version="v1.36.3", rtt_microseconds=600 + 420 * number, created=now - 90 * DAY,
                local=name == "jining-core", cordoned=name == "sishui",
                credential_expires=now + (9 * DAY if name == "qufu-culture" else 300 * DAY),
                ready=_ready(name, now),
            )
        )  # fmt: skip
    for name, district, boxes in SITES:
        target = f"EdgeSite/{name}"
        for i in range(boxes):
            row = node(dice, target, f"{name}-{i + 1:02d}", SHAPES["box"], now)
            silent = name == "weishan-ferries" and i < 2
            expires = now + 5 * DAY - i * 3600
            leader.put(msgspec.structs.replace(row, ready=not silent, cordoned=False, certificate_expires=expires))
        leader.put(
            model.Site(name=name, district=district, provider="city", clearance="General", created=now - 60 * DAY)
        )
    for made in (*workloads(dice, now), *algorithms()):
        leader.put(made)
    recount(leader, now)


def recount(leader: board.Board, now: int) -> None:
    """Make every place's figures the sums over its nodes."""
    nodes: dict[str, list[model.Node]] = {}
    for node in leader.tables["nodes"].values():
        nodes.setdefault(node.target, []).append(node)
    for table in ("clouds", "sites"):
        for place in list(leader.tables[table].values()):
            leader.put(_counted(place, nodes.get(place.target, []), now))


def _counted(place: model.Cloud | model.Site, nodes: Sequence[model.Node], now: int) -> model.Cloud | model.Site:
    ready = sum(n.ready for n in nodes)
    classes = rows.of_classes(capacity.by_class((_facts(n), n.requested) for n in nodes), TABLE, DOMESTIC)
    if isinstance(place, model.Cloud):
        return msgspec.structs.replace(place, nodes=len(nodes), ready_nodes=ready, classes=classes)
    whole = ready == len(nodes)
    return msgspec.structs.replace(
        place, boxes=len(nodes), ready_boxes=ready, classes=classes,
        next_certificate_expiry=min((n.certificate_expires for n in nodes if n.certificate_expires), default=None),
        ready=model.Condition(
            type="Ready", status="True" if whole else "False", reason="BoxesReady" if whole else "BoxesNotReady",
            message="" if whole else f"{len(nodes) - ready} of {len(nodes)} boxes are silent", since=now - DAY,
        ),
    )  # fmt: skip


def _facts(row: model.Node) -> hardware.NodeFacts:
    return hardware.NodeFacts(
        name=row.name, target=row.target, labels={}, taints=(), allocatable=row.allocatable, capacity=row.capacity,
        ready=row.ready, cordoned=row.cordoned, hardware=hardware.Hardware(), placeable=hardware.Hardware(),
        class_name=row.class_key, selectors={},
    )  # fmt: skip


def _ready(name: str, now: int) -> model.Condition:
    if name == "liangshan":
        return model.Condition(
            type="Ready", status="Unknown", reason="Unreachable", since=now - 1260,
            message="https://10.32.8.2:6443: no answer in time",
        )  # fmt: skip
    return model.Condition(type="Ready", status="True", reason="Connected", since=now - 40 * DAY)


def node(dice: random.Random, target: str, name: str, shape: Shape, now: int) -> model.Node:
    cpu, memory = shape.cores * 1000, shape.memory_gib * GIB
    capacity = {"cpu": cpu, "memory": memory, "ephemeral-storage": 2000 * GIB, "pods": 110}
    load = min(max(dice.gauss(0.58, 0.2), 0), 0.99)
    requested = {
        "cpu": int((cpu - 500) * load) // 100 * 100,
        "memory": int(memory * 0.95 * min(load + 0.06, 0.99)) // GIB * GIB,
        "pods": int(90 * load),
    }
    if shape.accelerators:
        capacity[shape.resource] = shape.accelerators
        requested[shape.resource] = min(shape.accelerators, round(shape.accelerators * (load + 0.22)))
    allocatable = capacity | {"cpu": cpu - 500, "memory": memory - 2 * GIB}
    return model.Node(
        target=target, name=name, class_key=shape.class_key, ready=dice.random() > 0.006,
        cordoned=dice.random() < 0.012, isa_level=shape.isa_level, page_size_kib=shape.page_size_kib,
        os_image=shape.os_image, kernel=shape.kernel, kubelet="v1.36.3", capacity=capacity, allocatable=allocatable,
        requested=requested, created=now - dice.randrange(10, 200) * DAY,
    )  # fmt: skip


def workloads(dice: random.Random, now: int) -> Iterator[model.Workload]:
    """Some that run, some that wait."""
    for namespace, name, replicas, algorithm, targets in (
        ("city-vision", "face-detect", 24, "face-detect@2.1", ("Cloud/jining-core", "Cloud/zoucheng")),
        (
            "city-vision",
            "traffic-count",
            66,
            "traffic-count@1.4",
            ("EdgeSite/north-gate", "EdgeSite/grand-canal-locks"),
        ),
        ("city-vision", "plate-reader", 40, "plate-reader@3.0", ("Cloud/jining-core", "EdgeSite/yanzhou-station")),
        ("gov-portal", "web", 12, "", ("Cloud/jining-gov", "Cloud/yanzhou")),
        ("gov-portal", "search", 6, "", ("Cloud/jining-gov",)),
        ("llm", "citizen-assistant", 16, "qwen-chat@72b", ("Cloud/jining-core",)),
        ("llm", "embedding", 8, "bge-embed@1.5", ("Cloud/jining-core", "Cloud/jining-ai")),
        ("health", "ct-triage", 10, "ct-triage@1.0", ("Cloud/zoucheng", "Cloud/jining-ai")),
        ("water", "canal-level", 21, "", ("EdgeSite/grand-canal-locks", "EdgeSite/yutai-pumps")),
        (
            "education",
            "classroom-notes",
            14,
            "speech-text@2.2",
            ("Cloud/qufu-culture", "EdgeSite/wenshang-schools"),
        ),
    ):
        yield _workload(dice, namespace, name, replicas, algorithm, targets, now)
    yield model.Workload(
        namespace="llm", name="nightly-train", type="Job", replicas=0, unplaced_replicas=4, data_grade="Core",
        variants=("ascend",), created=now - 7200, priority_class="batch",
        unplaced=(
            model.Reason(reason="ClearanceTooLow", nodes=186), model.Reason(reason="TargetNotReady", nodes=14),
            model.Reason(reason="AcceleratorMismatch", nodes=162),
            model.Reason(reason="InsufficientResource", nodes=24, message="huawei.com/Ascend910"),
        ),
        conditions=(
            model.Condition(
                type="Ready", status="False", reason="Unplaced", since=now - 7100,
                message="4 of 4 replicas have no place",
            ),
        ),
    )  # fmt: skip


def _workload(
    dice: random.Random,
    namespace: str,
    name: str,
    replicas: int,
    algorithm: str,
    targets: tuple[str, ...],
    now: int,
) -> model.Workload:
    share, rest = divmod(replicas, len(targets))
    placements = tuple(
        model.Placement(
            target=target, variant="amd64" if "ai" in target or "yanzhou" in target else "arm64",
            replicas=share + (i < rest), ready_replicas=share + (i < rest) - (dice.random() < 0.15),
        )
        for i, target in enumerate(targets)
    )  # fmt: skip
    ready = sum(p.ready_replicas for p in placements)
    return model.Workload(
        namespace=namespace, name=name, replicas=replicas, ready_replicas=ready, data_grade="Important",
        algorithm=algorithm, variants=("amd64", "arm64"), placements=placements, created=now - dice.randrange(90) * DAY,
        conditions=(
            model.Condition(
                type="Ready", status="True" if ready == replicas else "False",
                reason="AllReady" if ready == replicas else "NotAllReady", since=now - 3600,
                message=f"{ready} of {replicas} replicas are ready",
            ),
        ),
    )  # fmt: skip


def algorithms() -> Iterator[model.Algorithm]:
    for name, zh, en, category, version, throughput, unit in (
        ("face-detect", "人脸检测", "Face detection", "vision", "2.1", 240, "images/s"),
        ("traffic-count", "车流统计", "Traffic counting", "vision", "1.4", 18, "streams"),
        ("plate-reader", "车牌识别", "Number plates", "vision", "3.0", 420, "images/s"),
        ("qwen-chat", "市民助手大模型", "Citizens' assistant", "language", "72b", 1150, "tokens/s"),
        ("bge-embed", "语义向量", "Embeddings", "language", "1.5", 900, "texts/s"),
        ("ct-triage", "CT 初筛", "CT triage", "health", "1.0", 6, "scans/min"),
        ("speech-text", "语音转写", "Speech to text", "speech", "2.2", 32, "streams"),
    ):
        yield model.Algorithm(
            name=name, display_name=model.Names(zh=zh, en=en), category=category, workloads=1, replicas=16,
            ready=model.Condition(type="Ready", status="True", reason="Valid", since=0),
            versions=(
                model.AlgorithmVersion(
                    version=version, variants=("ascend", "nvidia"),
                    throughput=(
                        model.Throughput(
                            class_key=SHAPES["ascend"].class_key, per_replica=throughput, unit=unit, source="own run"
                        ),
                        model.Throughput(
                            class_key=SHAPES["nvidia"].class_key, per_replica=throughput * 9 // 10, unit=unit,
                            source="own run",
                        ),
                    ),
                ),
            ),
        )  # fmt: skip


def past(leader: board.Board, now: int, store: history.Store) -> None:
    """A day of samples of the city: busy now and some hours ago, quiet between."""
    held = replica.Replica()
    for part in leader.snapshot(now):
        held.apply(part)
    whole = history.samples_of(held, now)
    for at in range(now - DAY, now, 240):
        load = _load_at(now - at)
        samples = {by: [_as_busy(sample, at, load) for sample in found] for by, found in whole.items()}
        store.add(samples, at)


def _load_at(ago: int) -> float:
    """How busy the city was so many seconds ago, beside what it is now."""
    peaks = sum(math.exp(-(((ago / 3600 - peak) / 3.2) ** 2)) for peak in (0, 6.5, 24))
    return 0.55 + 0.45 * peaks + 0.02 * math.sin(ago / 900)


def _as_busy(sample: answers.Sample, at: int, load: float) -> answers.Sample:
    general = min(int(sample.general_requested_milli * load), sample.general_milli)
    intelligent = int(sample.intelligent_requested_milli * (0.75 + load / 4))  # training runs through the night
    return msgspec.structs.replace(
        sample,
        at=at,
        general_requested_milli=general,
        intelligent_requested_milli=min(intelligent, sample.intelligent_milli),
    )


def large(leader: board.Board, clouds: int, nodes_each: int, now: int) -> None:
    """A fleet for measuring: `clouds` clouds of `nodes_each` nodes of mixed shapes."""
    dice = random.Random(1)
    leader.put_centre(CENTRE)
    shapes = [SHAPES[name] for name in ("ascend", "kunpeng", "intel", "hygon", "phytium", "nvidia")]
    tiers = ("Municipal", "District", "District")
    for c in range(clouds):
        name = f"cloud-{c:03d}"
        for i in range(nodes_each):
            leader.put(node(dice, f"Cloud/{name}", f"{name}-node-{i:04d}", shapes[(c + i) % len(shapes)], now))
        leader.put(
            model.Cloud(
                name=name, tier=tiers[c % 3], district=DISTRICTS[c % len(DISTRICTS)][0], provider="huawei",
                clearance="Core", version="v1.36.3", rtt_microseconds=900, created=now, ready=_ready(name, now),
            )
        )  # fmt: skip
    recount(leader, now)
