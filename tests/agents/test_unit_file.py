"""The systemd unit is valid, hardened, and does not cut the agent off from what the container runtime must see."""

import configparser
import pathlib
import shutil
import subprocess
import sys

UNIT = pathlib.Path(__file__).parents[2] / "agents/systemd/suanli-agent.service"


def _service() -> configparser.SectionProxy:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNIT)
    return parser["Service"]


def test_systemd_accepts_the_unit(tmp_path: pathlib.Path) -> None:
    """`systemd-analyze verify`, with the program at the place where it is installed here."""
    program = shutil.which("suanli-agent", path=str(pathlib.Path(sys.executable).parent))
    copy = tmp_path / UNIT.name
    text = UNIT.read_text().replace("ExecStart=suanli-agent", f"ExecStart={program}")
    copy.write_text(text.replace("ExecStartPre=-+suanli-agent", f"ExecStartPre=-+{program}"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_unit_is_hardened() -> None:
    """`systemd-analyze security` stays at or under 5.0 (0 is best, 10 worst; an unhardened service has 9.6)."""
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=50", "--no-pager", str(UNIT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:]


def test_the_unit_keeps_the_hosts_mount_namespace() -> None:
    """Each of these gives a service its own: memory volumes would then be invisible to the runtime."""
    own_mounts = {
        "ProtectSystem", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateMounts", "ReadOnlyPaths", "BindPaths",
        "ReadWritePaths", "InaccessiblePaths", "TemporaryFileSystem", "ProtectKernelTunables", "ProtectKernelModules",
        "ProtectKernelLogs", "ProtectControlGroups", "ProtectProc", "ProcSubset", "RootDirectory", "MountFlags",
    }  # fmt: skip
    assert own_mounts.isdisjoint(_service().keys())


def test_volumes_in_memory_outlive_the_agent() -> None:
    """Else systemd would take running containers' Secrets away at every restart of the agent."""
    assert _service()["RuntimeDirectoryPreserve"] == "yes"
