"""Lease and Node: the heartbeat every few seconds, the Node when something is new and every five minutes."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import socket
import time
from typing import Any, Dict, List, Mapping, Optional, Protocol, Tuple

from suanli_agent import settings as settings_module
from suanli_agent.core import cgroups
from suanli_agent.hardware import capacity, pods_usage, report, usage
from suanli_agent.hardware import root as root_module
from suanli_agent.link import dial, http, node
from suanli_agent.pods import ports

log = logging.getLogger(__name__)

LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
IMAGES_SECONDS = 60.0
WEIGH_SECONDS = 1.0
BEAT_SECONDS = 5.0  # a heartbeat that takes longer is of no use: the next one is due


class Box:
    """Reads this box: hardware once (cards again and again), usage at every beat."""

    def __init__(self, settings: settings_module.Settings, hub: dial.Url) -> None:
        self.settings = settings
        self.root = root_module.Root(settings.host_root)
        self.hardware = report.collect(settings.host_root)
        self.reserve = capacity.Others()
        self.cpu_milli = 0
        self._hub = hub
        self._before: Optional[Tuple[usage.Sample, pods_usage.PodsUsage]] = None

    def look_for_cards(self) -> None:
        """Read the cards anew: their driver makes the device nodes when it is ready, and we may be earlier."""
        self.hardware = report.with_cards(self.hardware, self.root)

    def sample(self, *, settle: bool, pods_disk: Optional[Mapping[str, int]] = None) -> usage.Sample:
        """Read usage now, and move the reserve for what is not pods: down too with `settle`.

        `pods_disk` is ports.Pods.disk_use of this moment; without it the disk's reserve is as it was, nothing at first.
        """
        now = usage.read(self.root, self.settings.state)
        pods = pods_usage.read(self.root, cgroups.directories(self.settings.cgroup_parent))
        cpus = self.hardware.cpu.count if self.hardware.cpu else 1
        others_cpu = 0
        if self._before is not None:
            sampled, used = self._before
            self.cpu_milli = usage.cpu_milli(sampled, now, cpus)
            elapsed = max(now.monotonic - sampled.monotonic, 0.001)
            pods_cpu = int((pods.cpu_nanoseconds - used.cpu_nanoseconds) / elapsed / 1_000_000)
            others_cpu = max(self.cpu_milli - max(pods_cpu, 0), 0)
        self._before = (now, pods)
        if pods_disk is not None:
            own = usage.on_disk_of(self.root, self.settings.state, pods_disk)
            self._others_disk = now.disk_total_bytes - now.disk_available_bytes - own
        measured = self._others(now, pods, others_cpu)
        self._peak = capacity.most(self._peak, measured)
        if settle:
            self.reserve, self._peak = capacity.hold_back(self.reserve, self._peak), measured
        else:
            self.reserve = capacity.grown(self.reserve, measured)
        return now

    def _others(self, now: usage.Sample, pods: pods_usage.PodsUsage, others_cpu: int) -> capacity.Others:
        """Memory follows at once; CPU, which jumps, as a slow average: one busy minute is no lasting use."""
        smooth = (self._cpu_average * 59 + others_cpu) // 60
        self._cpu_average = smooth
        return capacity.Others(
            cpu_milli=smooth,
            memory_bytes=now.memory_bytes - now.memory_available_bytes - pods.memory_bytes,
            storage_bytes=self._others_disk,
        )

    _cpu_average = 0
    _others_disk = 0
    _peak = capacity.Others()

    def addresses(self) -> Tuple[str, ...]:
        """The address that we are to be reached by: as set, else the one that routes to the hub start from."""
        if self.settings.node_ip:
            return tuple(self.settings.node_ip.split(","))
        try:
            family, _, _, _, target = socket.getaddrinfo(self._hub.host, self._hub.port, type=socket.SOCK_DGRAM)[0]
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect(target)  # no packet is sent
                return (probe.getsockname()[0],)
        except OSError:
            return ()


class Told(Protocol):
    """Who hears what the reporter learns, and tells what it needs: link.Link."""

    def answered(self, error: Optional[ports.HubError]) -> None:
        """One beat went well (None) or not."""

    def own_node(self, uid: str) -> bool:
        """Whether the Node with this uid is the one that we joined as."""

    def expires(self) -> Optional[float]:
        """When our certificate ends, in seconds since the epoch."""

    def node_written(self, present: Dict[str, Any]) -> None:
        """The Node as the hub has it now."""


class Reporter:
    """Writes Lease and Node status."""

    def __init__(self, client: http.Client, name: str, box: Box, pods: ports.Pods, told: Told) -> None:
        self.addresses: Tuple[str, ...] = ()
        self.sample: Optional[usage.Sample] = None
        self.sent: Optional[Dict[str, Any]] = None
        self._client, self._name, self._box, self._pods, self._told = client, name, box, pods, told
        self._images: Tuple[float, Tuple[ports.NodeImage, ...]] = (float("-inf"), ())
        self._written = float("-inf")  # monotonic seconds of the last status write
        self._conditions: List[Dict[str, Any]] = []
        self._uid = ""
        self._soon = asyncio.Event()
        self._weighed = float("-inf")  # monotonic seconds of the last look at pods' disk use
        self._weighing: Optional[asyncio.Task[Optional[Dict[str, int]]]] = None

    def wake(self) -> None:
        """Beat now: something of importance has changed."""
        self._soon.set()

    async def run(self) -> None:
        """Beat until cancelled."""
        try:
            await self._beat_on()
        finally:
            if self._weighing is not None:
                self._weighing.cancel()
                self._weighing = None  # we may be run again

    async def _beat_on(self) -> None:
        while True:
            try:
                await self.beat()
                self._told.answered(None)
            except ports.HubError as error:
                self._told.answered(error)
            self._soon.clear()
            # Jitter: 200 boxes that lost and found their link together must not beat together for ever.
            wait = self._box.settings.heartbeat_seconds * random.uniform(0.9, 1.1)  # noqa: S311
            try:
                await asyncio.wait_for(self._soon.wait(), wait)
            except asyncio.TimeoutError:
                continue

    async def beat(self) -> None:
        """Renew the Lease, then write the Node where that says something new. Raises ports.HubError."""
        due = time.monotonic() - self._written >= self._box.settings.status_seconds
        self.sample = self._box.sample(settle=due, pods_disk=await self._pods_disk(due=due))
        if due:
            self._box.look_for_cards()
        first = not self._uid  # the Lease belongs to the Node, whose uid comes with the first write
        if not first:
            await self._renew()
        reading = await self._read(self.sample)
        # The hub's clock and not ours: it is what people compare the times with.
        status = node.status(reading, self._name, self._conditions, self._client.clock.now())
        if due or node.differs(status, self.sent):
            await self._write(status)
        if first and self._uid:
            await self._renew()

    async def _read(self, sample: usage.Sample) -> node.Reading:
        self.addresses = self._box.addresses() or self.addresses
        clock = self._client.clock
        return node.Reading(
            hardware=self._box.hardware,
            sample=sample,
            reserve=self._box.reserve,
            engine=await self._pods.engine(),
            addresses=self.addresses,
            clock_offset=clock.offset,
            clock_synced=clock.synced,
            max_pods=self._box.settings.max_pods,
            port=settings_module.address(self._box.settings.listen)[1],
            images=await self._present_images(),
        )

    async def _pods_disk(self, *, due: bool) -> Optional[Dict[str, int]]:
        """Pods' use of the disk, looked at when the Node is due to be written and no oftener: files are counted for it.
        None where it was not looked at, or is not known yet: a beat does not wait for long.
        """
        if self._weighing is None:
            since = time.monotonic() - self._weighed
            if since < self._box.settings.status_seconds or not (due or since == float("inf")):
                return None
            self._weighed, self._weighing = time.monotonic(), asyncio.ensure_future(self._pods.disk_use())
        done, _ = await asyncio.wait({self._weighing}, timeout=WEIGH_SECONDS)
        if not done:
            return None
        weighed, self._weighing = self._weighing, None
        used = weighed.result()
        if used is None:
            self._weighed = float("-inf")  # again at the next beat: the runtime may be there
        return used

    async def _present_images(self) -> Tuple[ports.NodeImage, ...]:
        """The images as of the last minute: listing them at every beat would be the runtime's whole idle work."""
        read, images = self._images
        if time.monotonic() - read < IMAGES_SECONDS:
            return images
        try:
            images = tuple(await self._pods.images())
        except Exception as error:  # noqa: BLE001 - the engine condition tells of a runtime that is away
            log.debug("images: %s", error)
        self._images = (time.monotonic(), images)
        return images

    async def _renew(self) -> None:
        assert self.sample is not None  # noqa: S101  # beat reads it first
        now = self._client.clock.now()
        whole = node.lease(self._name, self._uid, now, node.used(self.sample, self._box.cpu_milli))
        renewal = {"metadata": {"annotations": whole["metadata"]["annotations"]}, "spec": whole["spec"]}
        path = f"{LEASES}/{self._name}"
        try:
            await self._client.request("PATCH", path, _json(renewal), http.MERGE_PATCH, BEAT_SECONDS)
        except ports.NotFoundError:
            await self._client.request("POST", LEASES, _json(whole), seconds=BEAT_SECONDS)

    async def _write(self, status: Dict[str, Any]) -> None:
        """Bring the Node up to date, if it is ours: labels and annotations first, they decide what is placed here."""
        path = f"/api/v1/nodes/{self._name}"
        present = json.loads(await self._client.request("GET", path))
        if not self._told.own_node(present["metadata"]["uid"]):
            return
        self._uid = present["metadata"]["uid"]
        change = node.metadata(self._box.hardware, self._name, self._told.expires(), present["metadata"])
        if change:
            present = json.loads(
                await self._client.request("PATCH", path, _json({"metadata": change}), http.MERGE_PATCH)
            )
        gone = {
            field: {name: None for name in present.get("status", {}).get(field, {}) if name not in status[field]}
            for field in ("capacity", "allocatable")
        }
        whole = {**status, **{field: {**status[field], **gone[field]} for field in gone}}
        body = _json({"status": whole})
        await self._client.request("PATCH", f"{path}/status", body, http.STRATEGIC_PATCH)
        self.sent, self._conditions, self._written = status, status["conditions"], time.monotonic()
        self._told.node_written(present)


def _json(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()
