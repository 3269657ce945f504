"""`python -m suanli_clusters`, what `make tools` runs: make the clusters' programs where they are missing."""

import os
import sys
import time

from suanli_clusters import locks, tools, tools_build, tools_download


def ensure() -> None:
    """Make every program that is not there, one run at a time on this machine.

    A binary is renamed into place when it is whole: a run that was broken off leaves those it finished.
    """
    if not tools.missing():
        return
    lock = tools.directory().parent / f"{tools.directory().name}.lock"
    with locks.locked(lock, lambda: tools.say("tools: another run is making them; waiting for it")):
        wanted = tools.missing()
        if wanted:
            _make(wanted)


def _make(wanted: list[tools.Tool]) -> None:
    ways = {"build": tools_build.make, "download": tools_download.make}
    way = os.environ.get("SUANLI_TOOLS") or "build"
    if way not in ways:
        raise tools.ToolsError(f"SUANLI_TOOLS={way}: must be one of {', '.join(ways)}")
    tools.directory().mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    for number, (tool, seconds) in enumerate(ways[way](wanted, tools.directory()), 1):
        tools.say(f"tools: {number}/{len(wanted)} {tool.name} {tools.version(tool.module)} after {seconds:.0f} s")
    tools.say(f"tools: all in {tools.directory()} after {time.monotonic() - started:.0f} s")


def main() -> int:
    """`make tools`. Returns the exit code."""
    try:
        ensure()
    except tools.ToolsError as error:
        tools.say(f"tools: {error}")
        return 1
    except KeyboardInterrupt:
        tools.say("tools: stopped; what was finished is kept")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
