"""What the dashboard says of settings that only the system can refuse."""

import socket

import pytest

from suanli_controller.dashboard import serve, settings


def test_a_metrics_port_that_is_taken_is_told_with_its_option() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(settings.InvalidSettingError, match=rf"--metrics-port {port}: .* in use: name another"):
            serve.serve_metrics(port, "127.0.0.1")
