"""Cards that are there later than the pods that are to have them."""

from pathlib import Path

import pytest

from suanli_agent import state
from suanli_agent.core import devices as core_devices
from suanli_agent.core import objects
from suanli_agent.pods import devices

NPU = "huawei.com/Ascend910"
WANTED = objects.ResourceRequirements(limits={NPU: "1"})
POD = objects.Pod(
    metadata=objects.ObjectMeta(name="p", namespace="a", uid="u"),
    spec=objects.PodSpec(containers=[objects.Container(name="c", resources=WANTED)]),
)


def test_a_pod_has_its_cards_again_once_the_driver_has_made_them(tmp_path: Path) -> None:
    """After a reboot, with an agent that was up before the driver."""
    there: dict[str, core_devices.Pool] = {}
    store = state.Store(tmp_path / "state.db")
    store.put_devices("u", NPU, ["/dev/davinci1"])
    given = devices.Devices(store, lambda: there)
    with pytest.raises(core_devices.TooFewError):
        given.nodes(POD, "c")
    there[NPU] = core_devices.Pool((("/dev/davinci0",), ("/dev/davinci1",)), ("/dev/davinci_manager",))
    assert given.nodes(POD, "c") == ("/dev/davinci1", "/dev/davinci_manager")


def test_cards_stay_given_while_anything_of_their_pod_is_left(tmp_path: Path) -> None:
    """Joined as another Node, the box still runs the former one's containers for a while."""
    store = state.Store(tmp_path / "state.db")
    store.keep_for("one")
    store.put_devices("old", NPU, ["/dev/davinci0"])
    store.keep_for("two")
    there = {NPU: core_devices.Pool((("/dev/davinci0",),), ("/dev/davinci_manager",))}
    given = devices.Devices(store, lambda: there)
    with pytest.raises(core_devices.TooFewError):
        given.nodes(POD, "c")
    given.release_all_but({"u"})
    assert given.nodes(POD, "c") == ("/dev/davinci0", "/dev/davinci_manager")
