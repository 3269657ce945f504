"""The pid that a death is waited for by, from what runtimes tell when they are asked for everything."""

from __future__ import annotations

import pytest

from suanli_agent.runtime import cri_pb2 as cri
from suanli_agent.runtime import records


@pytest.mark.parametrize(
    ("info", "pid"),
    [
        ('{"sandboxID":"a","pid":4321,"runtimeSpec":{"process":{"pid":1}}}', 4321),
        ('{"pid":"4321"}', 4321),
        ('{"pid":null}', 0),
        ("{}", 0),
        ("[]", 0),
        ("no JSON", 0),
    ],
)
def test_the_pid_is_read_where_there_is_one_and_0_otherwise(info: str, pid: int) -> None:
    assert records.sandbox_status(cri.PodSandboxStatusResponse(info={"info": info})).pid == pid


def test_a_runtime_that_tells_nothing_has_no_pid() -> None:
    assert records.sandbox_status(cri.PodSandboxStatusResponse()).pid == 0
