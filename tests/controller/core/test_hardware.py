"""What a node is, by label, discovery, profile and nodeInfo; and how the cloud's scheduler is told to keep to it."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.api import cloud, core_v1
from suanli_controller.core import hardware, quantity, sources

NFD = "feature.node.kubernetes.io/"


def node(
    labels: dict[str, str] | None = None, resources: dict[str, str] | None = None, **node_info: str
) -> core_v1.Node:
    amounts = {"cpu": "96", "memory": "512Gi", "pods": "110", **(resources or {})}
    return msgspec.convert(
        {
            "metadata": {"name": "n1", "labels": labels or {}},
            "status": {
                "capacity": amounts,
                "allocatable": amounts,
                "conditions": [{"type": "Ready", "status": "True"}],
                "nodeInfo": node_info,
            },
        },
        core_v1.Node,
    )


def profiles(*given: dict[str, Any]) -> list[cloud.NodeProfile]:
    return msgspec.convert(given, list[cloud.NodeProfile])


def facts(*given: dict[str, Any], of: core_v1.Node) -> hardware.NodeFacts:
    return hardware.node_facts(of, "Cloud/c", profiles(*given))


ARM, AMD = {"kubernetes.io/arch": "arm64"}, {"kubernetes.io/arch": "amd64"}


def nfd_cpu(vendor: str, family: int, identity: int) -> dict[str, str]:
    return {
        f"{NFD}cpu-model.vendor_id": vendor,
        f"{NFD}cpu-model.family": str(family),
        f"{NFD}cpu-model.id": str(identity),
    }


def flags(*names: str) -> dict[str, str]:
    return {f"{NFD}cpu-cpuid.{name}": "true" for name in names}


class TestFamily:
    @pytest.mark.parametrize(
        ("labels", "family", "isa_level"),
        [
            (
                ARM | nfd_cpu("VendorUnknown", 31, 53264),
                "kunpeng-920",
                "v8.2",
            ),  # as HARDWARE facts say NFD shows it
            (ARM | nfd_cpu("VendorUnknown", 31, 0x6602), "phytium-ft1500a", "v8.0"),
            (ARM | nfd_cpu("VendorUnknown", 31, 0x6612), "phytium-ft2000a2", "v8.0"),
            (ARM | nfd_cpu("VendorUnknown", 31, 0x6622), "phytium-ft2000plus", "v8.0"),
            (ARM | nfd_cpu("VendorUnknown", 31, 0x8620), "phytium-d3000", "v8.2"),
            (ARM | nfd_cpu("ARM", 31, 0xD401), "graviton3", "v8.2"),
            (ARM | nfd_cpu("ARM", 15, 0xD4F1), "graviton4", "v9.0"),
            (ARM | nfd_cpu("Ampere", 15, 0xAC31), "ampere-one", "v8.0"),
            (AMD | nfd_cpu("Intel", 6, 85), "intel", "v1"),
            (AMD | nfd_cpu("AMD", 25, 1), "amd", "v1"),
            (AMD | nfd_cpu("Hygon", 24, 1), "hygon", "v1"),
            (AMD | nfd_cpu("VIA", 7, 59), "zhaoxin", "v1"),
            (AMD | nfd_cpu("VendorUnknown", 7, 59), "zhaoxin", "v1"),
            ({"kubernetes.io/arch": "loong64"}, "loongson", ""),
        ],
    )
    def test_discovery_tells_the_family(self, labels: dict[str, str], family: str, isa_level: str) -> None:
        found = facts(of=node(labels)).placeable
        assert (found.family, found.isa_level) == (family, isa_level)

    @pytest.mark.parametrize(
        "labels",
        [
            ARM | nfd_cpu("VendorUnknown", 31, 0x6633),  # FT-2000/4, D2000 or S2500
            ARM | nfd_cpu("VendorUnknown", 31, 0x6643),  # E2000 shows only with its other part
            ARM | nfd_cpu("ARM", 63, 0xD0C1),  # Altra or Graviton 2
            ARM | nfd_cpu("VendorUnknown", 31, 0xD020),  # a Kirin too
            AMD | nfd_cpu("VendorUnknown", 6, 25),
            AMD | nfd_cpu("VIA", 5, 1),
            AMD | nfd_cpu("VendorUnknown", 31, 53264),
            ARM | nfd_cpu("VendorUnknown", 31, 0) | {f"{NFD}cpu-model.id": "IBM"},
            ARM,
        ],
    )
    def test_what_is_not_certain_stays_unknown(self, labels: dict[str, str]) -> None:
        assert facts(of=node(labels)).hardware.family == "unknown"

    @pytest.mark.parametrize(
        ("family", "architecture", "isa_level"),
        [
            ("kunpeng-920", "arm64", "v8.2"),
            ("kunpeng-930", "arm64", "v8.0"),
            ("kunpeng-950", "arm64", "v8.0"),
            ("phytium-ft1500a", "arm64", "v8.0"),
            ("phytium-ft2000a2", "arm64", "v8.0"),
            ("phytium-ft2000plus", "arm64", "v8.0"),
            ("phytium-ft2000-4", "arm64", "v8.0"),
            ("phytium-d2000", "arm64", "v8.0"),
            ("phytium-s2500", "arm64", "v8.0"),
            ("phytium-e2000", "arm64", "v8.0"),
            ("phytium-d3000", "arm64", "v8.2"),
            ("ampere-altra", "arm64", "v8.2"),
            ("ampere-one", "arm64", "v8.0"),
            ("graviton2", "arm64", "v8.2"),
            ("graviton3", "arm64", "v8.2"),
            ("graviton4", "arm64", "v9.0"),
            ("hygon", "amd64", "v1"),
            ("zhaoxin", "amd64", "v1"),
            ("intel", "amd64", "v1"),
            ("amd", "amd64", "v1"),
            ("loongson", "loong64", ""),
        ],
    )
    def test_a_family_says_architecture_and_least_level(
        self, family: str, architecture: str, isa_level: str
    ) -> None:
        """Also on a node without the architecture's label, selected as the family is."""
        by_label = facts(of=node({"suanli.io/cpu-family": family})).placeable
        by_profile = facts({"selector": {}, "family": family}, of=node({"pool": "a"})).placeable
        assert by_label == by_profile
        assert (by_label.family, by_label.architecture, by_label.isa_level) == (family, architecture, isa_level)

    def test_a_family_of_another_architecture_is_not_believed(self) -> None:
        labelled = facts(of=node(AMD | {"suanli.io/cpu-family": "kunpeng-920"}))
        assert (labelled.class_name, labelled.conflicts) == ("amd64.unknown.unknown.none", ())
        profiled = facts({"selector": {}, "family": "kunpeng-920"}, of=node(AMD))
        assert profiled.class_name == "amd64.unknown.unknown.none"
        assert profiled.conflicts == ("nodeProfiles[0] says family kunpeng-920 but the node is amd64",)

    def test_an_unknown_label_value_is_no_fact(self) -> None:
        assert facts(of=node(ARM | {"suanli.io/cpu-family": "unknown"})).selectors.keys() == {
            "architecture",
            "isaLevel",
        }


