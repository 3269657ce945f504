"""The client and the server on real sockets: TLS, IPv6, proxies, links that die, streams, connections handed over."""

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from suanli_agent.link import ca, dial, endpoints, errors, http, pki, server
from suanli_agent.pods import ports

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Authority:
    """A CA of the test's own, and a server certificate for localhost, with the chain in one file."""

    def __init__(self, folder: Path, begins: dt.timedelta = dt.timedelta(days=-1)) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
        starts = dt.datetime.now(dt.UTC) + begins
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        own = self._builder(self.name, self.key, dt.datetime.now(dt.UTC) - dt.timedelta(days=1))
        self.certificate = own.add_extension(constraints, critical=True).sign(self.key, hashes.SHA256())
        leaf = ec.generate_private_key(ec.SECP256R1())
        local = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hub")])
        addresses = [x509.IPAddress(ipaddress.ip_address(each)) for each in ("127.0.0.1", "::1")]
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), *addresses])
        made = (
            self._builder(local, leaf, starts).add_extension(names, critical=False).sign(self.key, hashes.SHA256())
        )
        key = leaf.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.ca_file, self.server_file = folder / "ca.crt", folder / "server.pem"
        pem = serialization.Encoding.PEM
        self.ca_file.write_bytes(self.certificate.public_bytes(pem))
        self.server_file.write_bytes(made.public_bytes(pem) + self.certificate.public_bytes(pem) + key)

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, starts: dt.datetime
    ) -> x509.CertificateBuilder:
        ends = starts + dt.timedelta(days=30)
        serial = x509.random_serial_number()
        return x509.CertificateBuilder(self.name, subject, key.public_key(), serial, starts, ends)

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.ca_file))

    @property
    def pin(self) -> str:
        digest = hashes.Hash(hashes.SHA256())
        digest.update(
            self.key.public_key().public_bytes(
                serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
            )
        )
        return f"sha256:{digest.finalize().hex()}"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@contextlib.asynccontextmanager
async def listening(serve: Serve, host: str = "127.0.0.1", tls: Authority | None = None) -> AsyncIterator[int]:
    """A server on a free port, until the block ends."""
    context = None
    if tls is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(str(tls.server_file))
    made = await asyncio.start_server(serve, host, 0, ssl=context)
    try:
        yield made.sockets[0].getsockname()[1]
    finally:
        made.close()


async def hello(request: server.Request) -> server.Answer:
    return server.Response(200, f"{request.method} {request.path} {request.body.decode()}".encode())


@pytest.mark.parametrize(("host", "shown"), [("127.0.0.1", "127.0.0.1"), ("::1", "[::1]")])
async def test_requests_reach_ipv4_and_ipv6(authority: Authority, host: str, shown: str) -> None:
    async with listening(server.serve(hello), host, authority) as port:
        client = http.Client(f"https://{shown}:{port}", authority.context())
        assert await client.request("PATCH", "/a", b"body") == b"PATCH /a body"
        assert await client.request("GET", "/b") == b"GET /b "
        client.drop()


