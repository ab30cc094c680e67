"""The samples, what they are expected to become, and (``python -m tests.convert.samples``) how that is written anew."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import ROOT, Ran, reconciler

HERE = Path(__file__).parent
DATA, EXPECTED = HERE / "data", HERE / "expected"
SAMPLES = {
    "agentgateway.yaml": "agentgateway",
    "deck.yaml": "deck",
    "envoy.yaml": "envoy",
    "litellm.yaml": "litellm",
    "toolbox.yaml": "toolbox",
    "toolbox-maps.yaml": "toolbox",
    "openapi.yaml": "openapi",
    "mcp-client.json": "mcp",
    "mcp-vscode.json": "mcp",
    "mcp-registry.yaml": "mcp",
}


def converted(name: str) -> Ran:
    return reconciler("convert", SAMPLES[name], f"tests/convert/data/{name}", "--tenant", "acme", cwd=ROOT).ok()


def golden(name: str) -> tuple[Path, Path]:
    """Where the manifests and the report of a sample stand."""
    return EXPECTED / f"{name}.manifest", EXPECTED / f"{name}.report"


if __name__ == "__main__":
    for sample in SAMPLES:
        ran = converted(sample)
        for path, text in zip(golden(sample), (ran.out, ran.err), strict=True):
            path.write_text(text, encoding="utf-8")
