"""`plan`: nodes that are only thought of, written by hand with as little as will do."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from suanli_controller.cli.root import cli

CLOUD = {"kind": "Cloud", "metadata": {"name": "a"}, "spec": {"tier": "District", "clearance": "Core"}}
WORKLOAD = {
    "kind": "ComputeWorkload",
    "metadata": {"name": "w"},
    "spec": {
        "replicas": 2,
        "template": {"spec": {"containers": [{"name": "app", "resources": {"requests": {"cpu": 1}}}]}},
    },
}
AMOUNTS = {"cpu": 4, "memory": "8Gi", "pods": 10}


def placed(folder: Path, status: dict[str, Any]) -> int:
    meta = {"name": "n", "annotations": {"suanli.io/target": "Cloud/a"}, "labels": {"kubernetes.io/arch": "arm64"}}
    file = folder / "city.yaml"
    file.write_text(yaml.safe_dump_all([CLOUD, {"kind": "Node", "metadata": meta, "status": status}, WORKLOAD]))
    result = CliRunner().invoke(cli, ["plan", "--fleet", str(file), "--workloads", str(file), "-o", "json"])
    assert result.exit_code == 0, result.output
    return int(json.loads(result.stdout)["placed"])


@pytest.mark.parametrize("given", ["capacity", "allocatable"])
def test_one_of_capacity_and_allocatable_stands_for_both(tmp_path: Path, given: str) -> None:
    assert placed(tmp_path, {given: AMOUNTS}) == 2


def test_a_node_without_conditions_is_ready(tmp_path: Path) -> None:
    assert placed(tmp_path, {"capacity": AMOUNTS}) == 2


@pytest.mark.parametrize("ready", ["False", "Unknown"])
def test_a_node_that_says_it_is_not_ready_is_not(tmp_path: Path, ready: str) -> None:
    assert placed(tmp_path, {"capacity": AMOUNTS, "conditions": [{"type": "Ready", "status": ready}]}) == 0
