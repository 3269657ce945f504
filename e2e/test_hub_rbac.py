"""The operator as its own account on the hub, policies/hub-rbac.yaml, with all it has to do: the rights suffice."""

from collections.abc import Iterator

import pytest

from suanli_clusters import Clusters, SimulatedNode, controller, fleet, until
from suanli_operator import City

SITES = "/apis/suanli.io/v1alpha1/edgesites"


@pytest.fixture(scope="module")
def city(clusters: Clusters) -> Iterator[City]:
    with clusters.running("rbac-hub") as hub, clusters.running("rbac-cloud") as cloud:
        for member in (hub, cloud):
            member.create_nodes(fleet("node", 2, SimulatedNode(name="")))
        made = City(hub)
        controller.join(hub, cloud, "--clearance", "Core")
        made.register_local("local")
        with controller.Operator(clusters, hub) as operator:
            made.operator = operator
            for name in ("rbac-cloud", "local"):
                made.until_cloud(name, "True", "Connected")
            yield made


def refusals(city: City) -> list[str]:
    assert city.operator is not None
    return [line for line in city.operator.log.read_text().splitlines() if "orbidden" in line or "cannot " in line]


def test_workloads_with_what_they_name_reach_the_cloud_and_the_hub(city: City) -> None:
    pod = {
        "containers": [
            {
                "name": "app",
                "image": "busybox",
                "envFrom": [{"configMapRef": {"name": "settings"}}, {"secretRef": {"name": "password"}}],
                "resources": {"requests": {"cpu": "100m"}},
            }
        ]
    }
    with city.namespace("rights") as space:
        space.apply(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "settings"}, "data": {"a": "b"}},
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "password"}, "stringData": {"c": "d"}},
        )
        for target in ("rbac-cloud", "local"):
            placement = {"require": [{"key": "cloud", "operator": "In", "values": [target]}]}
            spec = {"type": "Deployment", "template": {"spec": pod}, "replicas": 2, "placement": placement}
            space.workload(f"in-{target}", spec).until_ready()
    assert refusals(city) == []


def test_a_site_gets_its_rights_and_tokens(city: City) -> None:
    spec = {"district": "370811"}
    site = {"apiVersion": "suanli.io/v1alpha1", "kind": "EdgeSite", "metadata": {"name": "gate"}, "spec": spec}
    city.hub.apply(site)

    def ready() -> bool:
        conditions = city.hub.api.get(f"{SITES}/gate")["status"]["conditions"]
        return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)

    until(ready, "the site open for joining", seconds=60)
    assert "suanli-agent join" in controller.verb(city.hub, "token", "create", "--site", "gate")
    assert refusals(city) == []


@pytest.mark.parametrize(
    ("verb", "resource"),
    [
        ("create", "pods"),
        ("create", "secrets"),
        ("delete", "secrets"),
        ("patch", "configmaps"),
        ("delete", "namespaces"),
        ("create", "serviceaccounts"),
        ("escalate", "clusterroles.rbac.authorization.k8s.io"),
        ("bind", "clusterroles.rbac.authorization.k8s.io"),
        ("impersonate", "users"),
        ("create", "computeworkloads.suanli.io"),
        ("delete", "clouds.suanli.io"),
        ("*", "*"),
    ],
)
def test_what_it_never_does_it_may_not_do(city: City, verb: str, resource: str) -> None:
    account = "--as=system:serviceaccount:suanli-system:suanli-controller"
    answer = city.hub.kubectl("auth", "can-i", verb, resource, account, "--all-namespaces", check=False)
    assert answer.strip() == "no"
