"""`verify-autonomy` lists what keeps a pod from coming back without the hub, and nothing else."""

from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from tests.pod_makers import make_pod

from suanli_agent import state
from suanli_agent.cli import verify
from suanli_agent.core import objects, observed


class Runtime:
    """Has the image `here`."""

    async def image(self, name: str) -> observed.ImageRecord | None:
        return observed.ImageRecord("sha256:1", tags=(name,)) if name == "here" else None


@pytest.fixture
def store(tmp_path: Path) -> state.Store:
    return state.Store(tmp_path / "state.db")


async def lacks(store: state.Store, pod: objects.Pod) -> list[str]:
    store.put_pod(pod.metadata.uid, pod.metadata.namespace, pod.metadata.name, msgspec.json.encode(pod))
    [row] = await verify.survey(store, cast("Any", Runtime()))
    return [str(each) for each in row["lacks"]]


@pytest.mark.parametrize(("image", "missing"), [("here", []), ("gone", ["image gone"])])
async def test_an_image_that_is_present_suffices_whatever_its_pull_policy(
    store: state.Store, image: str, missing: list[str]
) -> None:
    pod = make_pod({"name": "c", "image": image, "imagePullPolicy": "Always"})
    assert await lacks(store, pod) == missing


@pytest.mark.parametrize(
    ("kept", "optional", "missing"),
    [
        (b"{}", False, False),
        (state.ABSENT, True, False),
        (state.ABSENT, False, True),
        (None, True, True),
        (None, False, True),
    ],
)
async def test_an_object_is_missing_when_it_was_never_asked_for_or_is_absent_and_required(
    store: state.Store, kept: bytes | None, optional: bool, missing: bool
) -> None:
    pod = make_pod({"name": "c", "image": "here", "envFrom": [{"secretRef": {"name": "s", "optional": optional}}]})
    if kept is not None:
        store.put_object("Secret", "default", "s", kept)
    assert await lacks(store, pod) == (["Secret s"] if missing else [])


async def test_an_absent_pull_secret_is_not_missing(store: state.Store) -> None:
    store.put_object("Secret", "default", "pull", state.ABSENT)
    pod = make_pod({"name": "c", "image": "here"}, imagePullSecrets=[{"name": "pull"}])
    assert await lacks(store, pod) == []


@pytest.mark.parametrize(
    ("kept", "missing"), [(b"{}", []), (state.ABSENT, ["RuntimeClass r"]), (None, ["RuntimeClass r"])]
)
async def test_a_runtime_class_must_be_known(store: state.Store, kept: bytes | None, missing: list[str]) -> None:
    pod = make_pod({"name": "c", "image": "here"}, runtimeClassName="r")
    if kept is not None:
        store.put_object("RuntimeClass", "", "r", kept)
    assert await lacks(store, pod) == missing
