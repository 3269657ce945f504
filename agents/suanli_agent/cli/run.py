"""`suanli-agent run`: the daemon."""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import TYPE_CHECKING

from suanli_agent import daemon
from suanli_agent import settings as settings_module

if TYPE_CHECKING:
    import argparse

# EX_CONFIG of sysexits.h: the unit does not start us again for it.
NOT_JOINED = 78


def start() -> int:
    """Read the settings and run; 2 for a setting that cannot be used."""
    try:
        settings = settings_module.read()
    except settings_module.SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return run(None, settings)


def run(_arguments: "argparse.Namespace | None", settings: settings_module.Settings) -> int:
    """Run until told to stop; NOT_JOINED where there is no hub."""
    logging.basicConfig(
        level=settings.log_level.upper(), format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr
    )
    try:
        asyncio.run(daemon.run(settings))
    except daemon.NotJoinedError as error:
        logging.getLogger(__name__).error("%s", error)  # noqa: TRY400 - no fault of ours
        return NOT_JOINED
    return 0
