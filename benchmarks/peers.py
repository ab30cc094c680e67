"""The same number of things as configurations of the peers, and the commands that plan and apply them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

TERRAFORM_VERSION = "1.11.4"


def terraform(folder: Path, count: int) -> list[list[str]] | None:
    """`terraform_data` with local state: plan, then apply; None where the binary is not there."""
    binary = os.environ.get("TERRAFORM") or shutil.which("terraform")
    if binary is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "main.tf").write_text(
        "".join(
            f'resource "terraform_data" "r{i}" {{\n  input = {{\n    name   = "report-{i}"\n    region = "eu"\n'
            f'    sql    = "SELECT id, total FROM orders WHERE region = :region LIMIT {i}"\n    limit  = {i}\n  }}\n}}\n'
            for i in range(count)
        )
    )
    return [
        [binary, "init", "-no-color", "-input=false"],
        [binary, "plan", "-no-color", "-input=false", "-out=saved"],
        [binary, "apply", "-no-color", "-input=false", "saved"],
    ]


def octodns(folder: Path, count: int) -> list[str] | None:
    """A plan of so many new records, from YAML to YAML; None where it is not installed (`pip install octodns`)."""
    binary = os.environ.get("OCTODNS_SYNC") or shutil.which("octodns-sync")
    if binary is None:
        return None
    for name in ("config", "target"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "config.yaml").write_text(
        "providers:\n  from:\n    class: octodns.provider.yaml.YamlProvider\n    directory: ./config\n    enforce_order: false\n"
        "  to:\n    class: octodns.provider.yaml.YamlProvider\n    directory: ./target\n"
        "zones:\n  example.com.:\n    sources: [from]\n    targets: [to]\n"
    )
    (folder / "config" / "example.com.yaml").write_text(
        "".join(
            f"host-{i}:\n  ttl: 300\n  type: A\n  values: [10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}]\n"
            for i in range(count)
        )
    )
    return [binary, "--config-file", "config.yaml", "--force"]


def snowcap(folder: Path, count: int) -> list[str] | None:
    """A plan of so many new roles, from YAML to text, Snowflake left out; None where SNOWCAP_PYTHON names no interpreter with it."""
    python = os.environ.get("SNOWCAP_PYTHON")
    if python is None:
        return None
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.yml").write_text(
        "roles:\n"
        + "".join(f"  - name: report_{i}\n    comment: reads the orders of region {i}\n" for i in range(count))
    )
    return [python, str(Path(__file__).with_name("snowcap_plan.py")), "config.yml"]
