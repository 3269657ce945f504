"""Typed requests against a real API server: what they return, and which of our errors each refusal becomes."""

import asyncio
import contextlib
import dataclasses
import json
import secrets
import ssl
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from suanli_clusters import KWOK, SCHEDULER, Cluster, Clusters, Options
from suanli_controller.api.core_v1 import ConfigMap
from suanli_controller.kube import (
    client,
    connection,
    credentials,
    errors,
    events,
    kubeconfig,
    resources,
    transport,
)
from suanli_controller.kube.resources import CONFIG_MAPS, DEPLOYMENTS, EVENTS, NAMESPACES
from suanli_proxy import Proxy


@pytest.fixture(scope="module")
def cluster(clusters: Clusters) -> Iterator[Cluster]:
    with clusters.running("kube-client", Options(without=frozenset({SCHEDULER, KWOK}))) as made:
        yield made


@pytest.fixture(scope="module")
def way(cluster: Cluster) -> connection.Connection:
    return kubeconfig.from_operator(str(cluster.kubeconfig))


@pytest.fixture
async def api(way: connection.Connection) -> AsyncIterator[client.Client]:
    async with client.Client(way) as made:
        yield made


def config_map(namespace: str, name: str = "c", **data: str) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": namespace}, "data": data}


def deployment(namespace: str, image: str = "busybox", **spec: Any) -> dict[str, Any]:
    labels = {"app": "d"}
    pod = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": image}]}}
    return {
        "metadata": {"name": "d", "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": pod} | spec,
    }


async def test_an_object_goes_there_and_back_typed(api: client.Client, namespace: str) -> None:
    made = await api.create(CONFIG_MAPS, config_map(namespace, v="1"))
    assert isinstance(made, ConfigMap)
    assert made == await api.get(CONFIG_MAPS, "c", namespace)
    replaced = await api.replace(CONFIG_MAPS, config_map(namespace, v="2"))
    patched = await api.patch(CONFIG_MAPS, "c", namespace, {"data": {"w": "3"}})
    assert (replaced.data, patched.data) == ({"v": "2"}, {"v": "2", "w": "3"})


async def test_a_list_of_many_pages_is_whole(
    api: client.Client, way: connection.Connection, namespace: str
) -> None:
    for number in range(7):
        await api.create(CONFIG_MAPS, config_map(namespace, f"c{number}"))
    async with client.Client(way, transport.Settings(page_size=2)) as paging:
        page = await paging.list(CONFIG_MAPS, namespace, fields="metadata.name!=c3")
    found = [
        one.metadata.name for one in page.items if one.metadata.name != "kube-root-ca.crt"
    ]  # comes when it will
    assert found == [f"c{n}" for n in (0, 1, 2, 4, 5, 6)]
    assert page.metadata.resource_version


async def test_a_large_list_arrives_whole(api: client.Client, namespace: str) -> None:
    """Beyond 128 KiB the server compresses it."""
    text = secrets.token_hex(200_000)
    await api.create(CONFIG_MAPS, config_map(namespace, v=text))
    assert text in [one.data.get("v") for one in (await api.list(CONFIG_MAPS, namespace)).items]


async def test_a_dict_resource_passes_everything_along(api: client.Client, namespace: str) -> None:
    await api.create(CONFIG_MAPS, config_map(namespace, v="1"))
    found = await api.get(CONFIG_MAPS.as_type(dict), "c", namespace)
    assert (found["kind"], found["data"], "managedFields" in found["metadata"]) == ("ConfigMap", {"v": "1"}, True)


async def test_a_write_can_be_answered_with_metadata_alone(api: client.Client, namespace: str) -> None:
    made = await api.apply(CONFIG_MAPS.metadata_only, config_map(namespace, v="1"))
    assert isinstance(made, resources.PartialObject)
    assert made.metadata.uid


# --- server-side apply


async def test_applying_twice_changes_nothing(api: client.Client, namespace: str) -> None:
    first = await api.apply(CONFIG_MAPS, config_map(namespace, v="1"))
    assert await api.apply(CONFIG_MAPS, config_map(namespace, v="1")) == first


async def test_a_field_left_out_of_the_next_apply_goes_and_others_stay(api: client.Client, namespace: str) -> None:
    await api.apply(CONFIG_MAPS, config_map(namespace, ours="1", also="1"))
    await api.apply(CONFIG_MAPS, config_map(namespace, theirs="1"), manager="someone")
    found = await api.apply(CONFIG_MAPS, config_map(namespace, ours="2"))
    assert found.data == {"ours": "2", "theirs": "1"}


