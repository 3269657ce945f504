"""Environment variables, the downward API and what a container's words expand to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pod_makers import make_pod

from suanli_agent.core import env, fields, objects

PLACE = fields.Place("box", ("10.0.0.1",), ("10.1.1.2",), {"cpu": "4", "memory": "8Gi"})


def variables(container: dict[str, Any], sources: env.Sources | None = None) -> dict[str, str]:
    pod = make_pod({"name": "c", "image": "img", **container})
    return env.environment(pod, pod.spec.containers[0], PLACE, sources or env.Sources({}, {}), {})


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("$(A)", "1"),
        ("x$(A)y", "x1y"),
        ("$(B)", "$(B)"),
        ("$$(A)", "$(A)"),
        ("$A", "$A"),
        ("$$$(A)", "$1"),
        ("$(", "$("),
    ],
)
def test_references_expand_as_kubernetes_has_it(text: str, expanded: str) -> None:
    assert env.expand(text, {"A": "1"}) == expanded


@given(st.text(alphabet="ab $()", max_size=20))
def test_doubled_dollars_say_any_text_literally(text: str) -> None:
    assert env.expand(text.replace("$", "$$"), {"a": "1"}) == text


def test_later_variables_see_earlier_ones_and_win() -> None:
    found = variables(
        {
            "envFrom": [{"prefix": "P_", "configMapRef": {"name": "m"}}],
            "env": [{"name": "A", "value": "$(P_k)!"}, {"name": "P_k", "value": "mine"}],
        },
        env.Sources({"m": objects.ConfigMap(data={"k": "v"})}, {}),
    )
    assert found == {"P_k": "mine", "A": "v!"}


def test_every_key_becomes_a_variable() -> None:
    """Also one that a shell could not name, as with kubelet since such names are allowed."""
    keys = {"1st": "a", "with.dot": "b", "-": "c"}
    for wanted in ({"configMapRef": {"name": "m"}}, {"secretRef": {"name": "s"}}):
        sources = env.Sources(
            {"m": objects.ConfigMap(data=keys)},
            {"s": objects.Secret(data={key: value.encode() for key, value in keys.items()})},
        )
        assert variables({"envFrom": [wanted]}, sources) == keys


@pytest.mark.parametrize("kind", ["configMapKeyRef", "secretKeyRef"])
def test_missing_object_or_key_is_named_unless_optional(kind: str) -> None:
    wanted = {"env": [{"name": "A", "valueFrom": {kind: {"name": "gone", "key": "k"}}}]}
    with pytest.raises(env.MissingError, match="gone"):
        variables(wanted)
    wanted["env"][0]["valueFrom"][kind]["optional"] = True  # type: ignore[index]
    assert variables(wanted) == {}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("metadata.name", "p"),
        ("metadata.labels['app']", "x"),
        ("spec.nodeName", "box"),
        ("status.hostIP", "10.0.0.1"),
        ("status.podIPs", "10.1.1.2"),
    ],
)
def test_field_references(path: str, value: str) -> None:
    pod = make_pod(meta={"labels": {"app": "x"}})
    assert fields.field(pod, PLACE, path) == value


def test_unknown_field_is_named() -> None:
    with pytest.raises(ValueError, match=r"status\.phase"):
        fields.field(make_pod(), PLACE, "status.phase")


@pytest.mark.parametrize(
    ("resource", "divisor", "value"),
    [
        ("limits.cpu", "1m", "1500"),
        ("limits.cpu", "0", "2"),
        ("limits.memory", "1Mi", "8192"),
        ("requests.memory", "0", "0"),
    ],
)
def test_resource_references_round_up_and_fall_back_to_the_node(resource: str, divisor: str, value: str) -> None:
    pod = make_pod({"name": "c", "image": "img", "resources": {"limits": {"cpu": "1500m"}}})
    ref = objects.ResourceFieldSelector(container_name="c", resource=resource, divisor=divisor)
    assert fields.resource(pod.spec, pod.spec.containers[0], ref, PLACE) == value


def test_labels_file_escapes_quotes() -> None:
    assert fields.formatted({"b": 'say "x"', "a": "1"}) == 'a="1"\nb="say \\"x\\""'


def test_services_of_the_namespace_and_the_hub_s_address() -> None:
    found = objects.Service(
        metadata=objects.ObjectMeta(name="my-web", namespace="default"),
        spec=objects.ServiceSpec(cluster_ip="10.9.0.1", ports=[objects.ServicePort(name="http", port=80)]),
    )
    result = env.services([found], "default", ("1.2.3.4", 6443), links=True)
    assert result["KUBERNETES_SERVICE_HOST"] == "1.2.3.4"
    assert result["MY_WEB_SERVICE_PORT_HTTP"] == "80"
    assert result["MY_WEB_PORT_80_TCP_ADDR"] == "10.9.0.1"
    assert "MY_WEB_SERVICE_HOST" not in env.services([found], "default", ("1.2.3.4", 6443), links=False)
