"""The replay of openb on small traces: what it reads, what it counts, how it breaks ties."""

import gzip
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[3] / "benchmarks" / "openb.py"
NODES = "sn,cpu_milli,memory_mib,gpu,model\nnode-b,32000,65536,2,T4\nnode-a,32000,65536,2,V100\n"
PODS = (
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec\n"
    "p0,1000,1024,1,500,\n"
    "p1,1000,1024,1,1000,\n"
    "p2,1000,1024,2,1000,V100\n"
    "p3,4000,1024,0,0,\n"
)


@pytest.fixture
def replay(tmp_path: Path) -> Any:
    def run(order: str, *options: str, pods: str = PODS) -> dict[str, Any]:
        (tmp_path / "nodes.csv").write_text(NODES)
        (tmp_path / "pods.csv").write_text(pods)
        with gzip.open(tmp_path / "small-1.txt.gz", "wt") as arrivals:
            arrivals.write(f"pods {order}\nnodes 1 0\n")
        command = [sys.executable, str(SCRIPT), "--json", *options]
        for name, file in (("nodes", "nodes.csv"), ("pods", "pods.csv"), ("arrivals", "small-1.txt.gz")):
            command += [f"--{name}", str(tmp_path / file)]
        answer: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
        return answer

    return run


def test_two_shares_fill_one_device(replay: Any) -> None:
    answer = replay("0 0 1 1 1 3")
    assert (answer["gpuMilliPlaced"], answer["gpuMilliTotal"], answer["podsPlaced"]) == (4000, 4000, 6)


def test_a_pod_that_does_not_fit_is_dropped(replay: Any) -> None:
    answer = replay("2 2 1 1 1")
    assert (answer["gpuAllocationPercent"], answer["podsPlaced"], answer["pods"]) == (100.0, 3, 5)


def test_a_trace_that_is_known_is_not_taken_by_arrival(replay: Any) -> None:
    spread = replay("1 0 1 0 0 2", "--strategy", "Spread")["gpuMilliPlaced"]
    assert spread < replay("1 0 1 0 0 2", "--strategy", "Spread", "--batch")["gpuMilliPlaced"]


def test_a_list_without_models_is_read_too(replay: Any) -> None:
    pods = "name,cpu_milli,memory_mib,num_gpu,gpu_milli\np0,1000,1024,1,1000\n"
    assert replay("0 0", pods=pods)["gpuAllocationPercent"] == 50.0
