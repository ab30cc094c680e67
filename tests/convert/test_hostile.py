"""Files that were made to do harm are refused or converted, at once, without a traceback, the network or a wrong manifest."""

from __future__ import annotations

import io
import json
import socket
import time
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any, NoReturn

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reconciler.cli import run
from reconciler.convert import reading
from tests.conftest import reconciler
from tests.convert.samples import DATA, SAMPLES

ALIASES = "\n".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]" for i in range(1, 12))
DEEP_JSON = '{"mcpServers": ' + '{"a": ' * 100_000 + "1" + "}" * 100_001
BOMBS = {
    "aliases": ("litellm", "in.yaml", "a0: &a0 [x, x]\n" + ALIASES + "\nmodel_list: *a11\n", "too-many-nodes"),
    "fewer aliases": (
        "litellm",
        "in.yaml",
        "a: &a [" + "x, " * 5000 + "]\nmodel_list: [" + "*a, " * 100 + "]",
        "too-many-nodes",
    ),
    "depth": ("toolbox", "in.yaml", "sources: " + "[" * 100_000, "too-deep"),
    "depth in JSON": ("mcp", "in.json", DEEP_JSON, "too-deep"),
    "a little too deep in JSON": ("mcp", "in.json", "[" * 65 + "]" * 65, "too-deep"),
    "twice the same key": ("mcp", "in.json", '{"mcpServers": {}, "mcpServers": {}}', "json-syntax"),
    "not a number": ("openapi", "in.json", '{"openapi": NaN}', "json-syntax"),
    "a large number": ("openapi", "in.json", '{"openapi": ' + "9" * 5000 + "}", "json-syntax"),
    "a large exponent": ("openapi", "in.json", '{"openapi": 1e999999999}', "json-syntax"),
    "no UTF-8": ("openapi", "in.json", b'{"openapi": "\xff"}', "json-syntax"),
    "cut off": ("openapi", "in.json", '{\n "openapi": ', "json-syntax"),
    "a tag": ("litellm", "in.yaml", "model_list: !!python/object/apply:os.system [id]\n", "unknown-tag"),
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(name: str, tmp_path: Path) -> None:
    format, file, text, code = BOMBS[name]
    (tmp_path / file).write_bytes(text if isinstance(text, bytes) else text.encode())
    start = time.perf_counter()
    ran = reconciler("convert", format, file, cwd=tmp_path).ok(3)
    assert time.perf_counter() - start < 20
    assert f"[{code}]" in ran.err
    assert f"on {file}" in ran.err
    assert ran.out == ""


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "in.yaml").open("wb") as file:
        file.truncate(reading.MAX_BYTES + 1)
    assert "file-too-large" in reconciler("convert", "litellm", "in.yaml", cwd=tmp_path).ok(3).err


def openapi(schemas: dict[str, Any], parameters: dict[str, Any] | None = None) -> str:
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/s0"}}}}
    paths = {"/a": {"post": {"operationId": "a", "requestBody": body}}, "/b": {"get": {"operationId": "b"}}}
    found = {
        "openapi": "3.1.0",
        "info": {"title": "t", "version": "1"},
        "servers": [{"url": "https://h"}],
        "paths": paths,
    }
    return json.dumps({**found, "components": {"schemas": schemas, "parameters": parameters or {}}})


CIRCLES = {
    "onto itself": {"s0": {"$ref": "#/components/schemas/s0"}},
    "of two": {
        "s0": {"properties": {"a": {"$ref": "#/components/schemas/s1"}}},
        "s1": {"items": {"$ref": "#/components/schemas/s0"}},
    },
    "of very many": {
        f"s{i}": {"properties": {"a": {"$ref": f"#/components/schemas/s{(i + 1) % 5000}"}}} for i in range(5000)
    },
    "each with all": {
        f"s{i}": {"anyOf": [{"$ref": f"#/components/schemas/s{j}"} for j in range(200)]} for i in range(200)
    },
    "into the paths": {"s0": {"$ref": "#/paths/~1a/post/requestBody/content/application~1json/schema"}},
    "far away": {"s0": {"$ref": "https://127.0.0.1:9/s.json"}},
    "a file": {"s0": {"$ref": "file:///etc/passwd"}},
    "beside": {"s0": {"$ref": "other.json#/a"}},
    "nowhere": {"s0": {"$ref": "#/components/schemas/none"}},
    "deep": {"s0": json.loads('{"items": ' * 40 + "{}" + "}" * 40)},
}


