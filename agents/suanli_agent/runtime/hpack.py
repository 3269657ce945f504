"""Header blocks of HTTP/2 (HPACK, RFC 7541), as far as a gRPC client needs them: answers read, requests written plain.

We announce a dynamic table of no size, so every block stands for itself: the same bytes are the same headers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable

_TABLE = (  # Appendix A; 8 to 14 have values that an answer can have
    ":authority :method :method :path :path :scheme :scheme :status :status :status :status :status :status :status "
    "accept-charset accept-encoding accept-language accept-ranges accept access-control-allow-origin age allow "
    "authorization cache-control content-disposition content-encoding content-language content-length "
    "content-location content-range content-type cookie date etag expect expires from host if-match "
    "if-modified-since if-none-match if-range if-unmodified-since last-modified link location max-forwards "
    "proxy-authenticate proxy-authorization range referer refresh retry-after server set-cookie "
    "strict-transport-security transfer-encoding user-agent vary via www-authenticate"
)
_NAMES = _TABLE.split()
_STATUSES = {8: "200", 9: "204", 10: "206", 11: "304", 12: "400", 13: "404", 14: "500"}

# Appendix B: what has a code of so many bits. The code is canonical, so this says all; gRPC allows nothing else.
_LENGTHS = {
    5: "012aceiost",
    6: " %-./3456789=A_bdfghlmnpru",
    7: ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz",
    8: "&*,;XZ",
    10: '!"()?',
    11: "'+|",
    12: "#>",
    13: "\0$@[]~",
    14: "^}",
    15: "<`{",
    19: "\\",
}


def _codes() -> dict[tuple[int, int], str]:
    """(bits, code) -> character."""
    found: dict[tuple[int, int], str] = {}
    code = before = 0
    for bits, characters in _LENGTHS.items():
        code <<= bits - before
        before = bits
        for character in characters:
            found[bits, code] = character
            code += 1
    return found


_CODES = _codes()
_LONGEST = max(_LENGTHS)


class HeaderError(ValueError):
    """A block that cannot be read."""


@functools.lru_cache(maxsize=64)
def decode(block: bytes) -> tuple[tuple[str, str], ...]:
    """The headers of a block. Raises HeaderError."""
    try:
        return tuple(_fields(block))
    except IndexError:
        raise HeaderError("a header block that ends too early") from None


def _fields(block: bytes) -> Iterable[tuple[str, str]]:
    at = 0
    while at < len(block):
        first = block[at]
        if first & 0x80:
            index, at = _integer(block, at, 7)
            yield _name(index), _STATUSES.get(index, "")
        elif first & 0xE0 == 0x20:
            _, at = _integer(block, at, 5)  # the table's size: none, as we asked for
        else:
            index, at = _integer(block, at, 6 if first & 0x40 else 4)
            if index:
                name = _name(index)
            else:
                name, at = _string(block, at)
            value, at = _string(block, at)
            yield name, value


def _name(index: int) -> str:
    if not 0 < index <= len(_NAMES):
        raise HeaderError(f"entry {index} of a table that has none")
    return _NAMES[index - 1]


def _integer(block: bytes, at: int, bits: int) -> tuple[int, int]:
    """A number that begins with so many bits (5.1), and where it ends."""
    value = block[at] & ((1 << bits) - 1)
    at += 1
    if value < (1 << bits) - 1:
        return value, at
    shift = 0
    while True:
        value += (block[at] & 0x7F) << shift
        shift += 7
        at += 1
        if not block[at - 1] & 0x80:
            return value, at


def _string(block: bytes, at: int) -> tuple[str, int]:
    huffman = block[at] & 0x80
    length, at = _integer(block, at, 7)
    raw = block[at : at + length]
    if len(raw) < length:
        raise HeaderError("a header that ends too early")
    return (_huffman(raw) if huffman else raw.decode("latin-1")), at + length


def _huffman(raw: bytes) -> str:
    found: list[str] = []
    bits = code = 0
    for byte in raw:
        for shift in range(7, -1, -1):
            code = code << 1 | byte >> shift & 1
            bits += 1
            character = _CODES.get((bits, code))
            if character is not None:
                found.append(character)
                bits = code = 0
            elif bits > _LONGEST:
                raise HeaderError("a header with a character that gRPC does not allow")
    return "".join(found)


def encode(headers: Iterable[tuple[str, str]]) -> bytes:
    """A block of headers as they are: no table, no compression."""
    parts: list[bytes] = []
    for name, value in headers:
        parts.extend((b"\0", _plain(name), _plain(value)))
    return b"".join(parts)


def _plain(text: str) -> bytes:
    raw = text.encode()
    length = len(raw)
    if length < 0x7F:
        return bytes((length,)) + raw
    prefix = bytearray((0x7F,))
    length -= 0x7F
    while length >= 0x80:
        prefix.append(length & 0x7F | 0x80)
        length >>= 7
    return bytes((*prefix, length)) + raw