async def test_a_connection_is_used_again(authority: Authority) -> None:
    """A TLS handshake at every heartbeat would be most of the agent's idle work."""
    opened = 0

    async def counted(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal opened
        opened += 1
        await server.serve(hello)(reader, writer)

    async with listening(counted, tls=authority) as port:
        client = http.Client(f"https://127.0.0.1:{port}", authority.context())
        for _ in range(5):
            await client.request("GET", "/")
        client.drop()
    assert opened == 1


async def test_a_kept_connection_that_died_is_replaced(authority: Authority) -> None:
    """The hub's load balancer closed it: nobody hears of that."""

    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    async with listening(once, tls=authority) as port:
        client = http.Client(f"https://127.0.0.1:{port}", authority.context())
        for _ in range(3):
            assert await client.request("GET", "/") == b"ok"


async def test_silence_is_a_dead_link(authority: Authority) -> None:
    """A half-open connection: accepted, never answered."""
    held = asyncio.Event()

    async def silent(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await held.wait()

    async with listening(silent, tls=authority) as port:
        client = http.Client(f"https://127.0.0.1:{port}", authority.context())
        with pytest.raises(ports.UnavailableError, match="no answer within 1 s"):
            await client.request("GET", "/", seconds=1)
        held.set()


async def test_nobody_there_is_a_dead_link(authority: Authority) -> None:
    client = http.Client("https://127.0.0.1:1", authority.context())
    with pytest.raises(ports.UnavailableError, match=r"127\.0\.0\.1:1"):
        await client.request("GET", "/")


async def test_an_unknown_authority_is_no_hub(authority: Authority, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    async with listening(server.serve(hello), tls=other) as port:
        client = http.Client(f"https://127.0.0.1:{port}", authority.context())
        with pytest.raises(ports.UnavailableError, match="not to be trusted"):
            await client.request("GET", "/")


async def test_a_certificate_of_the_future_means_a_wrong_clock(tmp_path: Path) -> None:
    """And is accepted, its chain still checked, where the box is known to live in the past."""
    later = Authority(tmp_path, begins=dt.timedelta(days=1))
    async with listening(server.serve(hello), tls=later) as port:
        client = http.Client(f"https://127.0.0.1:{port}", later.context())
        with pytest.raises(errors.ClockError, match="is a clock wrong"):
            await client.request("GET", "/")
        timeless = later.context()
        timeless.verify_flags |= pki.NO_CHECK_TIME
        client.use(timeless)
        assert await client.request("GET", "/x") == b"GET /x "
        client.drop()


# --- proxies


def proxy(seen: list[bytes], status: str = "200 Connection established") -> Serve:
    """A CONNECT proxy; `seen` gets the heads of requests."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        seen.append(head)
        writer.write(f"HTTP/1.1 {status}\r\n\r\n".encode())
        if not status.startswith("200"):
            writer.close()
            return
        host, _, port = head.split()[1].decode().rpartition(":")
        back = await asyncio.open_connection(host.strip("[]"), int(port))
        await asyncio.gather(_copy(reader, back[1]), _copy(back[0], writer))

    return serve


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
        writer.close()


async def test_a_proxy_carries_the_tunnel(authority: Authority) -> None:
    seen: list[bytes] = []
    async with listening(server.serve(hello), "::1", authority) as port, listening(proxy(seen)) as way:
        client = http.Client(
            f"https://[::1]:{port}", authority.context(), proxy=f"http://me:s%40cret@127.0.0.1:{way}"
        )
        assert await client.request("GET", "/through") == b"GET /through "
        client.drop()
    assert seen[0].startswith(f"CONNECT [::1]:{port} HTTP/1.1".encode())
    assert b"Basic bWU6c0BjcmV0" in seen[0]  # me:s@cret


async def test_a_proxy_over_tls_carries_tls(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.ca_file))
    seen: list[bytes] = []
    async with (
        listening(server.serve(hello), tls=authority) as port,
        listening(proxy(seen), tls=authority) as way,
    ):
        client = http.Client(f"https://127.0.0.1:{port}", authority.context(), proxy=f"https://127.0.0.1:{way}")
        assert await client.request("GET", "/twice") == b"GET /twice "
        client.drop()


async def test_a_proxys_refusal_is_told(authority: Authority) -> None:
    async with listening(proxy([], "407 Proxy Authentication Required")) as way:
        client = http.Client("https://127.0.0.1:1", authority.context(), proxy=f"http://127.0.0.1:{way}")
        with pytest.raises(ports.UnavailableError, match="407 Proxy Authentication Required"):
            await client.request("GET", "/")


# --- the CA


async def test_the_ca_is_taken_from_the_chain(authority: Authority) -> None:
    """Where the hub sends its root along, as many load balancers do."""
    async with listening(server.serve(hello), tls=authority) as port:
        url = f"https://127.0.0.1:{port}"
        told: list[errors.Sentence] = []
        pem = await ca.find(url, authority.pin, "", "", told.append)
    assert [str(each) for each in told] == ["CA found in the TLS chain"]
    assert pem == authority.ca_file.read_text()


async def test_every_place_is_named_where_no_ca_is_found(authority: Authority) -> None:
    async with listening(server.serve(hello), tls=authority) as port:
        url = f"https://127.0.0.1:{port}"
        with pytest.raises(errors.JoinError, match=r"the TLS chain: .*cluster-info: .*/nowhere"):
            await ca.find(url, "sha256:" + "0" * 64, "/nowhere", "", lambda _text: None)


# --- the server


async def _ask(port: int, text: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text)
    answer = await asyncio.wait_for(reader.read(), 30)
    writer.close()
    return answer


def stream(
    *chunks: bytes, error: BaseException | None = None
) -> Callable[[server.Request], Awaitable[server.Answer]]:
    async def give() -> AsyncIterator[bytes]:
        if error is not None:
            raise error
        for chunk in chunks:
            yield chunk

    async def handle(_request: server.Request) -> server.Answer:
        return server.Stream(give())

    return handle


async def test_a_stream_is_sent_chunk_by_chunk() -> None:
    async with listening(server.serve(stream(b"one\n", b"two\n"))) as port:
        answer = await _ask(port, b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200")
    assert answer.index(b"one\n") < answer.index(b"two\n")


async def test_a_stream_of_nothing_that_exists_is_a_404() -> None:
    async with listening(server.serve(stream(error=LookupError("pod a/b is not on this node")))) as port:
        answer = await _ask(port, b"GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 404")
    assert b"pod a/b is not on this node" in answer


async def test_a_stream_ends_when_its_reader_hangs_up() -> None:
    """`kubectl logs -f` and Ctrl-C: nobody must go on reading the file."""
    ended = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        try:
            yield b"first\n"
            await asyncio.Event().wait()
        finally:
            ended.set()

    async def handle(_request: server.Request) -> server.Answer:
        return server.Stream(endless())

    async with listening(server.serve(handle)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /x HTTP/1.1\r\nhost: x\r\n\r\n")
        await reader.readuntil(b"first\n")
        writer.close()
        await asyncio.wait_for(ended.wait(), 30)


async def test_a_fault_is_a_500_and_the_server_goes_on() -> None:
    async def broken(_request: server.Request) -> server.Answer:
        raise RuntimeError("a fault")

    async with listening(server.serve(broken)) as port:
        for _ in range(2):
            answer = await _ask(port, b"GET /x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
            assert answer.startswith(b"HTTP/1.1 500")


async def test_an_upgraded_connection_is_handed_over_without_credentials() -> None:
    """The runtime sees the request as it was, but for who asked, and then every byte both ways."""
    heads: list[bytes] = []

    async def runtime(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 101 Switching Protocols\r\nupgrade: SPDY/3.1\r\n\r\n")
        writer.write(await reader.readexactly(4))
        await writer.drain()
        writer.close()

    async with listening(runtime) as behind:

        async def handle(request: server.Request) -> server.Answer:
            return endpoints.passed_on(request, f"http://127.0.0.1:{behind}/exec/TOKEN")

        head = b"POST /exec/a/b/c HTTP/1.1\r\nhost: x\r\nauthorization: Bearer secret\r\n"
        async with listening(server.serve(handle)) as port:
            answer = await _ask(port, head + b"connection: upgrade\r\nupgrade: SPDY/3.1\r\n\r\nping")
    assert answer.endswith(b"\r\n\r\nping")
    assert b"101 Switching" in answer
    assert heads[0].startswith(b"POST /exec/TOKEN HTTP/1.1")
    assert b"secret" not in heads[0]
    assert b"SPDY/3.1" in heads[0]


async def test_dialling_gives_up_on_dead_peers_soon(authority: Authority) -> None:
    """The kernel's own patience is a quarter of an hour."""
    import socket  # noqa: PLC0415

    async with listening(server.serve(hello), tls=authority) as port:
        streams = await dial.dial(dial.Url.parse(f"https://127.0.0.1:{port}"), authority.context())
        raw = streams[1].get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) <= 30_000
        assert raw.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
        streams[1].close()
