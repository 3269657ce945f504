"""What all tests share: Hypothesis without a deadline, since how fast a busy machine is proves nothing."""

import hypothesis
import pytest

hypothesis.settings.register_profile("suanli", deadline=None)
hypothesis.settings.load_profile("suanli")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--regenerate", action="store_true", help="write golden output files anew; read the diff")
