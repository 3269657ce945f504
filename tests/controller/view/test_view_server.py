"""What the stream's server does with rows that cannot be told; serving itself is tested on a real API server."""

import structlog

from suanli_controller.view import model, server

CLASS = "arm64.kunpeng-920.kylin-v10.none"


def _told(frame: model.Frame) -> model.Frame:
    (told,) = model.Deframer().feed(server._encoded(frame))
    return told


def test_a_row_that_cannot_be_told_is_left_out_and_the_others_are_told() -> None:
    good = model.Node(target="EdgeSite/s", name="good", class_key=CLASS, requested={"cpu": 1})
    bad = model.Node(target="EdgeSite/s", name="bad", class_key=CLASS, requested={"cpu": 2**64})
    centre = model.Centre(table_version="1")
    rows = model.Rows(centre=centre, nodes=[good, bad])
    with structlog.testing.capture_logs() as logs:
        told = _told(model.Delta(sequence=1, at=2, rows=rows, gone=model.Gone(nodes=["x"])))
    sound = model.Rows(centre=centre, nodes=[good])
    assert told == model.Delta(sequence=1, at=2, rows=sound, gone=model.Gone(nodes=["x"]))
    assert [(each["table"], each["key"]) for each in logs] == [("nodes", "EdgeSite/s/bad")]
