"""What is generated for one (target, build). Golden pairs: `pytest --regenerate` writes the output files anew."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from tests import works

from suanli_controller.api import template, workload
from suanli_controller.core import hardware, objects

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*.input.yaml"))


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.name.partition(".")[0])
def test_what_is_generated_is_what_was_agreed(path: Path, request: pytest.FixtureRequest) -> None:
    given = yaml.safe_load(path.read_text())
    made = objects.generate(
        msgspec.convert(given["workload"], workload.ComputeWorkload),
        msgspec.convert(given["share"], objects.Share),
        msgspec.convert(given["placed"], objects.Placed),
    )
    output = path.with_name(path.name.replace(".input.", ".output."))
    if request.config.getoption("--regenerate"):
        output.write_text(yaml.safe_dump(msgspec.to_builtins(made), sort_keys=False))
    assert msgspec.to_builtins(made) == yaml.safe_load(output.read_text())


PLACED = objects.Placed("hub-1")


def test_the_template_itself_is_never_changed() -> None:
    item = works.work(variants=[{"name": "a", "containers": [{"name": "app", "image": "other"}]}])
    before = msgspec.json.encode(item)
    terms = ((hardware.Expression("arch", "In", ("arm64",)),),)
    objects.generate(item, objects.Share("EdgeSite/gate", "a", 1), objects.Placed("hub-1", terms, "office"))
    assert msgspec.json.encode(item) == before


ENDS = st.text("az09", min_size=1, max_size=2)
LABEL = st.builds("{}{}{}".format, ENDS, st.text("a9-", max_size=40), ENDS)
WORKLOAD_NAME = st.builds("{}{}{}".format, ENDS, st.text("a9-.", max_size=200), ENDS)


@given(WORKLOAD_NAME, LABEL, LABEL)
def test_a_name_is_within_the_limit_and_a_name_of_kubernetes(name: str, variant: str, site: str) -> None:
    for target in ("Cloud/core", f"EdgeSite/{site}"):
        made = objects.object_name(name, variant, target)
        assert len(made) <= objects.NAME_LIMIT
        assert made[0].isalnum()
        assert made[-1].isalnum()


@given(WORKLOAD_NAME, st.lists(st.tuples(LABEL, LABEL), min_size=2, max_size=2, unique=True))
def test_builds_and_sites_of_one_workload_have_names_of_their_own(
    name: str, places: list[tuple[str, str]]
) -> None:
    made = {objects.object_name(name, variant, f"EdgeSite/{site}") for variant, site in places}
    assert len(made) == 2


def test_a_name_that_fits_is_left_as_people_expect_it() -> None:
    assert objects.object_name("web", "ascend", "Cloud/core") == "web-ascend"
    assert objects.object_name("web", "ascend", "EdgeSite/gate") == "web-ascend-gate"


def template_of(manifest: dict[str, Any]) -> dict[str, Any]:
    pods: dict[str, Any] = manifest["spec"]["template"]
    return pods


def test_a_builds_variables_replace_the_templates_by_name_in_its_order() -> None:
    container = {**works.CONTAINER, "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}
    over = {"name": "app", "env": [{"name": "C", "value": "4"}, {"name": "A", "value": "3"}]}
    item = works.work(pod={"containers": [container]}, variants=[{"name": "x", "containers": [over]}])
    made = objects.generate(item, objects.Share("Cloud/core", "x", 1), PLACED)
    env = template_of(made)["spec"]["containers"][0]["env"]
    assert [(each["name"], each["value"]) for each in env] == [("A", "3"), ("B", "2"), ("C", "4")]


def test_a_builds_own_resources_take_the_place_of_the_templates() -> None:
    over = {"name": "app", "resources": {"requests": {"cpu": "4"}}}
    item = works.work(variants=[{"name": "x", "containers": [over]}])
    made = objects.generate(item, objects.Share("Cloud/core", "x", 1), PLACED)
    assert template_of(made)["spec"]["containers"][0]["resources"] == {"requests": {"cpu": "4"}}


def test_each_alternative_of_the_template_is_joined_with_each_of_ours() -> None:
    field = {"key": "metadata.name", "operator": "In", "values": ["n1"]}
    own = [{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}, {"matchFields": [field]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": own}}
    item = works.work(pod={"affinity": {"nodeAffinity": required}})
    terms = (works.term(arch="arm64"), works.term(arch="amd64"))
    made = objects.generate(item, objects.Share("Cloud/core", "default", 1), objects.Placed("hub-1", terms))
    affinity = template_of(made)["spec"]["affinity"]["nodeAffinity"]
    found = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert [len(each["matchExpressions"]) for each in found] == [2, 2, 1, 1]


@pytest.mark.parametrize(
    ("own", "left"), [([{}], [{}]), ([{}, {"matchExpressions": [{"key": "a", "operator": "Exists"}]}], 1)]
)
def test_an_alternative_of_the_template_that_selects_nothing_selects_nothing(own: Any, left: Any) -> None:
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": own}}
    item = works.work(pod={"affinity": {"nodeAffinity": required}})
    placed = objects.Placed("hub-1", (works.term(arch="arm64"),))
    made = objects.generate(item, objects.Share("Cloud/core", "default", 1), placed)
    affinity = template_of(made)["spec"]["affinity"]["nodeAffinity"]
    found = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert left in (found, len(found))


@given(st.integers(0, 50), st.integers(0, 50))
def test_counts_and_nodes_leave_the_digest_of_the_content_alone(one: int, other: int) -> None:
    """Else a scale or a new node would look like a new template, and roll every pod."""
    item = works.work()
    made = [
        objects.generate(item, objects.Share("Cloud/core", "default", one), PLACED),
        objects.generate(
            item, objects.Share("Cloud/core", "default", other), objects.Placed("hub-1", (works.term(a="b"),))
        ),
    ]
    digests = [each["metadata"]["annotations"]["suanli.io/content-digest"] for each in made]
    assert digests[0] == digests[1]


def test_another_template_has_another_digest() -> None:
    made = [
        objects.generate(works.work(pod=pod), objects.Share("Cloud/core", "default", 1), PLACED)
        for pod in ({}, {"hostNetwork": True})
    ]
    digests = [each["metadata"]["annotations"]["suanli.io/content-digest"] for each in made]
    assert digests[0] != digests[1]


def test_sites_do_not_adopt_each_others_pods() -> None:
    selectors = [
        objects.generate(works.work(), objects.Share(f"EdgeSite/{site}", "default", 1), PLACED)["spec"]["selector"]
        for site in ("north", "south")
    ]
    assert selectors[0] != selectors[1]


@given(st.integers(1, 1000), st.lists(st.integers(0, 100), min_size=1, max_size=10))
def test_completions_are_shared_out_whole(total: int, parallelism: list[int]) -> None:
    shares = objects.completions_of(total, parallelism)
    assert sum(shares) == (total if any(parallelism) else 0)
    assert all(not share or one for share, one in zip(shares, parallelism, strict=True))


def references(**pod: Any) -> dict[tuple[str, str], bool]:
    return objects.references(template.read(works.template(**pod)))


def test_every_way_to_name_a_config_map_or_a_secret_is_found() -> None:
    key = {"name": "key-map", "key": "a"}
    container = {
        **works.CONTAINER,
        "envFrom": [{"configMapRef": {"name": "all"}}, {"secretRef": {"name": "all-secret", "optional": True}}],
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": key}}],
    }
    init = {**works.CONTAINER, "name": "init", "env": [{"name": "B", "valueFrom": {"secretKeyRef": key}}]}
    sources = [{"secret": {"name": "projected"}}, {"configMap": {"name": "projected-map"}}]
    volumes = [
        {"name": "a", "configMap": {"name": "files"}},
        {"name": "b", "secret": {"secretName": "secret-files"}},
        {"name": "c", "projected": {"sources": sources}},
    ]
    pull = [{"name": "registry"}]
    assert references(containers=[container], initContainers=[init], volumes=volumes, imagePullSecrets=pull) == {
        ("ConfigMap", "all"): True,
        ("Secret", "all-secret"): False,
        ("ConfigMap", "key-map"): True,
        ("Secret", "key-map"): True,
        ("ConfigMap", "files"): True,
        ("Secret", "secret-files"): True,
        ("Secret", "projected"): True,
        ("ConfigMap", "projected-map"): True,
        ("Secret", "registry"): False,
    }


def test_what_a_build_alone_names_travels_too() -> None:
    key = {"name": "token", "key": "word"}
    over = {"name": "app", "env": [{"name": "TOKEN", "valueFrom": {"secretKeyRef": key}}]}
    item = works.work(variants=[works.build("plain"), {"name": "special", "containers": [over]}])
    assert objects.references_of(item) == {("Secret", "token"): True}


def test_what_every_cluster_makes_itself_does_not_travel() -> None:
    assert references(volumes=[{"name": "a", "configMap": {"name": "kube-root-ca.crt"}}]) == {}


def test_what_is_named_twice_is_needed_where_one_needs_it() -> None:
    volumes = [
        {"name": "a", "configMap": {"name": "files", "optional": True}},
        {"name": "b", "configMap": {"name": "files"}},
    ]
    assert references(volumes=volumes) == {("ConfigMap", "files"): True}
