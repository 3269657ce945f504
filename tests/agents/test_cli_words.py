"""The person at the box is told everything in English and in Chinese."""

import argparse
import ast
import dataclasses
import json
import re
from pathlib import Path

import pytest

from suanli_agent import settings, state
from suanli_agent.cli import hardware as hardware_words
from suanli_agent.cli import pods as pods_words
from suanli_agent.cli import verify, words
from suanli_agent.hardware import accelerators, cpu, report, system
from suanli_agent.link import errors


def sentences() -> set[str]:
    """The template of every sentence that the rooms make for a person, and what link/ says of our Node."""
    found: set[str] = set()
    for file in Path(errors.__file__).parent.parent.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"Sentence", "JoinError"}:
                template = node.args[0]
                if isinstance(template, ast.Constant):
                    found.add(str(template.value))
            elif isinstance(node, ast.Assign) and getattr(node.targets[0], "attr", "") == "node_says":
                found |= {
                    each.value
                    for each in ast.walk(node.value)
                    if isinstance(each, ast.Constant) and isinstance(each.value, str)
                }
    return {template for template in found if re.search("[a-z]", re.sub(r"{.*?}", "", template))}


def test_every_sentence_for_a_person_is_there_in_chinese() -> None:
    assert sentences() == set(words.IN_CHINESE)
    for english, chinese in words.IN_CHINESE.items():
        assert sorted(re.findall("{.*?}", english)) == sorted(re.findall("{.*?}", chinese))


def test_a_sentence_is_told_in_the_language_of_the_box(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences in it too; what the hub says stays as it is."""
    inner = errors.Sentence("{0}: no certificate with this hash", errors.Sentence("the TLS chain"))
    said = errors.JoinError("the hub refused: {0}", inner)
    monkeypatch.setenv("SUANLI_LANG", "en")
    assert (
        words.tell(said.sentence) == str(said) == "the hub refused: the TLS chain: no certificate with this hash"
    )
    monkeypatch.setenv("SUANLI_LANG", "zh")
    assert words.tell(said.sentence) == "中心拒绝：TLS 证书链：没有此哈希值的证书"
    assert words.tell("SiteFull: {no places}") == "SiteFull: {no places}"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_each_field_of_the_hardware_has_a_heading(
    language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SUANLI_LANG", language)
    kinds = (
        cpu.Cpu,
        system.System,
        system.OperatingSystem,
        system.Disk,
        accelerators.Accelerator,
        report.Hardware,
    )
    missing = {field.name for kind in kinds for field in dataclasses.fields(kind)} - {
        key[2:] for key in words.TEXTS if key.startswith("h-")
    }
    assert missing == set()
    assert hardware_words.run(argparse.Namespace(host_root="", json=False), settings.Settings()) == 0
    told = capsys.readouterr().out
    assert ("处理器" in told) is (language == "zh")
    assert "kubernetes.io/arch: " in told


def test_columns_of_chinese_are_aligned() -> None:
    """A character takes two columns of a terminal."""
    assert pods_words.table([["名称", "阶段"], ["a", "Running"]]) == ["名称  阶段", "a     Running"]


def test_what_a_reboot_would_cost_is_told_in_chinese(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """And in English in the JSON, which programs read."""
    state.Store(tmp_path / "state.db").close()
    monkeypatch.setenv("SUANLI_LANG", "zh")
    chosen = settings.Settings(state=str(tmp_path))
    assert verify.run(argparse.Namespace(json=False), chosen) == 0
    assert "suanli-agent 开机自启" in capsys.readouterr().out
    assert verify.run(argparse.Namespace(json=True), chosen) == 0
    checks = json.loads(capsys.readouterr().out)["checks"]
    assert checks[0]["check"] == "suanli-agent starts at boot"
