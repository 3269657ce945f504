"""Reading manifests from files as `kubectl get -o yaml` or `-o json` prints them: documents, Lists, by the hundred MiB.

Large YAML goes through rapidyaml, piece by piece, and straight into typed structs: PyYAML takes two minutes for 50,000
nodes. What rapidyaml does not take is read again by PyYAML, which tells the line of a mistake.
"""

import math
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import ryml  # type: ignore[import-untyped]  # it ships no stubs
import yaml

_SMALL: Final = 1 << 16  # bytes that PyYAML reads fast enough
_PIECE: Final = 1 << 22  # bytes of a List that are parsed at a time: a parsed tree is ten times as large
_DOCUMENT: Final = re.compile(rb"(?m)^---(?=[ \t\r\n]|$)")
_ITEM: Final = re.compile(rb"(?m)^- ")


class ManifestError(ValueError):
    """A file that holds no manifests; the message names the file, the line where known, and the mend."""


class Head(msgspec.Struct, frozen=True):
    """What tells an object from others before it is decoded."""

    class Meta(msgspec.Struct, frozen=True):
        name: str = ""
        namespace: str = ""
        uid: str = ""
        annotations: dict[str, str] = {}

    kind: str = ""
    metadata: Meta = msgspec.field(default_factory=Meta)


class _List(msgspec.Struct, frozen=True):
    kind: str = ""
    items: list[msgspec.Raw] = []


_HEADS: Final = msgspec.json.Decoder(Head)
_LISTS: Final = msgspec.json.Decoder(_List)


def read(path: Path) -> Iterator[tuple[Head, msgspec.Raw]]:
    """Every object of a file, items of Lists included, as JSON. `-` is standard input. Raises ManifestError."""
    try:
        content = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    except OSError as error:
        raise ManifestError(f"{path}: {error.strerror}") from error
    for piece in _pieces(content):
        for document in _documents(piece, path):
            yield from _objects(document, path)


def _objects(document: bytes, path: Path) -> Iterator[tuple[Head, msgspec.Raw]]:
    if document.strip() in (b"", b"null"):
        return
    try:
        found = _LISTS.decode(document)
        items = found.items if found.kind.endswith("List") else [msgspec.Raw(document)]
        for item in items:
            yield _HEADS.decode(item), item
    except msgspec.ValidationError as error:
        raise ManifestError(f"{path}: {error}: every document must be a Kubernetes object or a List") from error
    except msgspec.DecodeError as error:
        raise ManifestError(f"{path}: not JSON: {error}") from error


def _pieces(content: bytes) -> Iterator[bytes]:
    """Documents; those of a large List, whose items kubectl writes without indent, in pieces that are Lists, too."""
    if content[:1] in (b"{", b"["):
        yield content
        return
    for document in _DOCUMENT.split(content):
        yield from _items(document) if len(document) > _PIECE else (document,)


def _items(document: bytes) -> Iterator[bytes]:
    starts = [found.start() for found in _ITEM.finditer(document)]
    end = document.rfind(b"\nkind:") + 1
    plain = starts and b"\nitems:" in document[: starts[0]] and end > starts[-1] and not _has_anchors(document)
    if not plain:
        yield document
        return
    begin = starts[0]
    for start in [*starts[1:], end]:
        if start - begin >= _PIECE or start == end:
            yield b"kind: List\nitems:\n" + document[begin:start]
            begin = start


def _has_anchors(document: bytes) -> bool:
    """Whether a value may stand for one that was written elsewhere in the document."""
    return b": &" in document or b"- &" in document


def _documents(piece: bytes, path: Path) -> Iterator[bytes]:
    if piece[:1] == b"{" and (
        len(piece) > _SMALL or _is_json(piece)
    ):  # else YAML's own way to write a map in a line
        yield piece
        return
    if len(piece) > _SMALL:
        try:
            tree = ryml.parse_in_arena(piece)
            if _has_anchors(piece):
                tree.resolve()
            parsed = ryml.emit_json(tree).encode()
            msgspec.json.decode(parsed, type=msgspec.Raw)
        except (RuntimeError, UnicodeError, ValueError, msgspec.DecodeError):
            pass  # tags, mistakes: PyYAML knows better, or knows the line
        else:
            yield parsed
            return
    yield from _slowly(piece, path)


def _is_json(piece: bytes) -> bool:
    try:
        msgspec.json.decode(piece, type=msgspec.Raw)
    except msgspec.DecodeError:
        return False
    return True


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # either is a loader
    """Leaves .nan and .inf as they are written: JSON has no such numbers, and would make nothing of them."""

    def construct_yaml_float(self, node: yaml.ScalarNode) -> float | str:
        value: float = super().construct_yaml_float(node)
        return value if math.isfinite(value) else str(node.value)


_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_yaml_float)


def _slowly(piece: bytes, path: Path) -> Iterator[bytes]:
    try:
        for document in yaml.load_all(piece, Loader=_Loader):
            yield msgspec.json.encode(document)
    except (yaml.YAMLError, UnicodeError) as error:
        raise ManifestError(f"{path}: not YAML: {error}") from error
    except (TypeError, ValueError, RecursionError) as error:
        raise ManifestError(f"{path}: a document that no JSON could say: {error}") from error
