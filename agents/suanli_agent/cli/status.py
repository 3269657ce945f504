"""`suanli-agent status`: how this box stands, in words."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any, Dict, List, Tuple

from suanli_agent import settings as settings_module
from suanli_agent.cli import local
from suanli_agent.cli.words import err, out, say, span, tell
from suanli_agent.link import pki


def _link(contact: Dict[str, Any], now: float) -> str:
    if contact["up"] is None:
        return say("not-yet")
    since = span(now - contact["since"])
    return say("up", since) if contact["up"] else say("down", since, contact["error"])


def identity(said: str, expires: Any, now: float) -> str:
    """The state of the certificate in words; `expires` in seconds since the epoch, None where there is none."""
    word, _, last = said.partition(": ")
    left = span((expires or now) - now)
    key = f"id-{word}" if word in ("renewing", "refused", "lost") else "id-valid"
    if word == "expired" or (key == "id-valid" and expires is not None and expires < now):
        key = "id-expired"
    return "; ".join(filter(None, [say(key, left), say("id-last", last) if last else ""]))


def clock(offset: Any, synced: Any) -> str:
    """The clock beside the hub's, in words; `offset` is hub less box in seconds."""
    if synced is None:
        return say("clock-unknown")
    if synced:
        return say("clock-ok")
    return say("clock-off", f"{abs(offset):.0f}", say("clock-behind" if offset > 0 else "clock-ahead"))


def rows(status: Dict[str, Any], now: float) -> List[Tuple[str, str]]:
    """What is shown: heading and sentence."""
    engine = status["engine"]
    ready = engine["ready"] and engine["network_ready"]
    hub_now = now + (status["clockOffset"] or 0 if status["clockSynced"] is False else 0)
    return [
        (say("s-node"), f"{status['node']}  {' '.join(status['addresses'])} {tell(status['nodeSays'])}".rstrip()),
        (say("s-hub"), status["hub"]),
        (say("s-link"), _link(status["contact"], now)),
        (say("s-identity"), identity(status["identity"], status["certificateExpires"], hub_now)),
        (say("s-recovery"), say("recovery-yes" if status["recoveryToken"] else "recovery-no")),
        (say("s-clock"), clock(status["clockOffset"], status["clockSynced"])),
        (say("s-engine"), say("engine-ok", engine["version"]) if ready else say("engine-bad", engine["message"])),
        (say("s-pods"), str(status["pods"])),
    ]


def _without_daemon(settings: settings_module.Settings, error: local.LocalError) -> int:
    """What the files say while no daemon runs."""
    store = pki.Store(settings.state_path)
    hub = store.hub()
    if hub is None:
        err(say("not-joined"))
        return 3
    err(say("error", error))
    certificate = store.certificate("client")
    out(f"{say('s-node')}: {hub.node}")
    out(f"{say('s-hub')}: {hub.server}")
    expires = certificate.not_after if certificate else None
    out(f"{say('s-identity')}: {identity('valid' if certificate else 'lost', expires, time.time())}")
    return 1


def run(arguments: argparse.Namespace, settings: settings_module.Settings) -> int:
    """0 while the hub answers, 1 while it does not, 3 where the box has not joined."""
    try:
        status = local.ask(settings, "/status")
    except local.LocalError as error:
        return _without_daemon(settings, error)
    if arguments.json:
        out(json.dumps(status, indent=1))
    else:
        for heading, sentence in rows(status, time.time()):
            out(f"{heading}: {sentence}")
    return 0 if status["contact"]["up"] else 1
