"""Header blocks against the hpack package, by laws."""

import string
from typing import Any

import hpack as oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanli_agent.runtime import hpack

NAMES = st.text(string.ascii_lowercase + string.digits + "-", min_size=1, max_size=40)
VALUES = st.text(string.printable[:95], max_size=300)
HEADERS = st.lists(
    st.one_of(
        st.tuples(NAMES, VALUES),
        st.tuples(st.sampled_from(["content-type", "date", "server", "grpc-status"]), VALUES),
        st.sampled_from([(":status", "200"), (":status", "404"), (":status", "418")]),
    )
)


@given(HEADERS, st.booleans())
def test_what_another_encodes_is_read(headers: list[tuple[str, str]], huffman: bool) -> None:
    """Law: with the table that we ask for, every encoder's block gives the headers back, each time anew."""
    encoder = oracle.Encoder()
    encoder.header_table_size = 0
    for _ in range(2):
        block = encoder.encode(headers, huffman=huffman)
        assert list(hpack.decode(block)) == headers


@given(HEADERS)
def test_what_we_encode_another_reads(headers: list[tuple[str, str]]) -> None:
    read: Any = oracle.Decoder().decode(hpack.encode(headers))
    assert read == headers


@given(st.binary(max_size=60))
def test_any_bytes_are_headers_or_an_error_of_ours(block: bytes) -> None:
    try:
        hpack.decode(block)
    except hpack.HeaderError:
        return


def test_a_table_that_we_did_not_ask_for_is_refused() -> None:
    with pytest.raises(hpack.HeaderError, match="entry 62"):
        hpack.decode(b"\xbe")
