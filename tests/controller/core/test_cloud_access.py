"""What `cloud join` makes in a cloud: least rights, in the order in which they can be made."""

import yaml

from suanli_controller.core import cloud_access
from suanli_controller.kube import kubeconfig


def test_no_grant_is_a_wildcard_and_each_says_why() -> None:
    for grant in cloud_access.GRANTS:
        assert "*" not in (grant.group, *grant.resources, *grant.verbs)
        assert grant.why


def test_nothing_granted_writes_nodes_pods_accounts_or_rights() -> None:
    writes = {"create", "update", "patch", "delete", "deletecollection", "escalate", "bind", "impersonate"}
    written = {each for grant in cloud_access.GRANTS if writes & set(grant.verbs) for each in grant.resources}
    assert written == {"namespaces", "deployments", "daemonsets", "jobs", "configmaps", "secrets"}


def test_every_object_comes_after_what_it_stands_on() -> None:
    assert [each["kind"] for each in cloud_access.account()] == [
        "Namespace",
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
        "Secret",
    ]


def test_the_kubeconfig_is_one_that_the_controller_takes() -> None:
    made = cloud_access.kubeconfig("rencheng", {"server": "https://[fd00::1]:6443", "proxy-url": ""}, "token")
    way = kubeconfig.from_secret(yaml.safe_dump(made).encode())
    assert (way.server, way.proxy) == ("https://[fd00::1]:6443", "")
