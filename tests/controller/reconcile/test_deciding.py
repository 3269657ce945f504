"""What a template may say without keeping its workload from being decided, and from being deleted."""

import contextlib
import datetime as dt
import time
from typing import Any, Final

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests import bare_city, works

from suanli_controller.api import names, template, workload
from suanli_controller.core import objects, rules
from suanli_controller.kube import errors, informer, kinds
from suanli_controller.reconcile import cluster, dry_run
from suanli_controller.reconcile import workload as workloads

KEY = "office/web"


@pytest.fixture
def items() -> workloads.Workloads:
    here = bare_city.made()
    hub: Any = here.hub
    priorities = cluster.Cluster("hub", hub, "hub", here).priority_classes
    return workloads.Workloads(
        here, informer.Informer(hub, kinds.WORKLOADS), priorities, informer.Informer(hub, kinds.ALGORITHMS)
    )


def item(*, deleting: bool = False, **metadata: Any) -> workload.ComputeWorkload:
    """A workload that was prepared; `metadata` is its template's."""
    made = works.work(template={**works.template(), "metadata": metadata})
    since = dt.datetime(2026, 1, 2, tzinfo=dt.UTC) if deleting else None
    meta = msgspec.structs.replace(
        made.metadata,
        finalizers=[names.WORKLOAD_FINALIZER],
        deletion_timestamp=since,
        resource_version="8" if deleting else "7",
    )
    return msgspec.structs.replace(made, metadata=meta)


async def decided(items: workloads.Workloads, one: workload.ComputeWorkload) -> list[str]:
    items.items._put(one)
    keys = await items.city.workloads.get_batch()
    return items._decided(keys)


@pytest.mark.parametrize("deleting", [False, True])
async def test_labels_that_are_null_are_no_labels(items: workloads.Workloads, *, deleting: bool) -> None:
    """As charts write them that have none to give."""
    assert await decided(items, item(deleting=deleting, labels=None, annotations=None)) == [KEY]


@pytest.mark.parametrize(("deleting", "carried_out"), [(False, []), (True, [KEY])])
async def test_what_cannot_be_decided_can_go(
    items: workloads.Workloads, monkeypatch: pytest.MonkeyPatch, *, deleting: bool, carried_out: list[str]
) -> None:
    """A fault of ours in deciding is none in deleting."""
    monkeypatch.setattr(rules, "ask_of", lambda *_: 1 / 0)
    assert await decided(items, item(deleting=deleting)) == carried_out


async def test_a_template_is_read_again_after_a_fault(
    items: workloads.Workloads, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(rules, "ask_of", lambda *_: 1 / 0)
        assert await decided(items, item()) == []
    assert items._decided([KEY]) == [KEY]
    assert items.records[KEY].ask is not None


async def test_what_an_api_server_refused_is_shown_to_it_again_after_a_while(items: workloads.Workloads) -> None:
    """A policy of the hub denies with 422, as a fault of the template is, and may be lifted."""
    hub: Any = bare_city.Judge(errors.Invalid(errors.Status(code=422, message="no")))
    items.checks = dry_run.Checks(hub, "hub")
    await decided(items, item())
    record = items.records[KEY]
    await items._prepare(record)
    items._observe(KEY)
    assert (record.invalid, record.is_prepared) == ("variant default: no", True)
    assert record.ask_again - time.monotonic() <= workloads.ASK_AGAIN_SECONDS
    record.ask_again = time.monotonic()
    items._observe(KEY)
    assert not record.is_prepared
    hub.refusal = None
    await items._prepare(record)
    assert (record.invalid, record.is_placeable, hub.asked) == ("", True, 2)


JUNK: Final[tuple[Any, ...]] = (
    None,
    "x",
    3,
    [],
    {},
    [None],
    ["a"],
    [{}],
    {"a": None},
    {"a": "b"},
    {"a": {}},
    [{"a": None}],
)
CONTAINER: Final = {
    **works.CONTAINER,
    "env": [{"name": "A", "value": "1"}],
    "envFrom": [{"configMapRef": {"name": "c"}}],
    "ports": [{"containerPort": 80}],
}
TERMS: Final = {"nodeSelectorTerms": [{"matchExpressions": [{"key": "disk", "operator": "Exists"}]}]}
FULL: Final = {
    "metadata": {"labels": {"app": "web"}, "annotations": {"a": "b"}},
    "spec": {
        "containers": [CONTAINER],
        "initContainers": [{**CONTAINER, "name": "init"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": TERMS}},
        "tolerations": [{"key": "a", "operator": "Exists"}],
        "volumes": [{"name": "v", "projected": {"sources": [{"secret": {"name": "s"}}]}}],
        "imagePullSecrets": [{"name": "p"}],
        "serviceAccountName": "robot",
        "priorityClassName": "office",
    },
}


def paths(value: Any, *at: str | int) -> list[tuple[str | int, ...]]:
    """Those of all that the kind's own schema leaves open."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    below = [path for key, each in children for path in paths(each, *at, key)]
    closed = len(at) < 2 or not {"containers", "initContainers"}.isdisjoint(at[-2:])
    return below if closed or at[-1] == "name" else [at, *below]


def changed(value: Any, path: tuple[str | int, ...], new: Any) -> Any:
    if not path:
        return new
    copy: Any = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = changed(value[path[0]], path[1:], new)
    return copy


@given(st.sampled_from(paths(FULL)), st.sampled_from(JUNK))
@example(("metadata", "labels"), None)
@example(("spec", "containers", 0, "env"), [{}])
def test_what_the_rules_accept_every_reader_of_a_template_can_read(path: tuple[str | int, ...], new: Any) -> None:
    over = {"name": "app", "env": [{"name": "A", "value": "2"}]}
    made = works.work(template=changed(FULL, path, new), variants=[{"name": "x", "containers": [over]}])
    try:
        rules.ask_of(made)
    except rules.InvalidTemplate:
        with contextlib.suppress(template.MalformedTemplate):
            objects.references_of(made)
        return
    hub: Any = bare_city.Hub()
    assert not dry_run.Checks(hub, "hub").has_accepted(made)
    objects.references_of(made)
    terms = (works.term(arch="arm64"),)
    objects.generate(made, objects.Share("EdgeSite/gate", "x", 1), objects.Placed("hub", terms, "office"))
