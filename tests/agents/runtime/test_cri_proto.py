"""The committed CRI messages are what `make agent-proto` generates."""

import pathlib
import shutil
from pathlib import Path

import pytest
from grpc_tools import protoc

import suanli_agent.runtime

ROOM = pathlib.Path(next(iter(suanli_agent.runtime.__path__)))


@pytest.mark.parametrize("name", ["cri_pb2.py", "cri_pb2.pyi", "health_pb2.py", "health_pb2.pyi"])
def test_generated_code_matches_its_proto(tmp_path: Path, name: str) -> None:
    """After a change of cri.proto the generated code is committed with it."""
    proto = name.split("_", maxsplit=1)[0] + ".proto"
    source = tmp_path / "suanli_agent/runtime" / proto
    source.parent.mkdir(parents=True)
    shutil.copy(ROOM / proto, source)
    arguments = ["protoc", f"-I{tmp_path}", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", str(source)]
    assert protoc.main(arguments) == 0
    assert (source.parent / name).read_text() == (ROOM / name).read_text(), "run `make agent-proto`"
