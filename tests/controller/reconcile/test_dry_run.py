"""A template is shown to an API server once, however many workloads have it."""

import asyncio
from typing import Any

from tests import bare_city

from suanli_controller.api import meta, workload
from suanli_controller.kube import errors
from suanli_controller.reconcile import dry_run


def item(name: str, image: str = "a") -> workload.ComputeWorkload:
    pod = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return workload.ComputeWorkload(
        metadata=meta.ObjectMeta(name=name, namespace="n", uid=name),
        spec=workload.ComputeWorkloadSpec(type="Deployment", template=pod),
    )


async def test_alike_workloads_that_come_at_once_share_one_question() -> None:
    hub: Any = bare_city.Judge()
    checks = dry_run.Checks(hub, "hub")
    assert set(await asyncio.gather(*(checks.refusal(item(f"w{n}")) for n in range(20)))) == {""}
    assert hub.asked == 1
    await checks.refusal(item("other", image="b"))
    assert hub.asked == 2


async def test_who_waited_for_a_question_that_failed_asks_again() -> None:
    hub: Any = bare_city.Judge(errors.Unreachable("away"))
    checks = dry_run.Checks(hub, "hub")
    found = await asyncio.gather(*(checks.refusal(item(f"w{n}")) for n in range(3)), return_exceptions=True)
    assert [type(each) for each in found] == [errors.Unreachable] * 3
    hub.refusal = None
    assert await checks.refusal(item("w")) == ""


async def test_alike_workloads_share_a_question_that_fails() -> None:
    """One after the other they would wait for a time limit each, and hold up all that is to be written meanwhile."""
    hub: Any = bare_city.Judge(errors.Unreachable("away"))
    checks = dry_run.Checks(hub, "hub")
    await asyncio.gather(*(checks.refusal(item(f"w{n}")) for n in range(20)), return_exceptions=True)
    assert hub.asked == 1


async def test_a_refusal_is_not_remembered() -> None:
    """A policy of one namespace may have made it, or one that is lifted meanwhile."""
    hub: Any = bare_city.Judge(errors.Invalid(errors.Status(code=422, message="no")))
    checks = dry_run.Checks(hub, "hub")
    assert "no" in await checks.refusal(item("w"))
    hub.refusal = None
    assert await checks.refusal(item("w")) == ""
