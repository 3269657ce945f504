"""`suanli-agent run`: the daemon."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys

from suanli_agent import daemon
from suanli_agent import settings as settings_module

# EX_CONFIG of sysexits.h: the unit does not start us again for it.
NOT_JOINED = 78


def run(_arguments: argparse.Namespace, settings: settings_module.Settings) -> int:
    """Run until told to stop; NOT_JOINED where there is no hub."""
    # systemd's journal has the time; `<6>` and its like are sd-daemon(3)'s levels, but names are for everyone.
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        asyncio.run(daemon.run(settings))
    except daemon.NotJoinedError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - no fault of ours
        return NOT_JOINED
    return 0
