"""`suanli-controller run` on a hub that is not as it should be, and as the account that README.md makes for it."""

import os
import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from suanli_clusters import KWOK, SCHEDULER, Cluster, Clusters, Options, controller, tools, until

README = Path(__file__).resolve().parents[1] / "README.md"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/suanli-system/leases/suanli-controller"


@pytest.fixture(scope="module")
def hub(clusters: Clusters) -> Iterator[Cluster]:
    """A hub that nobody has prepared."""
    with clusters.running("run-hub", Options(without=frozenset({SCHEDULER, KWOK}))) as made:
        yield made


def test_a_hub_without_our_kinds_is_told_once_and_waited_for(clusters: Clusters, hub: Cluster) -> None:
    """It does not lead meanwhile, and begins by itself when the kinds are installed."""
    with controller.Operator(clusters, hub, "early") as operator:
        missing = "the hub does not have our kinds; waiting until they are installed"
        until(lambda: missing in events(operator), "the operator says that the kinds are missing")
        told = next(line for line in operator.lines() if line["event"] == missing)
        assert told["install"] == "suanli-controller crds | kubectl apply --server-side -f -"
        assert "computeworkloads" in told["missing"]
        assert not hub.api.exists(LEASE)
        controller.install(hub)
        until(lambda: "leading" in events(operator), "the operator leads")
        assert events(operator).count(missing) == 1
        operator.check()


def events(operator: controller.Operator) -> list[str]:
    return [line["event"] for line in operator.lines()]


def test_a_view_port_that_is_taken_is_told_with_its_option_and_the_mend(hub: Cluster) -> None:
    """It shows when the replica begins to lead."""
    controller.install(hub)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        command = [str(controller.PROGRAM), "run", "--metrics", "off", "--view", address]
        answer = subprocess.run(
            command, env=hub.environment(), capture_output=True, text=True, timeout=120, check=False
        )
    assert answer.returncode == 1
    assert f"Error: --view {address}: " in answer.stderr
    assert "or say --view off" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_account_of_the_readme_is_the_controllers_and_no_more(hub: Cluster, tmp_path: Path) -> None:
    """The commands that make controller.kubeconfig, as they stand there."""
    found = re.search(r"^    \(umask 077; .*?\n(?=\n)", README.read_text(), re.MULTILINE | re.DOTALL)
    assert found
    hub.kubectl("apply", "--server-side", "-f", str(controller.RIGHTS))
    path = f"{tools.find('kubectl').parent}:{os.environ['PATH']}"
    subprocess.run(
        ["bash", "-euo", "pipefail", "-c", found[0]],
        cwd=tmp_path,
        env={**hub.environment(), "PATH": path},
        check=True,
    )
    made = tmp_path / "controller.kubeconfig"
    assert made.stat().st_mode & 0o077 == 0
    user = hub.kubectl("--kubeconfig", str(made), "auth", "whoami", "-o", "jsonpath={.status.userInfo.username}")
    assert user == "system:serviceaccount:suanli-system:suanli-controller"
    assert "client-key" not in made.read_text()
