"""Files of this room: volumes that change atomically, logs that are read and rotated, the store on disk."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pod_makers import make_pod

from suanli_agent import state
from suanli_agent.core import objects, observed, payload
from suanli_agent.pods import atomic, beneath, configs, logs, messages, ports, settings, volumes

NOBODY = (None, None)


def file(text: str, mode: int = 0o644) -> payload.File:
    return payload.File(text.encode(), mode)


# --- atomic volumes


def test_files_are_seen_through_one_link(tmp_path: Path) -> None:
    assert atomic.write(tmp_path, {"a": file("1"), "d/b": file("2", 0o400)}, NOBODY)
    assert (tmp_path / "a").read_text() == "1"
    assert (tmp_path / "d/b").read_text() == "2"
    assert stat.S_IMODE((tmp_path / "d/b").stat().st_mode) == 0o400
    assert (tmp_path / "a").readlink() == Path("..data/a")


def test_same_files_change_nothing(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": file("1")}, NOBODY)
    before = (tmp_path / "..data").readlink()
    assert not atomic.write(tmp_path, {"a": file("1")}, NOBODY)
    assert (tmp_path / "..data").readlink() == before


def test_change_shows_all_of_the_new_and_nothing_of_the_old(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": file("1"), "b": file("2")}, NOBODY)
    assert atomic.write(tmp_path, {"a": file("3"), "c/x": file("4")}, NOBODY)
    visible = {entry.name for entry in tmp_path.iterdir() if not entry.name.startswith("..")}
    assert visible == {"a", "c"}
    assert (tmp_path / "a").read_text() == "3"
    assert len([entry for entry in tmp_path.iterdir() if entry.is_dir() and not entry.is_symlink()]) == 1


def test_group_can_read_what_belongs_to_it(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": file("1", 0o400)}, (None, tmp_path.stat().st_gid))
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o440


@pytest.mark.parametrize("target", ["{host}", "../host", "..", ".", "host/..", "..data", "..data_tmp", "..gone"])
def test_a_link_that_a_container_put_in_place_of_ours_is_never_followed(tmp_path: Path, target: str) -> None:
    """Neither is what it points to removed, nor does it count as what was written before."""
    host, volume = tmp_path / "host", tmp_path / "volume"
    for place in (host, volume):
        place.mkdir()
        (place / "kept").write_text("1")
    (volume / "..data").symlink_to(target.format(host=host))
    (volume / "kept").unlink()
    assert atomic.write(volume, {"kept": file("1"), "d/x": file("2")}, NOBODY)
    assert (host / "kept").read_text() == "1"
    assert ((volume / "kept").read_text(), (volume / "d/x").read_text()) == ("1", "2")


def test_a_name_that_became_a_link_elsewhere_is_ours_again(tmp_path: Path) -> None:
    volume, host = tmp_path / "volume", tmp_path / "host"
    volume.mkdir()
    host.write_text("1")
    atomic.write(volume, {"a": file("1")}, NOBODY)
    (volume / "a").unlink()
    (volume / "a").symlink_to(host)
    (volume / "..data" / "a").unlink()
    (volume / "..data" / "a").symlink_to(host)
    assert atomic.write(volume, {"a": file("1")}, NOBODY), "what only looks the same through a link is not"
    assert (volume / "a").readlink() == Path("..data/a")
    assert not (volume / "..data" / "a").is_symlink()


def test_what_is_not_a_file_does_not_keep_us_waiting(tmp_path: Path) -> None:
    atomic.write(tmp_path, {"a": file("1")}, NOBODY)
    (tmp_path / "..data" / "a").unlink()
    os.mkfifo(tmp_path / "..data" / "a")
    assert atomic.write(tmp_path, {"a": file("1")}, NOBODY)


def test_no_directory_is_entered_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "host").mkdir()
    (tmp_path / "d").symlink_to("host")
    with beneath.opened(tmp_path) as place, pytest.raises(OSError), beneath.made("d", place, 0o777):  # noqa: PT011
        pass


@pytest.mark.parametrize("kind", ["configMap", "secret", "downwardAPI", "projected"])
def test_what_the_agent_writes_is_mounted_read_only_whatever_the_mount_says(kind: str) -> None:
    volume = msgspec.convert({"name": "v", kind: {}}, objects.Volume)
    mount = objects.VolumeMount(name="v", mount_path="/v")
    assert configs.mount("/x", mount, volume).readonly
    assert not configs.mount("/x", mount, objects.Volume(empty_dir=objects.EmptyDirVolumeSource())).readonly


# --- subPath


async def sub_path(folder: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> str:
    """What a container of the pod mounts for a subPath of its emptyDir `v`."""

    async def mount(*_: str, **__: str) -> None:
        """Binding needs root; this is about what happens before it."""

    monkeypatch.setattr(volumes, "mount", mount)
    knobs = settings.Settings(root=folder / "root", run_root=folder / "run")
    pod = make_pod(volumes=[{"name": "v", "emptyDir": {}}])
    own = volumes.Volumes(knobs, pod)
    own.path(pod.spec.volumes[0]).mkdir(parents=True, exist_ok=True)
    own.path(pod.spec.volumes[0]).chmod(0o2777)
    return await own.mount_path(pod.spec.volumes[0], path, ("c", 0))


async def test_a_missing_sub_path_is_made_with_the_mode_of_its_volume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await sub_path(tmp_path, monkeypatch, "a/b")
    inner = tmp_path / "root/pods/u/volumes/v/a/b"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (inner, inner.parent)] == [0o2777] * 2


async def test_a_directory_that_becomes_a_link_while_it_is_made_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container beside it swaps the fresh directory for a link to the host: nothing there changes its mode."""
    host, make = tmp_path / "host", os.mkdir
    host.mkdir(mode=0o700)

    def swapped(path: str, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        make(path, mode, dir_fd=dir_fd)
        if Path(path).name == "new":
            os.rmdir(path, dir_fd=dir_fd)
            os.symlink(host, path, dir_fd=dir_fd)

    monkeypatch.setattr(os, "mkdir", swapped)
    with pytest.raises(volumes.VolumeError, match="subPath"):
        await sub_path(tmp_path, monkeypatch, "new")
    assert stat.S_IMODE(host.stat().st_mode) == 0o700


# --- host paths


@pytest.mark.parametrize("kind", ["Directory", "File", "Socket", "CharDevice", "BlockDevice", "Nonsense"])
def test_host_path_of_another_type_is_named(tmp_path: Path, kind: str) -> None:
    source = objects.HostPathVolumeSource(path=str(tmp_path / "missing"), type=kind)
    with pytest.raises(volumes.VolumeError, match=kind):
        volumes.check_host_path(source)


@pytest.mark.parametrize(("kind", "made"), [("DirectoryOrCreate", Path.is_dir), ("FileOrCreate", Path.is_file)])
def test_host_path_is_made_where_that_is_asked(tmp_path: Path, kind: str, made: object) -> None:
    path = tmp_path / "x"
    volumes.check_host_path(objects.HostPathVolumeSource(path=str(path), type=kind))
    assert callable(made)
    assert made(path)


def test_an_agent_in_a_container_looks_at_the_box_s_own_paths(tmp_path: Path) -> None:
    """What is at that path in the agent's own root says nothing; a missing directory is the runtime's to make."""
    host, path = tmp_path / "host", str(tmp_path / "x")
    inside = host / path.lstrip("/")
    inside.parent.mkdir(parents=True)
    Path(path).mkdir()
    volumes.check_host_path(objects.HostPathVolumeSource(path=path, type="DirectoryOrCreate"), str(host))
    assert not inside.exists()
    with pytest.raises(volumes.VolumeError, match="Directory"):
        volumes.check_host_path(objects.HostPathVolumeSource(path=path, type="Directory"), str(host))
    inside.touch()
    volumes.check_host_path(objects.HostPathVolumeSource(path=path, type="File"), str(host))


# --- logs


def line(text: str, second: int = 0, tag: str = "F", stream: str = "stdout") -> str:
    return f"2026-01-01T00:00:{second:02}.000000001Z {stream} {tag} {text}\n"


async def read(path: Path, **options: object) -> str:
    chunks = logs.read(path, ports.LogOptions(**options), lambda: False)  # type: ignore[arg-type]
    return b"".join([chunk async for chunk in chunks]).decode()


async def test_parts_of_a_long_line_are_joined(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text(line("one ", tag="P") + line("line") + line("") + line("two"))
    assert await read(path) == "one line\n\ntwo\n"


async def test_log_is_cut_by_time_by_lines_and_by_bytes(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    path.write_text("".join(line(f"l{n}", second=n) for n in range(10)))
    assert await read(path, tail_lines=2) == "l8\nl9\n"
    assert await read(path, tail_lines=0) == ""
    assert await read(path, since=1767225607.5) == "l8\nl9\n"
    assert await read(path, limit_bytes=4) == "l0\nl"
    assert (await read(path, tail_lines=1, timestamps=True)) == "2026-01-01T00:00:09.000000001Z l9\n"


@given(st.lists(st.text(alphabet="ab ", max_size=30000), max_size=8), st.integers(0, 9))
def test_tail_gives_exactly_the_last_lines(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str], count: int
) -> None:
    path = tmp_path_factory.mktemp("log") / "0.log"
    whole = [line(text) for text in texts]
    path.write_text("".join(whole))
    assert logs.last_lines(path, count) == [entry.encode() for entry in (whole[-count:] if count else [])]


async def test_follower_gets_what_comes_also_after_a_rotation(tmp_path: Path) -> None:
    path, alive = tmp_path / "0.log", [True]
    path.write_text(line("old"))
    seen: list[bytes] = []

    async def follow() -> None:
        async for chunk in logs.read(path, ports.LogOptions(follow=True), lambda: alive[0]):
            seen.append(chunk)  # noqa: PERF401 - it is watched while it grows

    task = asyncio.ensure_future(follow())
    await _until(lambda: seen == [b"old\n"])
    logs.set_aside(path, "1")
    path.write_text(line("new"))
    await _until(lambda: seen == [b"old\n", b"new\n"])
    alive[0] = False
    await asyncio.wait_for(task, 10)


async def _until(condition: object) -> None:
    assert callable(condition)
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it never came")


def test_rotation_keeps_so_many_files(tmp_path: Path) -> None:
    path = tmp_path / "0.log"
    for stamp in "abcd":
        path.write_text(stamp)
        assert logs.needs_rotation(path, 0)
        logs.set_aside(path, stamp)
        logs.prune(path, 3)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["0.log.c", "0.log.d"]


# --- termination messages


def dead(path: Path, code: int, policy: str = "File") -> observed.ContainerRecord:
    return observed.ContainerRecord(
        "id", "s", "u", "c", 0, observed.ContainerState.EXITED, 0.0, exit_code=code, log_path=str(path),
        termination_message_policy=policy,
    )  # fmt: skip


def test_message_of_a_failed_container_may_come_from_its_log(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text(line("what happened"))
    nothing = tmp_path / "none"
    assert messages.read(dead(log, 1), nothing) == ""
    assert messages.read(dead(log, 1, "FallbackToLogsOnError"), nothing) == "what happened\n"
    assert messages.read(dead(log, 0, "FallbackToLogsOnError"), nothing) == ""


def test_program_that_cannot_be_executed_is_known_by_the_runtime_s_line(tmp_path: Path) -> None:
    log = tmp_path / "0.log"
    log.write_text(line("exec /app: exec format error", stream="stderr"))
    assert messages.read(dead(log, 1), tmp_path / "none") == "exec /app: exec format error"


# --- the store


def test_store_keeps_everything_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "state.db"
    store = state.Store(path)
    store.put_pod("u", "default", "p", b"{}")
    store.put_status("u", b"{}", sent=False)
    store.put_token("u", "me", 3600, ("t", 1.0, 2.0))
    assert store.put_object("Secret", "default", "s", b"1")
    assert not store.put_object("Secret", "default", "s", b"1")
    store.put_fact("node", "uid")
    store.close()
    assert {stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()} == {0o600}
    again = state.Store(path)
    assert again.pods() == [b"{}"]
    assert again.status("u") == (b"{}", False)
    assert again.token("u", "me", 3600) == ("t", 1.0, 2.0)
    assert again.object("Secret", "default", "s") == b"1"
    assert again.fact("node") == "uid"
    again.drop_pod("u")
    assert (again.pods(), again.status("u"), again.token("u", "me", 3600)) == ([], None, None)


def test_writes_together_are_all_or_nothing(tmp_path: Path) -> None:
    store = state.Store(tmp_path / "state.db")

    def fail() -> None:
        with store.together():
            store.put_pod("u", "default", "p", b"{}")
            raise RuntimeError("power loss")

    with pytest.raises(RuntimeError):
        fail()
    assert store.pods() == []