class TestOs:
    @pytest.mark.parametrize(
        ("image", "word"),
        [
            ("Kylin Linux Advanced Server V10 (Lance)", "kylin-v10"),
            ("Kylin V10 SP1", "kylin-v10"),
            ("Kylin Linux Advanced Server V11", "kylin-v11"),
            ("openEuler 22.03 (LTS-SP3)", "openeuler"),
            ("UnionTech OS Server 20", "uos"),
            ("UOS Server 20", "uos"),
            ("Anolis OS 8.8", "anolis"),
            ("Deepin 20.9", "deepin"),
            ("Debian GNU/Linux 12 (bookworm)", "debian"),
            ("Ubuntu 22.04.4 LTS", "ubuntu"),
            ("Bottlerocket OS 1.20", "unknown"),
            ("", "unknown"),
        ],
    )
    def test_the_image_name_is_shown_and_never_placed_by(self, image: str, word: str) -> None:
        found = facts(of=node(ARM, osImage=image))
        assert (found.hardware.os, found.placeable.os) == (word, "unknown")

    @pytest.mark.parametrize(
        ("identity", "version", "word"),
        [
            ("kylin", "V10", "kylin-v10"),
            ("kylin", "v10", "kylin-v10"),
            ("openEuler", "22.03", "openeuler"),
            ("uos", "20", "uos"),
            ("anolis", "8.8", "anolis"),
            ("deepin", "20.9", "deepin"),
            ("debian", "12", "debian"),
            ("ubuntu", "22.04", "ubuntu"),
            ("bottlerocket", "1", "unknown"),
        ],
    )
    def test_discovery_tells_the_system(self, identity: str, version: str, word: str) -> None:
        labels = {f"{NFD}system-os_release.ID": identity, f"{NFD}system-os_release.VERSION_ID": version}
        assert facts(of=node(labels)).placeable.os == word

    def test_a_profile_that_agrees_with_the_image_makes_it_placeable(self) -> None:
        found = facts({"selector": {}, "os": "kylin-v10"}, of=node(ARM, osImage="Kylin Linux Advanced Server V10"))
        assert found.placeable.os == "kylin-v10"


