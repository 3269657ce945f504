"""Accelerators: PCI functions by vendor and class, and the device nodes that a container needs.

The class is checked with the vendor: Huawei, Hygon and Baidu numbers are on network, storage and display
controllers too. A card without its driver's device nodes is reported, and not offered to pods.
"""

from __future__ import annotations

import dataclasses
import re
from typing import Dict, List, Mapping, Pattern, Tuple

from suanli_agent.hardware import root as root_module

_DISPLAY = (0x0300, 0x0302, 0x0380)
_PROCESSING = (0x0B40, 0x1200)  # co-processor; processing accelerator


@dataclasses.dataclass(frozen=True)
class Kind:
    """One maker. `cards` matches the nodes in /dev of single cards, `shared` those that every user needs."""

    name: str
    vendor: int
    classes: Tuple[int, ...]
    resource: str
    cards: str = ""
    shared: Tuple[str, ...] = ()
    models: Mapping[int, Tuple[str, str]] = dataclasses.field(default_factory=dict)  # device -> model, resource


@dataclasses.dataclass(frozen=True)
class Accelerator:
    """All cards of one resource. `devices` has the nodes of each card that a pod can be given."""

    kind: str
    resource: str
    model: str
    addresses: Tuple[str, ...]
    devices: Tuple[Tuple[str, ...], ...]
    shared: Tuple[str, ...]

    @property
    def usable(self) -> int:
        """How many cards the box offers."""
        return len(self.devices)


_ASCEND_910, _ASCEND_310P = "huawei.com/Ascend910", "huawei.com/Ascend310P"
KINDS = (
    Kind(
        "ascend",
        0x19E5,
        _PROCESSING,
        _ASCEND_910,
        r"davinci[0-9]+",
        ("/dev/davinci_manager", "/dev/devmm_svm", "/dev/hisi_hdc"),
        {
            0xD100: ("ascend310", "huawei.com/Ascend310"),
            0xD500: ("ascend310p", _ASCEND_310P),
            0xD801: ("ascend910", _ASCEND_910),
            0xD802: ("ascend910b", _ASCEND_910),
            0xD803: ("ascend910-93", _ASCEND_910),
        },
    ),
    Kind(
        "nvidia",
        0x10DE,
        _DISPLAY,
        "nvidia.com/gpu",
        r"nvidia[0-9]+",
        ("/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia-modeset"),
    ),
    Kind("cambricon", 0xCABC, _PROCESSING, "cambricon.com/mlu", r"cambricon_dev[0-9]+", ("/dev/cambricon_ctl",)),
    # DCU cards are render nodes under one control node, as AMD's are.
    Kind("hygon-dcu", 0x1D94, _DISPLAY + _PROCESSING, "hygon.com/dcu", "", ("/dev/kfd", "/dev/mkfd")),
    Kind("iluvatar", 0x1E3E, _DISPLAY + _PROCESSING, "iluvatar.com/gpu", r"iluvatar[0-9]+"),
    Kind("moore-threads", 0x1ED5, _DISPLAY + _PROCESSING, "mthreads.com/gpu"),
    Kind("metax", 0x9999, _DISPLAY + _PROCESSING, "metax-tech.com/gpu"),
    Kind("enflame", 0x1E36, _DISPLAY + _PROCESSING, "enflame.com/gcu"),
    Kind("kunlunxin", 0x1D22, _PROCESSING, "kunlunxin.com/xpu"),
)


@dataclasses.dataclass(frozen=True)
class _Function:
    address: str
    kind: Kind
    device: int


def _functions(root: root_module.Root) -> List[_Function]:
    kinds = {kind.vendor: kind for kind in KINDS}
    found = []
    for path in root.names("/sys/bus/pci/devices"):
        kind = kinds.get(root.integer(f"{path}/vendor", 0) or 0)
        if kind and (root.integer(f"{path}/class", 0) or 0) >> 8 in kind.classes:
            found.append(_Function(path.rsplit("/", 1)[1], kind, root.integer(f"{path}/device", 0) or 0))
    return found


def _numbered(root: root_module.Root, pattern: Pattern[str]) -> List[str]:
    names = [path for path in root.names("/dev") if pattern.fullmatch(path.rsplit("/", 1)[1])]
    return sorted(names, key=lambda path: int(re.findall(r"[0-9]+", path)[-1]))


def _render_nodes(root: root_module.Root, address: str) -> Tuple[str, ...]:
    """The /dev/dri nodes of one PCI function, as its driver registered them."""
    names = [path.rsplit("/", 1)[1] for path in root.names(f"/sys/bus/pci/devices/{address}/drm")]
    return tuple(f"/dev/dri/{name}" for name in names if root.exists(f"/dev/dri/{name}"))


def _cards(root: root_module.Root, kind: Kind, addresses: List[str]) -> Tuple[Tuple[str, ...], ...]:
    if kind.cards:
        return tuple((node,) for node in _numbered(root, re.compile(kind.cards)))
    if not any(root.exists(node) for node in kind.shared):
        return ()  # without the driver's control node nothing can run there, and what needs one is not known
    return tuple(nodes for nodes in (_render_nodes(root, address) for address in addresses) if nodes)


def read(root: root_module.Root) -> Tuple[Accelerator, ...]:
    """Every accelerator below `root`, by resource name; unlike models of one resource are joined by '.'."""
    groups: Dict[str, List[_Function]] = {}
    for function in _functions(root):
        _model, resource = function.kind.models.get(function.device, ("", function.kind.resource))
        groups.setdefault(resource, []).append(function)
    found = []
    kinds = [functions[0].kind.name for functions in groups.values()]
    for resource, functions in sorted(groups.items()):
        kind = functions[0].kind
        mixed = kinds.count(kind.name) > 1  # one maker's unlike cards share the numbering of their nodes
        addresses = [function.address for function in functions]
        models = {kind.models[function.device][0] for function in functions if function.device in kind.models}
        found.append(
            Accelerator(
                kind=kind.name,
                resource=resource,
                model=".".join(sorted(models)),
                addresses=tuple(addresses),
                devices=() if mixed else _cards(root, kind, addresses),
                shared=tuple(node for node in kind.shared if root.exists(node)),
            )
        )
    return tuple(found)
