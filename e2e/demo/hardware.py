"""The demo's two clouds: 40 nodes of the city, labelled with our facts, and 24 of a district, labelled with none."""

from dataclasses import replace

from suanli_clusters import SimulatedNode, fleet

OPENEULER = "openEuler 22.03 (LTS-SP3)"
KYLIN = "Kylin Linux Advanced Server V10 (Lance)"


def _facts(family: str, os: str, isa_level: str) -> dict[str, str]:
    return {
        "suanli.io/cpu-family": family,
        "suanli.io/os": os,
        "suanli.io/isa-level": isa_level,
        "suanli.io/page-size-kib": "4",
    }


def _capacity(cores: int, memory_gib: int, **more: str) -> dict[str, str]:
    return {"cpu": str(cores), "memory": f"{memory_gib}Gi", "ephemeral-storage": "2Ti", "pods": "110", **more}


INTEL = SimulatedNode(
    name="",
    os_image=OPENEULER,
    kernel="5.10.0-182.0.0.95.oe2203sp3.x86_64",
    labels=_facts("intel", "openeuler", "v4"),
    capacity=_capacity(64, 256),
)

HYGON = replace(
    INTEL, os_image=KYLIN, kernel="4.19.90-52.22.v2207.ky10.x86_64", labels=_facts("hygon", "kylin-v10", "v3")
)

KUNPENG = SimulatedNode(
    name="",
    architecture="arm64",
    os_image=OPENEULER,
    kernel="5.10.0-182.0.0.95.oe2203sp3.aarch64",
    labels=_facts("kunpeng-920", "openeuler", "v8.2"),
    capacity=_capacity(16, 64),
)

# Tainted: kept for those who need the NPUs.
ASCEND = replace(
    KUNPENG,
    taints=({"key": "huawei.com/Ascend910", "effect": "NoSchedule"},),
    capacity=_capacity(192, 1536, **{"huawei.com/Ascend910": "8"}),
)

PHYTIUM = SimulatedNode(
    name="",
    architecture="arm64",
    os_image=KYLIN,
    kernel="4.19.90-52.22.v2207.ky10.aarch64",
    labels={"node.kubernetes.io/instance-type": "ft64.xlarge"},
    capacity=_capacity(64, 128),
)

PHYTIUM_64K = replace(PHYTIUM, labels={"node.kubernetes.io/instance-type": "ft64.xlarge-64k"})


def municipal() -> list[SimulatedNode]:
    return (
        fleet("intel", 12, INTEL)
        + fleet("hygon", 12, HYGON)
        + fleet("kunpeng", 8, KUNPENG)
        + fleet("ascend", 8, ASCEND)
    )


def district() -> list[SimulatedNode]:
    return fleet("phytium", 16, PHYTIUM) + fleet("phytium-64k", 8, PHYTIUM_64K)
