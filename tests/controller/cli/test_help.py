"""Help: every verb and every group of verbs shows how it is used."""

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from suanli_controller.cli import root


def commands(group: click.Group, *path: str) -> Iterator[tuple[str, ...]]:
    yield path
    for name, each in group.commands.items():
        if isinstance(each, click.Group):
            yield from commands(each, *path, name)
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(commands(root.cli)), ids=" ".join)
def test_help_has_examples_that_begin_as_one_types_them(path: tuple[str, ...]) -> None:
    answer = CliRunner().invoke(root.cli, [*path, "--help"])
    assert answer.exit_code == 0, answer.output
    _, found, examples = answer.output.partition("Example")
    assert found
    assert " ".join(("suanli-controller", *path)) in examples