class TestIsaLevel:
    @pytest.mark.parametrize(
        ("labels", "level"),
        [
            (ARM, "v8.0"),
            (ARM | flags("ATOMICS"), "v8.1"),
            (ARM | flags("ATOMICS", "ASIMDRDM"), "v8.1"),
            (ARM | flags("ATOMICS", "ASIMDRDM", "DCPOP"), "v8.2"),
            (ARM | flags("ATOMICS", "ASIMDRDM", "DCPOP", "SVE", "SVE2"), "v9.0"),
            (AMD, "v1"),
            (AMD | flags("AVX"), "v2"),
            (AMD | flags("AVX", "AVX2", "FMA3"), "v3"),
            (AMD | flags("AVX2", "FMA3", "AVX512F", "AVX512BW", "AVX512CD", "AVX512DQ", "AVX512VL"), "v4"),
            (AMD | flags("AVX2", "FMA3", "AVX512F"), "v3"),
            (ARM | {"suanli.io/isa-level": "v8.2"}, "v8.2"),
            (ARM | {"suanli.io/isa-level": "v3"}, "v8.0"),
            (ARM | {"suanli.io/isa-level": "fast"}, "v8.0"),
            ({}, ""),
        ],
    )
    def test_level_by_label_and_flags(self, labels: dict[str, str], level: str) -> None:
        assert facts(of=node(labels)).placeable.isa_level == level

    @pytest.mark.parametrize(
        ("level", "least", "runs"),
        [
            ("v8.2", "v8.2", True),
            ("v9.0", "v8.2", True),
            ("v8.0", "v8.2", False),
            ("v3", "v2", True),
            ("v3", "v4", False),
            ("v3", "v8.0", False),
            ("v9.0", "v1", False),
            ("", "v1", False),
            ("v8.2", "nonsense", False),
        ],
    )
    def test_reaches(self, level: str, least: str, runs: bool) -> None:
        assert hardware.isa_reaches(level, least) is runs


class TestPages:
    def test_amd64_has_4_kib(self) -> None:
        assert facts(of=node(AMD)).placeable.page_size_kib == 4

    def test_arm64_is_unknown_until_told(self) -> None:
        assert facts(of=node(ARM)).hardware.page_size_kib == 0
        assert facts(of=node(ARM | {"suanli.io/page-size-kib": "64"})).placeable.page_size_kib == 64
        assert facts(of=node(ARM | {"suanli.io/page-size-kib": "large"})).hardware.page_size_kib == 0

    def test_a_kernel_name_is_shown_only(self) -> None:
        found = facts(of=node(ARM, kernelVersion="5.14.0-427.el9.aarch64+64k"))
        assert (found.hardware.page_size_kib, found.placeable.page_size_kib) == (64, 0)


