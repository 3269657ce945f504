"""`suanli-controller run` as a process: what keeps it from starting is told in a sentence."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml


@pytest.fixture
def kubeconfig(tmp_path: Path) -> Path:
    """Of a hub that nobody serves."""
    whole = {
        "clusters": [{"name": "hub", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"token": "t"}}],
        "contexts": [{"name": "hub", "context": {"cluster": "hub", "user": "me"}}],
        "current-context": "hub",
    }
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(whole))
    return path


def test_a_metrics_port_that_is_taken_is_told_with_its_option_and_the_mend(kubeconfig: Path) -> None:
    """As for the second of two on one machine."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [sys.executable, "-m", "suanli_controller", "run", "--kubeconfig", str(kubeconfig)]
        answer = subprocess.run(
            [*command, "--metrics", address], capture_output=True, text=True, timeout=60, check=False
        )
    assert answer.returncode == 1
    assert f"Error: --metrics {address}: " in answer.stderr
    assert "or say --metrics off" in answer.stderr
    assert "Traceback" not in answer.stderr
