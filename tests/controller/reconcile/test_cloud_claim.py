"""A cluster is read and written only once it is known whose it is."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
from tests import works

from suanli_controller.api import cloud, core_v1, meta, names, workload
from suanli_controller.core import intent
from suanli_controller.kube import client, errors, informer, kinds, resources, transport
from suanli_controller.reconcile import carrier, city, observation, wishes
from suanli_controller.reconcile import cloud as clouds
from suanli_controller.reconcile.record import Record

REF = "Cloud/c"
NOW = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
SERVER_ERROR = errors.ServerError(errors.Status(code=500, message="etcd is having a moment"))


class Api:
    """Stands in for client.Client of a cloud: its kube-system, its mark, and which kinds were listed."""

    guard = None
    connection = "the way there"
    settings = transport.Settings()

    def __init__(self, **mark: str) -> None:
        self.mark = mark
        self.is_listed = asyncio.Event()
        self.uid = "its own"
        self.minor = "30"
        self.trouble: errors.KubeError | None = None
        self.listed: set[str] = set()
        self.closed = False

    async def version(self, **_: Any) -> client.Version:
        return client.Version("1", self.minor, f"v1.{self.minor}.0")

    async def get(self, resource: Any, name: str, _namespace: str = "") -> Any:
        if self.trouble is not None:
            raise self.trouble
        if resource is resources.NAMESPACES:
            return core_v1.Namespace(metadata=meta.ObjectMeta(name=name, uid=self.uid))
        if not self.mark:
            raise errors.NotFound(errors.Status(code=404, message=name))
        return core_v1.ConfigMap(metadata=meta.ObjectMeta(name=name, resource_version="1"), data=self.mark)

    async def create(self, _resource: Any, made: Any) -> None:
        self.mark = made["data"]

    replace = create

    async def list_bytes(self, resource: Any, *_: Any, **__: Any) -> bytes:
        self.listed.add(resource.plural)
        self.is_listed.set()
        await asyncio.Event().wait()  # what is there is not looked at
        return b""

    async def delete(self, *_: Any, **__: Any) -> None:
        assert self.closed, "it may be another's while we still read and write there"
        self.mark = {}

    async def close(self) -> None:
        self.closed = True

    async def __aenter__(self) -> "Api":
        return self

    async def __aexit__(self, *_: object) -> None:
        """Another way to the same server."""


class Hub:
    """Stands in for client.Client of the hub: takes every write, and remembers the last."""

    guard = None
    written: Any = None

    async def patch(self, _resource: Any, _name: str, _namespace: str, change: Any, **_: Any) -> Any:
        self.written = change
        return change

    def record(self, *_: Any) -> None:
        """Events are not looked at."""


def made(name: str) -> cloud.Cloud:
    head = meta.ObjectMeta(name=name, resource_version="1", finalizers=[names.CLOUD_FINALIZER])
    access = cloud.CloudAccess(kubeconfig_secret_ref=cloud.SecretKeyRef(name=name))
    return cloud.Cloud(metadata=head, spec=cloud.CloudSpec(access=access, tier="District"))


class Stage:
    """One Cloud `c` whose cluster is called already, and an answer of its link has come."""

    def __init__(self, api: Any) -> None:
        hub: Any = Hub()
        self.hub, self.api = hub, api
        self.city = city.City(hub, "hub", "suanli-system", hub)
        secrets = informer.Informer(hub, resources.SECRETS.metadata_only)
        secrets._put(resources.PartialObject(metadata=meta.ObjectMeta("c", "suanli-system", resource_version="1")))
        items = informer.Informer(hub, kinds.CLOUDS)
        self.clouds = clouds.Clouds(self.city, items, secrets)
        for name in ("c", "other"):
            items._put(made(name))
        self.call()

    def call(self) -> None:
        """As `_connect` does with the Secret's kubeconfig."""
        self.clouds._connected["c"] = ("c", "kubeconfig", "1")
        self.city.add_cluster(REF, self.api)

    async def asked(self) -> None:
        """Wait for an answer of the link."""
        there = self.city.carriers[REF].there
        async with asyncio.timeout(10):
            while not there.link.asked:  # noqa: ASYNC110  # a few turns of the loop
                await asyncio.sleep(0)
        await there.link.ask()

    async def attend(self) -> tuple[str, str]:
        """One look at the Cloud; status and reason of Ready."""
        await self.asked()
        await self.clouds._reconcile("c")
        (ready,) = self.hub.written[1]["value"]["conditions"]
        return ready["status"], ready["reason"]

    async def reads(self) -> bool:
        """Whether the cluster's nodes are read, now or in a moment."""
        if self.city.carriers[REF].there.has_begun:
            async with asyncio.timeout(10):
                await self.api.is_listed.wait()
        return bool(self.api.listed)