class TestAccelerator:
    @pytest.mark.parametrize(
        "resource",
        [
            "huawei.com/Ascend910",
            "huawei.com/Ascend310P",
            "nvidia.com/gpu",
            "nvidia.com/mig-1g.5gb",
            "cambricon.com/mlu",
            "hygon.com/dcu",
            "iluvatar.com/gpu",
            "mthreads.com/gpu",
            "metax-tech.com/gpu",
            "enflame.com/gcu",
            "kunlunxin.com/xpu",
            "amd.com/gpu",
        ],
    )
    def test_the_resource_names_the_class_where_no_model_is_known(self, resource: str) -> None:
        found = facts(of=node(ARM, {resource: "8"}))
        assert found.class_name == f"arm64.unknown.unknown.{resource.replace('/', '_')}"
        assert (found.hardware.accelerator, found.hardware.accelerators) == (resource, (resource,))

    @pytest.mark.parametrize(
        "resource", ["rdma/hca", "nvidia.com/gpumem", "devices.kubevirt.io/kvm", "suanli.io/x", "hugepages-2Mi"]
    )
    def test_other_extended_resources_are_none(self, resource: str) -> None:
        assert facts(of=node(ARM, {resource: "8"})).class_name.endswith(".none")

    def test_an_accelerator_that_has_none_left_is_none(self) -> None:
        assert facts(of=node(ARM, {"nvidia.com/gpu": "0"})).class_name.endswith(".none")

    def test_several_count_under_the_first_by_name(self) -> None:
        found = facts(of=node(ARM, {"nvidia.com/gpu": "1", "hygon.com/dcu": "1", "rdma/hca": "1"})).hardware
        assert found.accelerator == "hygon.com/dcu"
        assert found.accelerators == ("hygon.com/dcu", "nvidia.com/gpu", "rdma/hca")

    @pytest.mark.parametrize(
        ("labels", "resource", "model"),
        [
            ({"suanli.io/accelerator-model": "ascend910b"}, "huawei.com/Ascend910", "ascend910b"),
            ({"node.kubernetes.io/npu.chip.name": "910B3"}, "huawei.com/Ascend910", "ascend910b"),
            ({"node.kubernetes.io/npu.chip.name": "310P3"}, "huawei.com/Ascend310P", "ascend310p"),
            ({"node.kubernetes.io/npu.chip.name": "910"}, "huawei.com/Ascend910", "ascend910"),
            ({"node.kubernetes.io/npu.chip.name": "910ProB"}, "huawei.com/Ascend910", "ascend910prob"),
            ({"nvidia.com/gpu.product": "A100-SXM4-40GB"}, "nvidia.com/gpu", "a100-sxm4-40gb"),
        ],
    )
    def test_labels_tell_the_model(self, labels: dict[str, str], resource: str, model: str) -> None:
        found = facts(of=node(ARM | labels, {resource: "8"}))
        assert (found.placeable.accelerator_model, found.class_name.rsplit(".", 1)[1]) == (model, model)

    def test_another_vendors_label_does_not(self) -> None:
        labels = ARM | {"nvidia.com/gpu.product": "A100", "node.kubernetes.io/npu.chip.name": "910B3"}
        assert facts(of=node(labels, {"hygon.com/dcu": "1"})).hardware.accelerator_model == ""

    def test_a_model_without_an_accelerator_is_none(self) -> None:
        assert facts({"selector": {}, "acceleratorModel": "ascend910b"}, of=node(ARM)).class_name.endswith(".none")


KUNPENG = {"selector": {"matchLabels": {"pool": "a"}}, "family": "kunpeng-920", "os": "openeuler"}
PHYTIUM = {"selector": {"matchLabels": {"zone": "b"}}, "family": "phytium-s2500", "pageSizeKiB": 64}


