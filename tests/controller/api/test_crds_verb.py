"""`suanli-controller crds`."""

from pathlib import Path

import yaml
from click.testing import CliRunner

from suanli_controller.api.kinds import KINDS
from suanli_controller.cli.root import cli


def test_prints_every_kind_as_one_stream() -> None:
    result = CliRunner().invoke(cli, ["crds"])
    assert result.exit_code == 0
    kinds = [document["spec"]["names"]["kind"] for document in yaml.safe_load_all(result.output)]
    assert kinds == [kind.name for kind in KINDS]


def test_writes_one_file_for_each_kind(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["crds", "--directory", str(tmp_path / "new")])
    assert result.exit_code == 0
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(f"{k.plural}.yaml" for k in KINDS)