@pytest.fixture
async def stage(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    """Whoever calls the cluster anew reaches the same; our mark is looked at each time."""
    monkeypatch.setattr(client, "Client", lambda _: request.param)
    monkeypatch.setattr(clouds, "RTT_SECONDS", 0)
    one = Stage(request.param)
    yield one
    await one.city.close()


def of(api: Api) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("stage", [api], indirect=True)


def the_hub_itself() -> Api:
    api = Api()
    api.uid = "hub"
    return api


def aged() -> Api:
    api = Api()
    api.minor = "21"
    return api


@pytest.mark.parametrize(
    ("stage", "reason"),
    [
        (Api(hubUid="hub", cloud="other"), "InvalidKubeconfig"),
        (Api(hubUid="another"), "ClaimedByOtherHub"),
        (the_hub_itself(), "InvalidKubeconfig"),
        (aged(), "VersionTooOld"),
    ],
    indirect=["stage"],
)
async def test_of_a_refused_cluster_nothing_is_read_and_what_a_status_says_is_there_is_held(
    stage: Stage, reason: str
) -> None:
    before = dict(stage.api.mark)
    assert await stage.attend() == ("False", reason)
    assert not await stage.reads()
    assert stage.api.mark == before
    assert observation.is_silent(stage.city, REF)


@of(Api())
async def test_a_cluster_is_read_once_it_bears_our_mark(stage: Stage) -> None:
    assert await stage.attend() == ("Unknown", "Connecting")
    assert stage.api.mark == {"hubUid": "hub", "cloud": "c"}
    assert await stage.reads()


@of(Api(hubUid="hub", cloud="gone"))
async def test_the_mark_of_a_cloud_that_is_gone_is_taken_over(stage: Stage) -> None:
    await stage.attend()
    assert stage.api.mark["cloud"] == "c"
    assert await stage.reads()


@of(Api())
async def test_a_mark_that_could_not_be_read_is_tried_again_with_backoff(stage: Stage) -> None:
    stage.api.trouble = SERVER_ERROR
    for failures in (1, 2, 3):
        assert await stage.attend() == ("Unknown", "Unreachable")
        assert stage.city.clouds.failures("c") == failures
    stage.api.trouble = None
    await stage.attend()
    assert stage.city.clouds.failures("c") == 0
    assert await stage.reads()


@pytest.mark.parametrize(
    ("stage", "change", "reason"),
    [
        (Api(), {"minor": "21"}, "VersionTooOld"),
        (Api(), {"mark": {"hubUid": "another"}}, "ClaimedByOtherHub"),
        (Api(), {"mark": {"hubUid": "hub", "cloud": "other"}}, "InvalidKubeconfig"),
    ],
    indirect=["stage"],
)
async def test_a_cloud_of_ours_that_is_refused_later_is_read_no_more_and_keeps_what_it_holds(
    stage: Stage, change: dict[str, Any], reason: str
) -> None:
    await stage.attend()
    for field, value in change.items():
        setattr(stage.api, field, value)
    assert await stage.attend() == ("False", reason)
    assert stage.api.closed
    assert not stage.city.carriers[REF].there.has_begun
    assert observation.is_silent(stage.city, REF)


@of(Api())
async def test_a_mark_that_cannot_be_looked_at_again_is_still_ours(stage: Stage) -> None:
    await stage.attend()
    stage.api.trouble = SERVER_ERROR
    assert await stage.attend() == ("Unknown", "Connecting")
    assert stage.city.carriers[REF].there.has_begun


@of(Api(hubUid="another"))
async def test_a_deletion_waits_for_a_refused_cloud_and_may_abandon_it(stage: Stage) -> None:
    """What has a place there is waited for as in a silent one; nothing else is."""
    await stage.attend()
    item: workload.ComputeWorkload = works.work()
    stage.city.carriers[REF].want(item.metadata.uid, carrier.Wants("office"))
    there = Record("office/web", item, given=intent.Intent({(REF, "default"): 2}))
    assert wishes.withdraw(stage.city, there) == {REF: True}
    assert wishes.withdraw(stage.city, Record("office/web", item, given=intent.Intent())) == {}


def leaving(**annotations: str) -> cloud.Cloud:
    """The Cloud, as it is being deleted with all that is there."""
    item = made("c")
    marked = {f"suanli.io/{key}": value for key, value in annotations.items()}
    head = msgspec.structs.replace(item.metadata, deletion_timestamp=NOW, annotations=marked)
    spec = msgspec.structs.replace(item.spec, deletion_policy="Delete")
    return msgspec.structs.replace(item, metadata=head, spec=spec)


@of(Api())
async def test_a_cloud_that_refuses_us_is_waited_for_by_its_deletion_until_it_is_abandoned(stage: Stage) -> None:
    await stage.attend()
    stage.api.trouble = errors.Forbidden(errors.Status(code=403, message="configmaps are forbidden"))
    stage.clouds.items._put(leaving())
    await stage.clouds._take_leave(leaving())
    (ready,) = stage.hub.written[1]["value"]["conditions"]
    assert "waits for the cloud: configmaps are forbidden" in ready["message"]
    await stage.clouds._take_leave(leaving(abandon="true"))
    assert stage.hub.written["metadata"]["finalizers"] == []


@pytest.mark.parametrize(("told", "standing"), [(1, {"Cloud/a", REF}), (3, {REF})])
def test_a_replacement_in_a_cloud_that_is_refused_counts_as_the_status_last_said(
    told: int, standing: set[str]
) -> None:
    """Nothing of it is seen any more: what leaves stays where the new ones were not ready by then."""
    item = works.work()
    placed = workload.TargetPlacement(target=REF, variant="default", replicas=3, ready_replicas=told)
    item = msgspec.structs.replace(item, status=msgspec.structs.replace(item.status, placements=[placed]))
    moving = intent.Intent({(REF, "default"): 3}, {("Cloud/a", "default"): 3})
    settled = intent.settle(moving, None, observation.last_told(item, {REF}), {REF})
    assert {target for target, _ in settled.standing} == standing


@of(Api())
async def test_a_mark_that_cannot_be_taken_back_is_tried_ever_later(stage: Stage) -> None:
    """Though its cluster is called anew each time, and answers."""
    await stage.attend()
    head = msgspec.structs.replace(leaving().metadata, resource_version="2")
    stage.clouds.items._put(msgspec.structs.replace(made("c"), metadata=head))
    stage.api.trouble = SERVER_ERROR
    for failures in (1, 2, 3):
        await stage.asked()
        await stage.clouds._reconcile("c")
        stage.call()
        await stage.clouds._reconcile("c")  # its link has not answered yet
        assert stage.city.clouds.failures("c") == failures


@of(Api())
async def test_a_cloud_is_let_go_before_its_mark_is_taken_back(stage: Stage) -> None:
    """From then on it may be another Cloud's, whose pods must not be counted out as ours are."""
    await stage.attend()
    await stage.clouds._release(made("c"), stage.city.carriers[REF].there)
    assert (stage.api.mark, stage.city.carriers, stage.city.targets) == ({}, {}, {})


async def test_a_cloud_that_goes_is_forgotten_before_it_may_be_made_anew() -> None:
    """One of its name may come before the former is heard to be gone, and lead to another cluster."""
    stage = Stage(Api())
    await stage.attend()
    await stage.clouds._release(made("c"), None)
    assert stage.api.closed
    assert (stage.city.carriers, stage.city.targets) == ({}, {})
    assert stage.hub.written["metadata"]["finalizers"] == []
