"""The command's contract: where things go, what is refused, with which exit code and which place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import reconciler

LITELLM = """
model_list:
  - model_name: gpt
    litellm_params: {model: openai/gpt-5, api_key: os.environ/OPENAI_API_KEY}
"""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "proxy.yaml"
    path.write_text(LITELLM)
    return path


def test_manifests_on_stdout_and_the_report_on_stderr(source: Path, tmp_path: Path) -> None:
    ran = reconciler("convert", "litellm", "proxy.yaml", cwd=tmp_path).ok()
    assert "integrations:" in ran.out
    assert "1 integration, 1 route; of 3 fields" in ran.err
    assert "--tenant names another" in ran.out
    assert "names another" not in reconciler("convert", "litellm", "proxy.yaml", "--tenant", "a", cwd=tmp_path).ok().out
    assert [path.name for path in tmp_path.iterdir()] == ["proxy.yaml"]


def test_out_writes_one_file_per_input_and_nothing_to_stdout(source: Path, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "proxy.yml").write_text(LITELLM)
    ran = reconciler("convert", "litellm", "proxy.yaml", "b/proxy.yml", "--out", "new/out", cwd=tmp_path).ok()
    assert ran.out == ""
    assert sorted(path.name for path in (tmp_path / "new" / "out").iterdir()) == ["proxy-2.yaml", "proxy.yaml"]
    reconciler("validate", "new/out", cwd=tmp_path).ok()


def test_nothing_is_ever_overwritten(source: Path, tmp_path: Path) -> None:
    ran = reconciler("convert", "litellm", "proxy.yaml", "--out", ".", cwd=tmp_path).ok(6)
    assert "file-exists" in ran.err
    assert source.read_text() == LITELLM
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "proxy.yaml").symlink_to(tmp_path / "nowhere")
    reconciler("convert", "litellm", "proxy.yaml", "--out", "out", cwd=tmp_path).ok(6)
    assert not (tmp_path / "nowhere").exists()


def test_if_one_target_exists_no_file_is_written(source: Path, tmp_path: Path) -> None:
    (tmp_path / "other.yaml").write_text(LITELLM)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "proxy.yaml").write_text("mine")
    reconciler("convert", "litellm", "other.yaml", "proxy.yaml", "--out", "out", cwd=tmp_path).ok(6)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["proxy.yaml"]


def test_stdin(tmp_path: Path) -> None:
    assert "gpt:" in reconciler("convert", "litellm", "-", cwd=tmp_path, stdin=LITELLM).ok().out


def test_quiet_keeps_the_figures(source: Path, tmp_path: Path) -> None:
    assert len(reconciler("convert", "litellm", "proxy.yaml", "-q", cwd=tmp_path).ok().err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["convert"], 64),
        (["convert", "litellm"], 64),
        (["convert", "kong", "proxy.yaml"], 64),
        (["convert", "litellm", "proxy.yaml", "--tenant", "Not A Name"], 64),
        (["convert", "litellm", "missing.yaml"], 3),
        (["convert", "litellm", "."], 3),
    ],
)
def test_wrong_usage_and_missing_files(arguments: list[str], code: int, source: Path, tmp_path: Path) -> None:
    assert reconciler(*arguments, cwd=tmp_path).ok(code).out == ""


WRONG = {
    "litellm": ("a: 1\nb: 2\n", "wrong-format", ":1:1"),
    "toolbox": ("\nkind: gadget\nname: x\n", "wrong-format", ":2:1"),
    "openapi": ('swagger: "1.2"\n', "wrong-format", ":1:1"),
    "mcp": ("\n\nservers: [a]\n", "wrong-format", ":3:1"),
    "agentgateway": ("a: 1\n", "wrong-format", ":1:1"),
    "deck": ("services: []\n", "wrong-format", ":1:1"),
    "envoy": ("kind: Service\n", "wrong-format", ":1:1"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_file_of_another_format_is_told_with_its_place(name: str, tmp_path: Path) -> None:
    text, code, place = WRONG[name]
    (tmp_path / "in.yaml").write_text(text)
    ran = reconciler("convert", name, "in.yaml", cwd=tmp_path).ok(3)
    assert f"[{code}]" in ran.err
    assert f"in.yaml{place}" in ran.err
    assert ran.out == ""


@pytest.mark.parametrize("name", WRONG)
@pytest.mark.parametrize("text", ["", "[]", "null", "text", "- 1\n- 2", "{}", "---\n---\n"])
def test_what_says_nothing_is_no_file_of_a_format(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text(text)
    assert reconciler("convert", name, "in.yaml", cwd=tmp_path).ok(3).out == ""


def test_where_nothing_comes_of_it_the_reason_is_told(tmp_path: Path) -> None:
    (tmp_path / "in.yaml").write_text("model_list:\n  - {model_name: a}\n")
    ran = reconciler("convert", "litellm", "in.yaml", cwd=tmp_path).ok(3)
    assert "nothing-converted" in ran.err
    assert "expected `model_name` and `litellm_params.model`" in ran.err


def test_one_bad_file_of_several_stops_all(source: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("a: [\n")
    ran = reconciler("convert", "litellm", "proxy.yaml", "bad.yaml", "--out", "out", cwd=tmp_path).ok(3)
    assert "bad.yaml:1:5" in ran.err
    assert not (tmp_path / "out").exists()
