"""Takes the page into the wheel: hatchling calls this. An editable installation builds nothing, `make page`
does.
"""

import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):  # type: ignore[misc]  # hatchling is there only while building
    """The `custom` hook of the wheel target."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page; hatchling then packs it, as pyproject.toml's `artifacts` says."""
        del build_data
        if version != "editable":
            script = Path(self.root) / "controller" / "page" / "build.py"
            subprocess.run([sys.executable, str(script)], check=True)
