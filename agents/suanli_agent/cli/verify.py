"""`suanli-agent verify-autonomy`: what would be back after a reboot without the hub, checked on the disk as it is.

Read-only; it needs no daemon. Images are asked of the runtime, everything else is read where the agent would read it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import subprocess
import time
from typing import Any, Dict, List, Optional, Tuple

from suanli_agent import settings as settings_module
from suanli_agent import state
from suanli_agent.cli.pods import table
from suanli_agent.cli.words import err, out, say, tell
from suanli_agent.core import objects, payload
from suanli_agent.hardware import root, system
from suanli_agent.link import pki
from suanli_agent.link.errors import Sentence
from suanli_agent.runtime import client, errors

SQLITE = "state.db"


def _containers(pod: objects.Pod) -> List[objects.Container]:
    return [*pod.spec.init_containers, *pod.spec.containers]


async def _missing_images(pod: objects.Pod, runtime: client.Runtime) -> List[Sentence]:
    """Images that would have to be pulled; raises errors.RuntimeFault where the runtime cannot be asked.

    Policy Always lacks nothing either: without its registry the image that is present is used.
    """
    names = dict.fromkeys(container.image for container in _containers(pod))
    return [Sentence("image {0}", name) for name in names if await runtime.image(name) is None]


def _missing_objects(pod: objects.Pod, store: state.Store) -> List[Sentence]:
    """What the hub would have to be asked for, and what it said is not there though the pod cannot do without it."""
    spec, namespace = pod.spec, pod.metadata.namespace
    named, required = _keys(payload.names(spec)), _keys(payload.required(spec))
    lacks = [
        Sentence("{0} {1}", *key)
        for key in named
        if not _suffices(store.object(key[0], namespace, key[1]), key in required)
    ]
    wanted = spec.runtime_class_name
    if wanted and not store.object("RuntimeClass", "", wanted):
        lacks.append(Sentence("{0} {1}", "RuntimeClass", wanted))
    tokens = [
        Sentence("token for {0}", wish.audience or Sentence("the hub"))
        for wish in payload.token_wishes(spec.volumes)
        if store.token(pod.metadata.uid, wish.audience, wish.expiration_seconds) is None
    ]
    return lacks + tokens


def _keys(names: payload.Names) -> List[Tuple[str, str]]:
    return [("ConfigMap", name) for name in names.config_maps] + [("Secret", name) for name in names.secrets]


def _suffices(kept: Optional[bytes], required: bool) -> bool:
    return kept is not None and not (required and kept == state.ABSENT)


async def survey(store: state.Store, runtime: client.Runtime) -> List[Dict[str, Any]]:
    """One row a pod: its name and what it would lack, in Sentences. Finished pods need nothing."""
    rows = []
    for raw in store.pods():
        pod = objects.decode_pod(raw)
        if pod.status.phase in ("Succeeded", "Failed") or pod.metadata.deletion_timestamp:
            continue
        try:
            lacks = await _missing_images(pod, runtime)
        except errors.RuntimeFault as error:
            lacks = [Sentence("images unknown: {0}", error)]
        lacks += _missing_objects(pod, store)
        rows.append({"pod": f"{pod.metadata.namespace}/{pod.metadata.name}", "lacks": lacks})
    return rows


def _starts_at_boot(unit: str) -> Optional[bool]:
    """Whether systemd starts a unit at boot; None where there is no systemd to ask."""
    if shutil.which("systemctl") is None:
        return None
    command = ["systemctl", "is-enabled", unit]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() in ("enabled", "enabled-runtime", "static", "alias", "linked")


def _file_system(path: str) -> str:
    """The type of the file system that holds `path`."""
    best, kind = "", ""
    for line in root.Root().read("/proc/self/mounts").splitlines():
        _, place, found = line.split()[:3]
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, found
    return kind


def box_checks(settings: settings_module.Settings, store: pki.Store, now: float) -> List[Dict[str, Any]]:
    """What the whole box needs, as a Sentence: `ok` is true, false, or None where it cannot be told."""
    certificate = store.certificate("client")
    runtime = os.path.basename(settings.runtime).partition(".")[0]  # noqa: PTH119 - the end of a URL
    left = certificate.not_after - now if certificate else 0
    kind = _file_system(str(settings.state_path.resolve()))
    swap = system.parse_meminfo(root.Root(settings.host_root).read("/proc/meminfo")).get("SwapTotal", 0)
    found = [
        (Sentence("{0} starts at boot", "suanli-agent"), _starts_at_boot("suanli-agent.service")),
        (Sentence("{0} starts at boot", runtime), _starts_at_boot(f"{runtime}.service")),
        (Sentence("state is kept across reboots ({0})", kind), kind not in ("tmpfs", "ramfs", "overlay")),
        (Sentence("certificate outlives {0:.1f} days offline", max(left, 0) / 86400), left > 0),
        (Sentence("a way back after that: recovery token on disk"), store.recovery.exists()),
        (Sentence("secrets in memory cannot be swapped to disk"), swap == 0),
    ]
    return [{"check": sentence, "ok": ok} for sentence, ok in found]


def _mark(fine: Optional[bool]) -> str:
    return "?" if fine is None else say("yes" if fine else "v-bad")


def _print(checks: List[Dict[str, Any]], pods: List[Dict[str, Any]]) -> None:
    rows = [[_mark(each["ok"]), tell(each["check"]), ""] for each in checks]
    rows += [[_mark(not each["lacks"]), each["pod"], "; ".join(map(tell, each["lacks"]))] for each in pods]
    for line in table(rows):
        out(line)
    out(say("v-summary", sum(not each["lacks"] for each in pods), len(pods)))


def run(arguments: argparse.Namespace, settings: settings_module.Settings) -> int:
    """0 where every pod would be back, 1 where one would not, 3 where the box has not joined."""
    store = pki.Store(settings.state_path)
    if not (settings.state_path / SQLITE).exists():
        err(say("not-joined"))
        return 3
    desired = state.Store(settings.state_path / SQLITE)
    runtime = client.Runtime(settings.runtime[len("unix://") :])
    try:
        pods = asyncio.run(survey(desired, runtime))
    finally:
        desired.close()
    checks = box_checks(settings, store, time.time())
    if arguments.json:
        out(json.dumps({"checks": checks, "pods": pods}, indent=1, default=str))
    else:
        _print(checks, pods)
    return 1 if any(each["lacks"] for each in pods) else 0
