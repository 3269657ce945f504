"""Where Chromium is: the system's own, which the page's users have too."""

import os
import shutil

_NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The binary: CHROMIUM, or the first on PATH. Raises RuntimeError with what to install."""
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        raise RuntimeError("no Chromium: install Debian's package chromium, or name a binary in CHROMIUM")
    return found
