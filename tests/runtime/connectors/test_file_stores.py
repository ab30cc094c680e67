"""The same for each real store of files: what is written, read, listed and deleted, bounds, and names that lead nowhere else."""

from __future__ import annotations

import pytest

from reconciler.runtime.call import Answer, Failed
from tests.runtime.connectors.file_stores import azure, gcs, s3  # noqa: F401
from tests.runtime.connectors.file_support import Files, code, content

STORES = ["s3", "gcs", "azure"]


@pytest.fixture(params=STORES)
def files(request: pytest.FixtureRequest) -> Files:
    made: Files = request.getfixturevalue(request.param)
    for one in content(made.call("list")):
        content(
            made.call(
                "delete",
                "{p}" if "/" not in one["name"] else one["name"],
                values={"p": one["name"]} if "/" not in one["name"] else {},
            )
        )
    return made


def test_a_file_is_written_read_listed_and_deleted(files: Files) -> None:
    values = {"y": "2026", "n": "nöte #1 a+b%2F", "text": "hällo"}
    wrote = files.call("write", "{y}/{n}.txt", values=values)
    path = "2026/nöte #1 a+b%2F.txt"
    assert content(wrote) == {"path": path, "size": 6, "media_type": "text/plain"}
    assert files.effect
    read = files.call("read", "{y}/{n}.txt", values={"y": "2026", "n": values["n"]})
    assert content(read) == {"path": path, "size": 6, "media_type": "text/plain", "text": "hällo"}
    (listed,) = content(files.call("list"))
    assert (listed["name"], listed["size"], listed["modified"][-1]) == (path, 6, "Z")
    assert len(listed["modified"]) == len("2026-01-01T00:00:00Z")
    assert content(files.call("list", "2026")) == [listed]
    assert content(files.call("list", "202")) == content(files.call("list", "none")) == []
    for _ in range(2):
        assert content(files.call("delete", path)) == {"path": path}
    missing = files.call("read", path)
    assert isinstance(missing, Failed)
    assert (missing.code, missing.outcome) == ("no-such-file", "failure")


def test_an_existing_file_stays_unless_the_template_replaces_it(files: Files) -> None:
    content(files.call("write", "a.txt", values={"text": "old"}))
    refused = files.call("write", "a.txt", values={"text": "new"})
    assert isinstance(refused, Failed)
    assert (refused.code, refused.outcome) == ("file-exists", "failure")
    assert content(files.call("read", "a.txt"))["text"] == "old"
    content(files.call("write", "a.txt", values={"text": "new"}, if_exists="replace", media_type="text/x-own"))
    read = content(files.call("read", "a.txt"))
    assert (read["text"], read["media_type"]) == ("new", "text/x-own")


def test_bounds(files: Files) -> None:
    for number in range(4):
        content(files.call("write", "b/{n}.txt", values={"n": str(number), "text": "ä" * 100}))
    assert code(files.call("read", "b/0.txt", max_bytes=11)) == "file-too-large"
    cut = files.call("read", "b/0.txt", max_bytes=11, too_large="cut")
    assert isinstance(cut, Answer)
    assert (cut.content["text"], cut.content["size"], cut.cut) == ("ä" * 5, 200, True)
    some = files.call("list", "b", max_results=3)
    assert isinstance(some, Answer)
    assert ([one["name"] for one in some.content], some.cut) == ([f"b/{number}.txt" for number in range(3)], True)
    whole = files.call("read", "b/0.txt", max_bytes=200)
    assert isinstance(whole, Answer)
    assert (whole.content["text"], whole.cut) == ("ä" * 100, False)


def test_the_datasource_is_the_extent(files: Files) -> None:
    for name in ("in/a.csv", "in/a.txt", "inside/b.csv", "c.csv"):
        content(files.call("write", name, values={"text": name}))
    own = {"prefix": "in/", "paths": ["*.csv"]}
    assert [one["name"] for one in content(files.call("list", datasource=own))] == ["a.csv"]
    assert content(files.call("read", "{n}", values={"n": "a.csv"}, datasource=own))["text"] == "in/a.csv"
    assert code(files.call("read", "{n}", values={"n": "a.txt"}, datasource=own)) == "path-not-in-datasource"
    for hostile in ("../c.csv", "..", "/c.csv", "..\\c.csv", "%2e%2e/c.csv", "a.csv?versionId=x", "a.csv\x00"):
        assert isinstance(files.call("read", "{n}", values={"n": hostile}, datasource=own), Failed)


def test_bytes_and_an_empty_file(files: Files) -> None:
    content(files.call("write", "e.bin", values={"text": ""}))
    assert content(files.call("read", "e.bin")) == {
        "path": "e.bin",
        "size": 0,
        "media_type": "application/octet-stream",
        "text": "",
    }


def test_the_cheapest_call_says_whether_it_answers(files: Files) -> None:
    files.ping()
    name = "container" if "container" in files.raw else "bucket"
    with pytest.raises(Failed):
        Files({**files.raw, name: "nothing-of-this-name"}, files.around).ping()