async def test_apply_without_force_yields_to_another_manager(api: client.Client, namespace: str) -> None:
    await api.apply(CONFIG_MAPS, config_map(namespace, v="1"), manager="someone")
    with pytest.raises(errors.Conflict) as caught:
        await api.apply(CONFIG_MAPS, config_map(namespace, v="2"), force=False)
    assert caught.value.causes[0].field == ".data.v"
    assert (await api.apply(CONFIG_MAPS, config_map(namespace, v="2"))).data == {"v": "2"}


async def test_apply_with_another_uid_touches_nothing(api: client.Client, namespace: str) -> None:
    await api.apply(CONFIG_MAPS, config_map(namespace, v="1"))
    namesake = config_map(namespace, v="2")
    namesake["metadata"]["uid"] = "00000000-0000-0000-0000-000000000000"
    with pytest.raises(errors.Invalid, match=r"metadata\.uid"):
        await api.apply(CONFIG_MAPS, namesake)
    namesake["metadata"]["name"] = "nobody"
    with pytest.raises(errors.Conflict, match="uid mismatch"):
        await api.apply(CONFIG_MAPS, namesake)


async def test_a_dry_run_validates_and_stores_nothing(api: client.Client, namespace: str) -> None:
    await api.apply(DEPLOYMENTS, deployment(namespace), dry_run=True)
    with pytest.raises(errors.NotFound):
        await api.get(DEPLOYMENTS, "d", namespace)
    with pytest.raises(errors.Invalid) as caught:
        await api.apply(DEPLOYMENTS, deployment(namespace, image=""), dry_run=True)
    assert caught.value.causes[0].field == "spec.template.spec.containers[0].image"


async def test_status_is_written_through_its_subresource(api: client.Client, namespace: str) -> None:
    await api.create(DEPLOYMENTS, deployment(namespace, replicas=0, paused=True))
    status = {"conditions": [{"type": "Progressing", "status": "False", "reason": "Said"}]}
    body = {"metadata": {"name": "d", "namespace": namespace}, "status": status}
    found = await api.apply(DEPLOYMENTS, body, subresource="status")
    assert "Said" in [one.reason for one in found.status.conditions]


# --- deleting


async def test_delete_spares_a_namesake_and_a_newer_version(api: client.Client, namespace: str) -> None:
    made = await api.create(CONFIG_MAPS, config_map(namespace, v="1"))
    with pytest.raises(errors.Conflict):
        await api.delete(CONFIG_MAPS, "c", namespace, uid="00000000-0000-0000-0000-000000000000")
    await api.apply(CONFIG_MAPS, config_map(namespace, v="2"))
    with pytest.raises(errors.Conflict):
        await api.delete(CONFIG_MAPS, "c", namespace, resource_version=made.metadata.resource_version)
    await api.delete(CONFIG_MAPS, "c", namespace, uid=made.metadata.uid)
    with pytest.raises(errors.NotFound):
        await api.get(CONFIG_MAPS, "c", namespace)


# --- refusals


async def test_each_refusal_has_its_name_and_the_apis_own_words(api: client.Client, namespace: str) -> None:
    await api.create(CONFIG_MAPS, config_map(namespace))
    with pytest.raises(errors.AlreadyExists, match='configmaps "c" already exists'):
        await api.create(CONFIG_MAPS, config_map(namespace))
    with pytest.raises(errors.NotFound, match='configmaps "none" not found') as missing:
        await api.get(CONFIG_MAPS, "none", namespace)
    assert (missing.value.reason, missing.value.code) == ("NotFound", 404)
    with pytest.raises(errors.BadRequest):
        await api.patch(CONFIG_MAPS, "c", namespace, [1])
    stale = config_map(namespace, v="1")
    stale["metadata"]["resourceVersion"] = "1"
    with pytest.raises(errors.Conflict):
        await api.replace(CONFIG_MAPS, stale)
    with pytest.raises(errors.NotFound):
        await api.list(resources.Resource("nowhere.io/v1", "X", "xs", dict))


async def test_an_expired_continue_token_is_gone(api: client.Client) -> None:
    with pytest.raises((errors.Gone, errors.BadRequest)):
        await api.list_bytes(NAMESPACES, "", {"limit": "1", "continue": "bm90LWEtdG9rZW4"})


async def test_an_account_without_rights_is_forbidden(cluster: Cluster) -> None:
    nobody = kubeconfig.from_operator(str(cluster.service_account("default", "nobody")))
    async with client.Client(nobody) as api:
        with pytest.raises(errors.Forbidden, match="cannot list resource"):
            await api.list(NAMESPACES)
        assert (await api.version()).number == (1, 36)


async def test_an_unknown_token_is_unauthorized_and_never_shown(way: connection.Connection) -> None:
    source = credentials.Static(credentials.Credential(token="t0p-secret"))
    async with client.Client(dataclasses.replace(way, source=source)) as api:
        with pytest.raises(errors.Unauthorized) as caught:
            await api.list(NAMESPACES)
    assert "t0p-secret" not in str(caught.value)