@pytest.mark.parametrize("name", CIRCLES)
def test_references_end(name: str, tmp_path: Path) -> None:
    (tmp_path / "in.json").write_text(openapi(CIRCLES[name]))
    start = time.perf_counter()
    ran = reconciler("convert", "openapi", "in.json", cwd=tmp_path).ok()
    assert time.perf_counter() - start < 20
    assert "\n  b:\n" in ran.out, "the other operation is not the worse for it"
    reconciler("validate", "-", cwd=tmp_path, stdin=ran.out).ok()
    if "\n  a:\n" not in ran.out:
        assert "paths./a.post" in ran.err
    assert ("\n  a:\n" in ran.out) == (name in {"of two", "deep"})


def test_nothing_is_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refuse(*_arguments: Any, **_more: Any) -> NoReturn:
        raise AssertionError("the network was asked for")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in.json").write_text(openapi(CIRCLES["far away"]))
    files = [("openapi", "in.json"), *((format, str(DATA / name)) for name, format in SAMPLES.items())]
    for format, file in files:
        with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            assert run(["convert", format, file]) == 0


def test_names_and_keys_reach_no_terminal_as_they_are(tmp_path: Path) -> None:
    server = {"command": "x", "env": {"A": "b"}, "\u001b[31mred\u202e\n": 1}
    (tmp_path / "in.json").write_text(
        json.dumps({"mcpServers": {"\u001b]0;t\u0007": server, "\ud800": server, "": server}})
    )
    ran = reconciler("convert", "mcp", "in.json", cwd=tmp_path).ok()
    assert not {"\x1b", "\u202e", "\x07", "\ud800"} & set(ran.text)
    reconciler("validate", "-", cwd=tmp_path, stdin=ran.out).ok()
    reconciler("convert", "mcp", "in.json", "--format", "json", cwd=tmp_path).ok()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.text(max_size=12)
    | st.sampled_from(["${A}", "sk-abcdef123"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = (
        list(value.items()) if isinstance(value, dict) else list(enumerate(value)) if isinstance(value, list) else []
    )
    return [path, *(place for key, item in inner for place in places(item, (*path, key)))]


def replaced(value: Any, path: tuple[Any, ...], by: Any) -> Any:
    if not path:
        return by
    if isinstance(value, dict):
        return {key: replaced(item, path[1:], by) if key == path[0] else item for key, item in value.items()}
    return [replaced(item, path[1:], by) if index == path[0] else item for index, item in enumerate(value)]


def documents(name: str) -> list[Any]:
    if name.endswith(".json"):
        return [json.loads((DATA / name).read_text())]
    return list(yaml.load_all((DATA / name).read_text(), Loader=yaml.BaseLoader))


@settings(max_examples=40, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize("name", SAMPLES)
def test_anything_anywhere_gives_valid_manifests_or_exit_3(
    name: str, data: st.DataObject, tmp_path_factory: Any
) -> None:
    """One value of a sample becomes any JSON: the manifests validate, each field has a fate, and there is no defect."""
    folder = tmp_path_factory.mktemp("any")
    whole = documents(name)
    for _time in range(data.draw(st.integers(1, 3))):
        whole = replaced(whole, data.draw(st.sampled_from(places(whole)[1:])), data.draw(JSON))
        if not places(whole)[1:]:
            return
    text = "\n---\n".join(json.dumps(document) for document in whole) if len(whole) > 1 else json.dumps(whole[0])
    file = folder / ("in.yaml" if len(whole) > 1 else "in.json")
    file.write_text(text)
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(["convert", SAMPLES[name], str(file), "--format", "json"])
    assert code in (0, 3), (text, err.getvalue())
    assert "internal-error" not in err.getvalue()
    if code == 0:
        (folder / "m.yaml").write_text(out.getvalue())
        again = io.StringIO()
        with redirect_stdout(again), redirect_stderr(again):
            assert run(["validate", str(folder / "m.yaml")]) == 0, (text, out.getvalue(), again.getvalue())
        (fields,) = [one["fields"] for one in json.loads(err.getvalue())["inputs"]]
        assert fields["total"] == fields["carried"] + fields["reference"] + fields["left"], text
