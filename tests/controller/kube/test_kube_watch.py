"""Bytes of lists and watches into typed events, whatever the bytes are."""

import json
from typing import Any

import pytest

from suanli_controller.api.core_v1 import Node
from suanli_controller.kube import errors, index, resources, watch


def node(name: str, version: str = "1", **labels: str) -> dict[str, Any]:
    return {
        "metadata": {"name": name, "resourceVersion": version, "labels": labels, "managedFields": [{"x": [1, {}]}]}
    }


def lines(*events: Any) -> bytes:
    return b"\n".join(event if isinstance(event, bytes) else json.dumps(event).encode() for event in events)


def event(kind: str, obj: Any) -> dict[str, Any]:
    return {"type": kind, "object": obj}


BROKEN = {"metadata": {"name": "bad", "resourceVersion": "7"}, "spec": {"taints": 5}}
NODES = watch.Decoder(resources.NODES)


def test_events_are_typed_by_their_kind_and_object() -> None:
    found = NODES.events(
        lines(event("ADDED", node("a")), event("MODIFIED", node("a", "2")), event("DELETED", node("a", "3")))
    )
    assert [type(one) for one in found] == [watch.Added, watch.Modified, watch.Deleted]
    objects = [getattr(one, "object", None) for one in found]
    assert [(type(obj), obj.metadata.name) for obj in objects if obj] == [(Node, "a")] * 3


def test_a_bookmark_tells_its_resource_version_alone() -> None:
    (found,) = NODES.events(lines(event("BOOKMARK", {"kind": "Node", "metadata": {"resourceVersion": "88"}})))
    assert isinstance(found, watch.Bookmark)
    assert found.object.metadata.resource_version == "88"


def test_an_error_event_carries_its_status() -> None:
    status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    (found,) = NODES.events(lines(event("ERROR", status)))
    assert isinstance(found, watch.Failure)
    assert isinstance(errors.from_status(found.object), errors.Gone)


def test_an_undecodable_object_costs_nothing_but_itself() -> None:
    found = NODES.events(lines(event("ADDED", node("a")), event("MODIFIED", BROKEN), event("ADDED", node("b"))))
    assert [type(one) for one in found] == [watch.Added, watch.Skipped, watch.Added]
    assert found[1] == watch.Skipped("MODIFIED", "bad", "7")


@pytest.mark.parametrize(
    "garbage", [b"not json", b'{"type":5}', b"\xff\xfe", b"[]", b'{"type":"NEW","object":{}}', b"null"]
)
def test_a_line_that_is_no_event_is_skipped(garbage: bytes) -> None:
    found = NODES.events(lines(garbage, event("ADDED", node("a"))))
    assert [type(one) for one in found] == [watch.Skipped, watch.Added]


def test_a_page_gives_its_items_and_where_the_next_begins() -> None:
    page, skipped = NODES.page(
        json.dumps({"metadata": {"resourceVersion": "9", "continue": "c"}, "items": [node("a")]}).encode()
    )
    assert [one.metadata.name for one in page.items] == ["a"]
    assert (page.metadata.resource_version, page.metadata.next, skipped) == ("9", "c", [])


def test_an_undecodable_item_is_left_out_of_its_page_and_named() -> None:
    page, skipped = NODES.page(json.dumps({"metadata": {}, "items": [node("a"), BROKEN, 5, node("b")]}).encode())
    assert [one.metadata.name for one in page.items] == ["a", "b"]
    assert skipped == [watch.Skipped("ADDED", "bad", "7"), watch.Skipped("ADDED")]


@pytest.mark.parametrize("body", [b"<html>", b"[]", b'{"items": 5}', b""])
def test_what_is_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(errors.Undecodable):
        NODES.page(body)


def test_the_next_page_is_found_without_its_items() -> None:
    assert watch.next_page(b'{"items": [{"metadata": 5}], "metadata": {"continue": "c"}}') == "c"
    assert watch.next_page(b'{"metadata": {"resourceVersion": "9"}}') == ""
    with pytest.raises(errors.Undecodable):
        watch.next_page(b"<html>")


@pytest.mark.parametrize(
    ("start", "told"),
    [
        (
            b'{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"9","continue":"c"},"items":[{"me',
            "c",
        ),
        (b'{"kind":"JobList","apiVersion":"batch/v1","metadata":{"resourceVersion":"9"},"items":[]}', ""),
        (b'{"apiVersion":"suanli.io/v1alpha1","items":[{"metadata":{"continue":"no"}}],"kind":"CloudList"', None),
        (b'{"kind":"NodeList","apiVersion":"v1","metadata":{"resourceVersion":"9","conti', None),
        (b'{"kind":"NodeList","apiVersion":"v1","metadata":{"continue":5},"items":[', None),
        (b"<html>", None),
    ],
)
def test_the_next_page_is_told_by_the_start_of_a_list_or_left_open(start: bytes, told: str | None) -> None:
    assert watch.next_page_from_start(start) == told


def typed(name: str, **labels: str) -> Node:
    (found,) = NODES.events(lines(event("ADDED", node(name, **labels))))
    assert isinstance(found, watch.Added)
    return found.object


def test_an_index_follows_objects_as_their_words_change() -> None:
    made: index.Index[Node] = index.Index(lambda one: one.metadata.labels.values())
    before, after = typed("a", arch="arm64", zone="z1"), typed("a", arch="arm64", zone="z2")
    made.update(None, before)
    made.update(before, after)
    assert (dict(made["arm64"]), dict(made["z1"]), dict(made["z2"])) == ({"a": after}, {}, {"a": after})
    made.update(after, None)
    assert not made["arm64"]
    assert not made["z2"]


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (resources.NODES, ("", "n1"), "/api/v1/nodes/n1"),
        (resources.NODES, ("ignored", "n1", "status"), "/api/v1/nodes/n1/status"),
        (resources.DEPLOYMENTS, ("a", "b"), "/apis/apps/v1/namespaces/a/deployments/b"),
        (resources.DEPLOYMENTS, (), "/apis/apps/v1/deployments"),
    ],
)
def test_a_resource_knows_its_path(
    resource: resources.Resource[Any], arguments: tuple[str, ...], path: str
) -> None:
    assert resource.path(*arguments) == path


@pytest.mark.parametrize("key", [("", "n1"), ("ns", "n1")])
def test_a_key_splits_into_what_it_was_made_of(key: tuple[str, str]) -> None:
    assert resources.split_key(resources.key(*key)) == key