async def test_a_token_that_was_renewed_in_its_file_is_taken_up_at_once(
    cluster: Cluster, way: connection.Connection, tmp_path: Path
) -> None:
    account = kubeconfig.from_operator(str(cluster.service_account("default", "viewer", cluster_role="view")))
    path = tmp_path / "token"
    path.write_text((await account.source.current()).token)
    async with client.Client(dataclasses.replace(way, source=credentials.TokenFile(path))) as api:
        await api.list(CONFIG_MAPS)
        good = path.read_text()
        path.write_text("revoked")
        api.connection.source.invalidate()
        with pytest.raises(errors.Unauthorized):
            await api.list(CONFIG_MAPS)
        path.write_text(good)
        await api.list(CONFIG_MAPS)


# --- ways there


async def test_nobody_there_is_unreachable(way: connection.Connection, unused_tcp_port: int) -> None:
    async with client.Client(dataclasses.replace(way, server=f"https://127.0.0.1:{unused_tcp_port}")) as api:
        with pytest.raises(errors.Unreachable, match="connect"):
            await api.version()
    async with client.Client(dataclasses.replace(way, server="https://no.such.host.invalid")) as api:
        with pytest.raises(errors.Unreachable, match="its name cannot be looked up"):
            await api.version()


async def test_a_server_that_hangs_is_unreachable_in_time(way: connection.Connection) -> None:
    async with Proxy(way) as proxy, client.Client(proxy.way, transport.Settings(request_seconds=0.3)) as api:
        proxy.hang()
        with pytest.raises(errors.Unreachable, match="no answer in time"):
            await api.version()


async def test_a_server_of_another_authority_is_not_trusted(way: connection.Connection) -> None:
    async with client.Client(dataclasses.replace(way, ca=b"", insecure=False)) as api:
        with pytest.raises(errors.Unreachable, match="certificate is not trusted"):
            await api.version()


async def test_a_server_of_another_name_is_trusted_by_the_name_that_is_told(way: connection.Connection) -> None:
    wrong = dataclasses.replace(way, tls_server_name="somewhere.else", insecure=False)
    async with client.Client(wrong) as api:
        with pytest.raises(errors.Unreachable, match="certificate is not trusted"):
            await api.version()
    async with client.Client(dataclasses.replace(wrong, tls_server_name="kubernetes")) as api:
        assert (await api.version()).git_version.startswith("v1.")


async def test_an_ipv6_address_is_reached(way: connection.Connection) -> None:
    async with Proxy(way, host="::1") as proxy, client.Client(proxy.way) as api:
        assert proxy.way.server.startswith("http://[::1]:")
        assert (await api.version()).number >= (1, 30)


async def test_a_proxy_url_leads_through_that_proxy(way: connection.Connection) -> None:
    async with tunnel() as (url, targets), client.Client(dataclasses.replace(way, proxy=url)) as api:
        assert (await api.version()).number >= (1, 30)
    assert targets == [way.server.removeprefix("https://")]


@contextlib.asynccontextmanager
async def tunnel() -> AsyncIterator[tuple[str, list[str]]]:
    """An HTTP proxy that knows CONNECT, as companies have them; gives its URL and where it was asked to go."""
    targets: list[str] = []

    async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            sink.write(data)
        sink.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = (await reader.readuntil(b"\r\n\r\n")).split()[1].decode()
        targets.append(target)
        host, _, port = target.rpartition(":")
        there, back = await asyncio.open_connection(host, int(port))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(pump(reader, back), pump(there, writer))

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", targets


async def test_the_guard_holds_back_writes_and_lets_reads_pass(api: client.Client, namespace: str) -> None:
    def no() -> None:
        raise errors.NotLeader("another leads")

    await api.create(CONFIG_MAPS, config_map(namespace))
    api.guard = no
    for write in (
        api.apply(CONFIG_MAPS, config_map(namespace, v="1")),
        api.create(CONFIG_MAPS, config_map(namespace, "d")),
        api.delete(CONFIG_MAPS, "c", namespace),
        api.patch(CONFIG_MAPS, "c", namespace, {"data": {"v": "1"}}),
    ):
        with pytest.raises(errors.NotLeader):
            await write
    assert [one.data for one in (await api.list(CONFIG_MAPS, namespace, fields="metadata.name=c")).items] == [{}]


async def test_a_credential_from_a_secret_works(cluster: Cluster, way: connection.Connection) -> None:
    account = cluster.service_account("default", "viewer2", cluster_role="view")
    inline = kubeconfig.from_secret(account.read_bytes())
    assert inline.ssl_context(await inline.source.current()).__class__ is ssl.SSLContext
    async with client.Client(inline) as api:
        await api.list(CONFIG_MAPS)