class TestProfiles:
    def test_a_profile_speaks_for_nodes_under_its_selector(self) -> None:
        assert facts(KUNPENG, PHYTIUM, of=node(ARM | {"pool": "a"})).class_name == (
            "arm64.kunpeng-920.openeuler.none"
        )
        assert facts(KUNPENG, of=node(ARM | {"pool": "z"})).class_name == "arm64.unknown.unknown.none"

    def test_a_node_under_two_that_differ_is_unknown_and_named(self) -> None:
        both = facts(KUNPENG, PHYTIUM, of=node(ARM | {"pool": "a", "zone": "b"}))
        assert both.placeable.family == "unknown"
        assert both.conflicts == (
            "nodeProfiles[0] says family kunpeng-920, nodeProfiles[1] says family phytium-s2500",
        )

    def test_two_that_agree_or_speak_of_other_things_are_no_conflict(self) -> None:
        same = {"selector": {}, "family": "kunpeng-920", "pageSizeKiB": 4}
        found = facts(KUNPENG, same, of=node(ARM | {"pool": "a"}))
        assert (found.conflicts, found.placeable.family, found.placeable.page_size_kib) == ((), "kunpeng-920", 4)

    def test_our_own_label_goes_before_a_profile(self) -> None:
        found = facts(KUNPENG, of=node(ARM | {"pool": "a", "suanli.io/cpu-family": "phytium-d2000"}))
        assert (found.placeable.family, found.conflicts) == ("phytium-d2000", ())

    def test_discovery_that_says_otherwise_goes_before_a_profile_and_is_told(self) -> None:
        found = facts(KUNPENG, of=node(ARM | {"pool": "a"} | nfd_cpu("VendorUnknown", 31, 0x6622)))
        assert found.placeable.family == "phytium-ft2000plus"
        assert found.conflicts == (
            "nodeProfiles say family kunpeng-920, but the node's discovery labels phytium-ft2000plus",
        )

    def test_affinity_keeps_off_nodes_under_a_differing_profile(self) -> None:
        """Or the scheduler would bind to the node that counts as unknown."""
        (term,) = facts(KUNPENG, PHYTIUM, of=node(ARM | {"pool": "a"})).selectors["family"]
        for labels, meant in (({}, True), ({"zone": "b"}, False), ({"suanli.io/cpu-family": "hygon"}, False)):
            assert chosen((term,), ARM | {"pool": "a"} | labels) is meant

    def test_affinity_is_not_burdened_where_selectors_part_already(self) -> None:
        other = {"selector": {"matchLabels": {"pool": "b"}}, "family": "phytium-s2500"}
        (term,) = facts(KUNPENG, other, of=node(ARM | {"pool": "a"})).selectors["family"]
        assert [each.key for each in term] == ["pool", "suanli.io/cpu-family", "kubernetes.io/arch"]


class TestNode:
    def test_amounts_are_in_core_units(self) -> None:
        found = facts(of=node(resources={"huawei.com/Ascend910": "8"}))
        assert found.allocatable == {
            "cpu": 96_000,
            "memory": 512 * 1024**3,
            "pods": 110,
            "huawei.com/Ascend910": 8,
        }

    def test_of_thousands_of_resources_a_node_keeps_64_and_kubernetes_own_among_them(self) -> None:
        found = facts(of=node(resources={f"box.example/{number}": "1" for number in range(5000)}))
        for amounts in (found.allocatable, found.capacity):
            assert len(amounts) == 64
            assert {"cpu", "memory", "pods"} <= amounts.keys()

    def test_a_bad_amount_is_named_with_its_node(self) -> None:
        with pytest.raises(quantity.QuantityError, match="node n1: memory: 'much' is not a quantity"):
            facts(of=node(resources={"memory": "much"}))

    @pytest.mark.parametrize(("status", "ready"), [("True", True), ("False", False), ("Unknown", False)])
    def test_ready_is_the_condition(self, status: str, ready: bool) -> None:
        one = msgspec.convert({"status": {"conditions": [{"type": "Ready", "status": status}]}}, core_v1.Node)
        assert facts(of=one).ready is ready

    def test_cordoned_is_unschedulable(self) -> None:
        assert facts(of=msgspec.convert({"spec": {"unschedulable": True}}, core_v1.Node)).cordoned

    def test_uname_words_become_kubernetes_words(self) -> None:
        assert facts(of=node(architecture="aarch64")).hardware.architecture == "arm64"

    def test_nodes_that_are_alike_share_their_facts(self) -> None:
        reader = hardware.Reader("Cloud/c")
        one, two = reader.read(node(ARM | {"kubernetes.io/hostname": "a"})), reader.read(node(ARM))
        assert one.hardware is two.hardware
        assert one.selectors is two.selectors


