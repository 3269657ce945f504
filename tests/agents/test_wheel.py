"""The agent's wheel installs alone, on the oldest Python that it promises where one is at hand."""

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

AGENTS = pathlib.Path(__file__).parents[2] / "agents"


def oldest_python() -> str:
    """Python 3.9 from PATH or from pyenv; else the one that runs the tests."""
    versions = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv")) / "versions"
    found = [str(path) for path in sorted(versions.glob("3.9.*/bin/python3.9"))]
    on_path = shutil.which("python3.9")
    works = on_path and subprocess.run([on_path, "--version"], capture_output=True, check=False).returncode == 0
    return on_path if works and on_path else found[0] if found else sys.executable


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A fresh environment with the wheel and its own dependencies, and nothing of the hub."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(AGENTS)]
    subprocess.run(pip, check=True)
    subprocess.run([oldest_python(), "-m", "venv", str(folder / "venv")], check=True)
    wheel = next(folder.glob("suanli_agent-*.whl"))
    # Old pips do not know the platform tags of today's wheels.
    subprocess.run([str(folder / "venv/bin/pip"), "install", "--quiet", "--upgrade", "pip"], check=True)
    subprocess.run([str(folder / "venv/bin/pip"), "install", "--quiet", str(wheel)], check=True)
    return folder / "venv"


def test_the_installed_agent_reads_the_box(installed: pathlib.Path) -> None:
    command = [str(installed / "bin/suanli-agent"), "hardware", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd="/", check=True)
    assert json.loads(done.stdout)["labels"]["kubernetes.io/os"] == "linux"


def test_every_module_can_be_imported(installed: pathlib.Path) -> None:
    """What newer Pythons alone understand shows at import."""
    program = (
        "import importlib, pkgutil, suanli_agent\n"
        "for each in pkgutil.walk_packages(suanli_agent.__path__, 'suanli_agent.'):\n"
        "    each.name.endswith('__main__') or importlib.import_module(each.name)\n"
    )
    done = subprocess.run(
        [str(installed / "bin/python"), "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_unit_comes_with_the_wheel(installed: pathlib.Path) -> None:
    """Where systemd looks when the agent was installed under /usr/local."""
    unit = installed / "lib/systemd/system/suanli-agent.service"
    assert "ExecStart=suanli-agent run" in unit.read_text()


def test_the_agent_needs_few_things(installed: pathlib.Path) -> None:
    """A box's disk and its owner's patience: each dependency has its reason in pyproject.toml."""
    listed = subprocess.run(
        [str(installed / "bin/pip"), "list", "--format=json"], capture_output=True, text=True, check=True
    )
    found = {each["name"].lower() for each in json.loads(listed.stdout)} - {"pip", "setuptools", "suanli-agent"}
    assert len(found) <= 14, found
    assert "suanli-controller" not in found
