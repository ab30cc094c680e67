"""One case of bad input.

In its files ``⟦code⟧`` stands where a problem of this code is to be reported; it is taken out before the file is
written. Problems without a line, and those of files that are no text, are listed as ``code file:line:column``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CANARY = "c4n4ry-5up3r-s3cr3t"
HEAD = "version: 1\ntenant: acme\n"
LIMIT = "limits:\n  month: {target: tenant, per: month, requests: 1}\n"
GOOD = HEAD + LIMIT
CONNECTOR = 'connectors:\n  db: {type: sql, dialect: postgresql, dsn: "vault://kv/acme/db#dsn"}\n'
SALES = CONNECTOR + "datasources:\n  sales: {type: database, connector: db, tables: [public.orders]}\n"
API = "connectors:\n  api: {type: http, base_url: https://api.example.com, allowed_methods: [GET, POST]}\n"
MARK = re.compile("⟦([a-z0-9-]+)⟧")

Found = tuple[str, str, int | None, int | None]
"""Code, file, line and column."""


@dataclass(frozen=True)
class Case:
    """Files and arguments, and what comes of them. ``says`` is a part of what people read."""

    files: dict[str, str | bytes]
    arguments: tuple[str, ...] = (".",)
    also: tuple[str, ...] = ()
    says: str = ""
    code: int = 3
    prepare: Callable[[Path], object] | None = None
    environment: tuple[tuple[str, str], ...] = ()

    def expected(self) -> list[Found]:
        """Every problem, in the order of files and lines."""
        found = [_listed(text) for text in self.also]
        found += [problem for name, text in self.files.items() for problem in _marked(name, text)]
        return sorted(found, key=lambda problem: (problem[1], problem[2] or 0, problem[3] or 0, problem[0]))

    def write(self, folder: Path) -> None:
        for name, text in self.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(MARK.sub("", text).encode() if isinstance(text, str) else text)
        if self.prepare is not None:
            self.prepare(folder)


def _listed(text: str) -> Found:
    code, _, place = text.partition(" ")
    found = re.fullmatch(r"(.*):(\d+):(\d+)", place)
    return (code, found[1], int(found[2]), int(found[3])) if found else (code, place, None, None)


def _marked(name: str, text: str | bytes) -> Iterator[Found]:
    for match in MARK.finditer(text) if isinstance(text, str) else ():
        before = MARK.sub("", match.string[: match.start()])
        yield match[1], name, before.count("\n") + 1, len(before) - before.rfind("\n")


def one(body: str, **more: Any) -> Case:
    """A single manifest of the tenant acme."""
    return Case({"a.yaml": HEAD + body}, **more)


def raw(text: str | bytes, *also: str, **more: Any) -> Case:
    """A single file as it is."""
    return Case({"a.yaml": text}, also=also, **more)


def project(settings: str, **more: Any) -> Case:
    """A project's file, and a manifest that is fine."""
    files = {"reconciler.yaml": f"version: 1\n{settings}", "a.yaml": GOOD, **more.pop("files", {})}
    return Case(files, more.pop("arguments", ()), **more)


def integration(fields: str, **more: Any) -> Case:
    return one(f"integrations:\n  openai:\n    provider: openai\n    credential: env://KEY\n    {fields}\n", **more)


def limit(fields: str, **more: Any) -> Case:
    return one(f"limits:\n  l: {{target: tenant, {fields}}}\n", **more)


def statement(sql: str, more: str = "", **rest: Any) -> Case:
    return one(f"{SALES}templates:\n  t: {{type: sql, datasource: sales, {more}sql: {sql}}}\n", **rest)


def request(fields: str, **more: Any) -> Case:
    return one(f"{API}templates:\n  t: {{type: http, connector: api, method: GET, {fields}}}\n", **more)


def many(step: str, count: int, first: str) -> str:
    """``first``, and then ``step`` with this and the last number, for bombs."""
    return first + "".join(step.format(this=i, last=i - 1) for i in range(1, count))