KEYS = {
    "kubernetes.io/arch": ["arm64", "amd64"],
    "suanli.io/cpu-family": ["kunpeng-920", "hygon", "unknown", "intel"],
    "suanli.io/isa-level": ["v8.1", "v3"],
    "pool": ["a", "b"],
    "zone": ["1", "2"],
}
choices = {key: st.sampled_from(values) for key, values in KEYS.items()}
some_labels = st.fixed_dictionaries({}, optional=choices)
kubelets_labels = st.fixed_dictionaries(
    {"kubernetes.io/arch": choices["kubernetes.io/arch"]}, optional={key: choices[key] for key in [*KEYS][1:]}
)
expression = st.one_of(
    st.fixed_dictionaries(
        {"key": st.sampled_from(["pool", "zone"]), "operator": st.sampled_from(["Exists", "DoesNotExist"])}
    ),
    st.fixed_dictionaries(
        {
            "key": st.sampled_from(["pool", "zone"]),
            "operator": st.sampled_from(["In", "NotIn"]),
            "values": st.lists(st.sampled_from(["a", "b", "1", "2"]), min_size=1, max_size=2),
        }
    ),
)
some_profiles = st.lists(
    st.fixed_dictionaries(
        {"selector": st.fixed_dictionaries({"matchExpressions": st.lists(expression, max_size=2)})},
        optional={
            "family": st.sampled_from(["kunpeng-920", "phytium-s2500", "hygon"]),
            "os": st.sampled_from(["openeuler", "kylin-v10"]),
            "isaLevel": st.sampled_from(["v8.2", "v3"]),
            "pageSizeKiB": st.sampled_from([4, 64]),
        },
    ),
    max_size=3,
)
FIELDS = {
    "architecture": "architecture",
    "family": "family",
    "os": "os",
    "isaLevel": "isa_level",
    "pageSizeKiB": "page_size_kib",
}


def chosen(terms: hardware.Terms, labels: dict[str, str]) -> bool:
    return any(all(sources.holds(each, labels) for each in term) for term in terms)


@given(some_labels, some_profiles)
def test_a_node_is_selected_by_its_own_facts(labels: dict[str, str], given_profiles: list[dict[str, Any]]) -> None:
    found = facts(*given_profiles, of=node(labels))
    assert all(chosen(terms, labels) for terms in found.selectors.values())


@given(kubelets_labels, kubelets_labels, some_profiles)
def test_whatever_is_selected_is_what_was_asked_for(
    labels: dict[str, str], others: dict[str, str], given_profiles: list[dict[str, Any]]
) -> None:
    """A fact's terms select no node of another kind in that cloud, where each node bears its architecture's label."""
    found, other = facts(*given_profiles, of=node(labels)), facts(*given_profiles, of=node(others))
    for fact, terms in found.selectors.items():
        architecture = found.selectors.get("architecture", ((),))
        if chosen(terms, others) and chosen(architecture, others):
            wanted, got = getattr(found.placeable, FIELDS[fact]), getattr(other.placeable, FIELDS[fact])
            assert got == wanted or (fact == "isaLevel" and hardware.isa_reaches(got, wanted))


@given(some_labels, some_profiles)
def test_only_what_can_be_selected_is_placeable(
    labels: dict[str, str], given_profiles: list[dict[str, Any]]
) -> None:
    found = facts(*given_profiles, of=node(labels, osImage="Ubuntu 22.04", architecture="arm64"))
    for fact, field in FIELDS.items():
        if fact in found.selectors:
            assert getattr(found.placeable, field) == getattr(found.hardware, field)
        else:
            assert getattr(found.placeable, field) in ("unknown", "", 0)