async def token_of(cluster: Cluster) -> str:
    account = kubeconfig.from_operator(str(cluster.service_account("default", "viewer3", cluster_role="view")))
    return (await account.source.current()).token


async def test_a_pods_own_account_works(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(await token_of(cluster))
    (tmp_path / "ca.crt").write_bytes((cluster.pki / "ca.crt").read_bytes())
    (tmp_path / "namespace").write_text("default")
    env = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(cluster.port)}
    async with client.Client(kubeconfig.in_cluster(tmp_path, env)) as api:
        await api.list(CONFIG_MAPS)


async def test_an_operators_login_program_works(cluster: Cluster, tmp_path: Path) -> None:
    version = "client.authentication.k8s.io/v1"
    answer = {"apiVersion": version, "kind": "ExecCredential", "status": {"token": await token_of(cluster)}}
    program = tmp_path / "login"
    program.write_text(f"#!/bin/sh\ncat <<END\n{json.dumps(answer)}\nEND\n")
    program.chmod(0o700)
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    command = {"apiVersion": version, "command": str(program), "interactiveMode": "Never"}
    config["users"] = [{"name": user["name"], "user": {"exec": command}} for user in config["users"]]
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(config))
    async with client.Client(kubeconfig.from_operator(str(path))) as api:
        await api.list(CONFIG_MAPS)
        with pytest.raises(errors.Forbidden):
            await api.create(CONFIG_MAPS, config_map("default"))


# --- Events


async def test_repeats_of_an_event_are_counted_in_one(api: client.Client, namespace: str) -> None:
    recorder = events.Recorder(api, settings=events.Settings(repeat_seconds=0))
    about = events.reference(CONFIG_MAPS, await api.create(CONFIG_MAPS, config_map(namespace)))
    for _ in range(3):
        recorder.record(about, "Warning", "Unreachable", "no answer in time")
        await recorder.flush()
    recorder.record(about, "Normal", "Connected", "back again", action="Connect")
    await recorder.flush()
    found = {one["reason"]: one for one in (await api.list(EVENTS.as_type(dict), namespace)).items}
    assert found["Unreachable"]["series"]["count"] == 3
    assert found["Unreachable"]["regarding"]["uid"] == about.uid
    assert (found["Connected"]["action"], found["Connected"]["note"]) == ("Connect", "back again")


async def test_an_event_that_the_server_forgot_is_written_anew(api: client.Client, namespace: str) -> None:
    recorder = events.Recorder(api, settings=events.Settings(repeat_seconds=0))
    about = events.reference(CONFIG_MAPS, await api.create(CONFIG_MAPS, config_map(namespace)))
    recorder.record(about, "Normal", "Said", "once")
    await recorder.flush()
    (first,) = (await api.list(EVENTS, namespace)).items
    await api.delete(EVENTS, first.metadata.name, namespace)
    recorder.record(about, "Normal", "Said", "once")
    await recorder.flush()
    (second,) = (await api.list(EVENTS.as_type(dict), namespace)).items
    assert second["series"]["count"] == 2


async def test_too_many_events_of_one_object_are_dropped_and_other_objects_still_speak(
    api: client.Client, namespace: str
) -> None:
    recorder = events.Recorder(api, settings=events.Settings(object_burst=3))
    about = events.reference(CONFIG_MAPS, await api.create(CONFIG_MAPS, config_map(namespace)))
    other = dataclasses.replace(about, name="other", uid="other")
    for number in range(10):
        recorder.record(about, "Normal", "Said", f"number {number}")
    recorder.record(other, "Normal", "Said", "me too" * 1000)
    await recorder.flush(final=True)
    found = (await api.list(EVENTS.as_type(dict), namespace)).items
    assert sorted(one["regarding"]["name"] for one in found) == ["c", "c", "c", "other"]


async def test_events_that_cannot_be_written_stop_nobody(way: connection.Connection, namespace: str) -> None:
    async with Proxy(way) as proxy, client.Client(proxy.way) as api:
        recorder = events.Recorder(api)
        task = asyncio.create_task(recorder.run())
        proxy.answer(500)
        recorder.record(events.Reference("v1", "ConfigMap", "a", namespace), "Normal", "Lost", "never arrives")
        async with asyncio.timeout(20):
            while not proxy.requests:  # noqa: ASYNC110 - the proxy has no event for it
                await asyncio.sleep(0.01)
        proxy.answer(0)
        recorder.record(events.Reference("v1", "ConfigMap", "b", namespace), "Normal", "Said", "arrives")
        async with asyncio.timeout(20):
            while not (await api.list(EVENTS, namespace)).items:  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0.05)
        assert not task.done()
        task.cancel()
