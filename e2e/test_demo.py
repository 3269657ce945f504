"""`make demo` as a person runs it: it shows where things went and why, stays until Ctrl-C, and leaves nothing."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import __main__ as demo_program
from suanli_clusters import processes, until

E2E = Path(__file__).parent
STAYS = "Ctrl-C ends the demo"


@pytest.fixture(scope="module")
def demo() -> Iterator["subprocess.Popen[str]"]:
    environment = {**os.environ, "PYTHONPATH": str(E2E)}
    with subprocess.Popen(
        [sys.executable, "-m", "demo"],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        yield process
        process.terminate()


@pytest.fixture(scope="module")
def shown(demo: "subprocess.Popen[str]") -> str:
    """All that it prints until it stays."""
    assert demo.stdout is not None
    lines = []
    for line in demo.stdout:
        lines.append(line)
        if STAYS in line:
            break
    return "".join(lines)


def story(shown: str, workload: str) -> str:
    """What is told of one workload, below its name."""
    found = re.search(rf"^{workload}: .*\n((?:    .*\n)*)", shown, re.MULTILINE)
    assert found, shown
    return found[1]


def test_both_clouds_are_connected_with_all_their_nodes(shown: str) -> None:
    assert re.search(r"jining-core +True +Connected +Municipal +40", shown)
    assert re.search(r"rencheng +True +Connected +District +24", shown)


def test_the_unlabelled_clouds_hardware_is_told_by_its_profiles(shown: str) -> None:
    assert re.search(r"rencheng +arm64\.phytium-ft2000plus\.kylin-v10\.none +24 nodes", shown)


def test_one_application_runs_as_two_builds_kunpeng_first(shown: str) -> None:
    told = story(shown, "portal")
    assert "8 of build arm64 to Cloud/jining-core, 8 ready" in told
    assert "4 of build amd64 to Cloud/jining-core, 4 ready" in told
    assert "kunpeng (8)" in told


def test_a_build_for_armv82_keeps_off_phytium(shown: str) -> None:
    told = story(shown, "speech")
    assert "5 of build armv82 to Cloud/jining-core, 5 ready" in told
    assert "phytium" not in told


def test_what_fits_nowhere_says_which_nodes_are_ruled_out_by_what(shown: str) -> None:
    reasons = "ArchitectureMismatch on 24, PageSizeMismatch on 32, AcceleratorMismatch on 8"
    assert f"2 not placed; nodes ruled out: {reasons}" in story(shown, "training")


def test_a_wait_that_lasts_too_long_ends_with_a_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(demo_program, "run", lambda _: until(lambda: False, "the nodes of rencheng", 0))
    monkeypatch.setattr(sys, "argv", ["demo"])
    assert demo_program.main() == 1
    assert "demo: it took too long: the nodes of rencheng: not within 0 s" in capsys.readouterr().err


def test_ctrl_c_ends_it_and_leaves_nothing(demo: "subprocess.Popen[str]", shown: str) -> None:
    kubeconfig = re.search(r"export KUBECONFIG=(\S+)", shown)
    assert kubeconfig
    folder = Path(kubeconfig[1]).parent
    assert processes.of_run(folder)
    demo.send_signal(signal.SIGINT)
    rest, _ = demo.communicate(timeout=60)
    assert demo.returncode == 0, rest
    assert "nothing is left behind" in rest
    assert processes.of_run(folder) == []
    assert not folder.exists()
