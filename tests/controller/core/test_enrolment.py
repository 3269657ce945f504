"""What the hub makes for a site: tokens, the rights of tokens, and what it gives each box."""

import base64
import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from suanli_controller.api import core_v1, meta, names, site
from suanli_controller.core import enrolment

PREFIX = names.GRANTED_PREFIX
NORTH = site.EdgeSite(
    metadata=meta.ObjectMeta(name="north", uid="u-1"),
    spec=site.EdgeSiteSpec(district="370811", clearance="Important", node_labels={"role": "camera"}),
)
EDGE = core_v1.Taint(key=names.EDGE_TAINT, effect="NoSchedule")


def test_a_join_token_is_a_bootstrap_token_of_its_site() -> None:
    """Kubernetes' own form: the API server authenticates it, the token cleaner removes it when it ends."""
    ends = dt.datetime(2030, 1, 1, tzinfo=dt.UTC)
    made = enrolment.join_token(NORTH, ("abcdef", "0123456789abcdef"), ends)
    assert made["metadata"]["name"] == "bootstrap-token-abcdef"
    assert made["metadata"]["namespace"] == "kube-system"
    assert made["type"] == "bootstrap.kubernetes.io/token"
    assert made["stringData"]["auth-extra-groups"] == "system:bootstrappers:suanli:north"
    assert made["stringData"]["expiration"] == "2030-01-01T00:00:00Z"
    assert made["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    assert made["metadata"]["annotations"] == {}


def test_a_token_for_one_node_says_so() -> None:
    made = enrolment.join_token(NORTH, ("abcdef", "x"), dt.datetime.now(dt.UTC), "box-1", replace=True)
    assert made["metadata"]["annotations"] == {"suanli.io/node": "box-1", "suanli.io/replace": "true"}


def test_a_used_token_ends_soon_and_serves_its_box_alone() -> None:
    change = enrolment.spent("key", dt.datetime(2030, 1, 1, tzinfo=dt.UTC))
    assert change["metadata"]["annotations"] == {"suanli.io/spent-by": "key"}
    assert base64.b64decode(change["data"]["expiration"]) == b"2030-01-01T00:10:00Z"


def test_a_recovery_token_has_no_end_of_its_own() -> None:
    """A box may be away for longer than any date that one would choose."""
    made = enrolment.recovery_token(NORTH, "x")
    assert "expiration" not in made["stringData"]
    assert made["stringData"]["auth-extra-groups"] == "system:bootstrappers:suanli:north:recovery"
    assert made["metadata"]["name"] == f"bootstrap-token-{enrolment.recovery_id('north')}"


@given(st.text(min_size=1, max_size=63))
def test_a_recovery_id_is_a_token_id(name: str) -> None:
    """Six characters of a-z0-9: the API server looks for no others."""
    found = enrolment.recovery_id(name)
    assert len(found) == 6
    assert found.isalnum()
    assert found == found.lower()


def test_tokens_may_post_and_read_requests_and_nothing_else() -> None:
    rules = enrolment.joining_role()["rules"]
    assert rules == [
        {
            "apiGroups": ["certificates.k8s.io"],
            "resources": ["certificatesigningrequests"],
            "verbs": ["create", "get"],
        }
    ]


def test_boxes_read_their_sites_recovery_token_by_name() -> None:
    (rule,) = enrolment.recovery_role(NORTH)["rules"]
    assert rule["resourceNames"] == [f"bootstrap-token-{enrolment.recovery_id('north')}"]
    assert rule["verbs"] == ["get"]
    bound = enrolment.recovery_binding(NORTH, ["b", "a"])["subjects"]
    assert [each["name"] for each in bound] == ["system:node:a", "system:node:b"]


# --- what a box is given


def test_a_new_node_has_the_sites_labels_and_taints() -> None:
    made = enrolment.new_node(NORTH, "box-1", "key")
    assert made["metadata"]["labels"] == {
        f"{PREFIX}/site": "north",
        f"{PREFIX}/district": "370811",
        f"{PREFIX}/clearance": "Important",
        f"{PREFIX}/role": "camera",
        f"{PREFIX}/key-hash": "key",
        "kubernetes.io/hostname": "box-1",
    }
    assert made["spec"]["taints"] == [{"key": "suanli.io/edge", "effect": "NoSchedule"}]


def test_a_label_that_the_site_gives_no_longer_goes() -> None:
    present = {**enrolment.granted_labels(NORTH), f"{PREFIX}/old": "x", f"{PREFIX}/key-hash": "k", "team": "y"}
    assert enrolment.labels_change(NORTH, present) == {f"{PREFIX}/old": None}


@given(st.dictionaries(st.sampled_from([f"{PREFIX}/site", f"{PREFIX}/role", f"{PREFIX}/x", "team"]), st.text()))
def test_after_the_change_nothing_is_left_to_change(present: dict[str, str]) -> None:
    """Law: a second pass writes nothing, and what is not granted stays."""
    change = enrolment.labels_change(NORTH, present)
    after = {key: value for key, value in {**present, **change}.items() if value is not None}
    assert enrolment.labels_change(NORTH, after) == {}
    assert after.get("team") == present.get("team")


def test_taints_of_others_stay() -> None:
    """An operator's, and the node controller's not-ready; a taint of ours that the site dropped goes."""
    ready = core_v1.Taint(key="node.kubernetes.io/not-ready", effect="NoExecute")
    old = core_v1.Taint(key="suanli.io/quarantine", effect="NoSchedule")
    wanted = enrolment.taints_wanted(NORTH, [ready, old])
    assert {each["key"] for each in wanted} == {"suanli.io/edge", "node.kubernetes.io/not-ready"}


def test_taints_in_another_order_are_the_same() -> None:
    ready = core_v1.Taint(key="node.kubernetes.io/not-ready", effect="NoExecute")
    assert not enrolment.taints_differ(enrolment.taints_wanted(NORTH, [ready, EDGE]), [ready, EDGE])
    assert enrolment.taints_differ(enrolment.taints_wanted(NORTH, [ready]), [ready])


def test_a_time_that_is_none_is_left_out() -> None:
    """The box writes it: what it writes is not to be trusted to be a time."""
    for text in ("soon", "", "2030-01-01T00:00:00"):
        notes = {names.CERTIFICATE_EXPIRES_ANNOTATION: text}
        assert enrolment.expires(core_v1.Node(metadata=meta.ObjectMeta(annotations=notes))) is None
