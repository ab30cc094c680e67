"""What a pipeline's service wants beside a result: places from the top of the repository, and files that it reads."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import click
from msgspec import Struct

from reconciler.errors import ReconcilerError


class About(Struct):
    """The project and the environment of a command, as far as they are known when it fails."""

    project: str | None = None
    environment: str | None = None


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


@contextmanager
def failing_in(form: str, about: About, subject: str = "Plan") -> Iterator[None]:
    """Render errors as the comment of a review too: on stdout for markdown, in the step's summary for github."""
    try:
        yield
    except ReconcilerError as error:
        if form == "markdown":
            click.echo(_failure(error, about, subject), nl=False)
        elif form == "github" and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
            _append(summary, _failure(error, about, subject) + "\n")
        raise


def _failure(error: ReconcilerError, about: About, subject: str) -> str:
    from reconciler.render.markdown import failure_markdown
    from reconciler.render.problems import errors_json

    document = in_repository(errors_json(error.problems))
    more = {"project": about.project, "environment": about.environment, "exit_code": error.exit_code}
    return failure_markdown({**document, **more, "subject": subject})


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
