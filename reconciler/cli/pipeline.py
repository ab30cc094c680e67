"""What a pipeline's service wants beside a result: places from the top of the repository, and files that it reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from uuid import uuid4


def in_repository(document: dict[str, Any], root: Path | None = None) -> dict[str, Any]:
    """Return the document of a plan or of problems with its files named from the top of the git repository.

    Services that show them beside a diff don't know which folder they count from: that is ``root``, the project's, for
    a plan, and the working directory for problems. Outside git nothing changes.
    """
    here = root or Path.cwd()
    top = next((folder for folder in (here, *here.parents) if (folder / ".git").exists()), here)
    return document if top == here else _below(document, here.relative_to(top).as_posix())


def write_step_files(document: dict[str, Any]) -> None:
    """Append a plan to GitHub's summary and outputs of a step, where the environment names their files."""
    from reconciler.render.github import outputs
    from reconciler.render.markdown import plan_markdown

    summary, output = os.environ.get("GITHUB_STEP_SUMMARY"), os.environ.get("GITHUB_OUTPUT")
    if summary:
        _append(summary, plan_markdown(document) + "\n")
    if output:
        _append(output, outputs(document, f"end_{uuid4().hex}"))


def _append(file: str, text: str) -> None:
    with Path(file).open("a", encoding="utf-8", newline="\n") as stream:
        stream.write(text)


def _below(document: dict[str, Any], folder: str) -> dict[str, Any]:
    from reconciler.plan.lazy import Mapped

    def placed(place: dict[str, Any] | None) -> dict[str, Any] | None:
        return {**place, "file": named(place["file"])} if place and place["file"] else place

    def named(file: str) -> str:
        return file if file.startswith(("/", "<")) else f"{folder}/{file}"

    moved = dict(document)
    if "files" in document:
        moved["files"] = [named(file) for file in document["files"]]
    if "errors" in document:
        moved["errors"] = [
            {**(placed(error) or {}), "related": [placed(one) for one in error["related"]]}
            for error in document["errors"]
        ]
    if "resource_changes" in document:
        moved["resource_changes"] = Mapped(
            document["resource_changes"], lambda change: {**change, "source": placed(change["source"])}
        )
    return moved
