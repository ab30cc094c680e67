"""What is shipped agrees with itself: one version, one name, an image that copies what a build reads."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import jsonschema
import orjson
import pytest
import yaml

import reconciler
from tests.conftest import BASE, ROOT, command_environment
from tests.pipeline.fake_api import serving

PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PROJECT, SETUPTOOLS = PYPROJECT["project"], PYPROJECT["tool"]["setuptools"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
KUBERNETES = [*yaml.safe_load_all((ROOT / "integrations/kubernetes/reconciler.yaml").read_text())]
CONTAINERS = {
    "serve": KUBERNETES[1]["spec"]["template"]["spec"],
    "drift": KUBERNETES[3]["spec"]["jobTemplate"]["spec"]["template"]["spec"],
}
SETTINGS = KUBERNETES[0]["data"]


def test_one_version() -> None:
    versions = re.findall(r"^## \[(\d[^\]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    images = {one["containers"][0]["image"] for one in CONTAINERS.values()}
    assert {PROJECT["version"], reconciler.__version__, versions[0]} == {PROJECT["version"]}
    assert images == {f"{PROJECT['name']}:{PROJECT['version']}"}


def test_the_changelog_has_versions_in_order() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == "[Unreleased]"
    assert all(re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d|not published yet)", one) for one in headings[1:])


def pages() -> list[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    kept = (".md", ".yml", ".yaml", ".py", ".sh", "Dockerfile")
    return [ROOT / name for name in listed if name.endswith(kept) and not name.startswith(("tests/", "docs/decisions"))]


def test_every_page_installs_this_distribution() -> None:
    """``pip install reconciler`` brings another project's program."""
    wrong = re.compile(r"pip install (?:-\S+ |--\S+ )*['\"]?reconciler\b(?!-)")
    assert [str(file) for file in pages() if wrong.search(file.read_text(errors="replace"))] == []


def test_every_extra_that_a_page_names_is_there() -> None:
    named = {
        extra
        for file in pages()
        for found in re.findall(r"(?:config-reconciler|'\.)\[([a-z,]+)\]", file.read_text(errors="replace"))
        for extra in found.split(",")
    }
    assert named <= PROJECT["optional-dependencies"].keys()
    installed = set(re.search(r"'\.\[([a-z,]+)\]'", DOCKERFILE)[1].split(","))  # type: ignore[index]
    assert installed == PROJECT["optional-dependencies"].keys() - {"test"}


def test_the_image_has_git_a_plain_user_and_a_health_check() -> None:
    last = DOCKERFILE.rpartition("\nFROM ")[2]
    assert last.startswith("python:3.12-slim\n")
    assert "--no-install-recommends git" in last
    assert re.search(r"^USER 10001:10001$", last, re.MULTILINE)
    assert last.index("USER ") < last.index("ENTRYPOINT")
    assert "HEALTHCHECK" in last


def test_the_image_copies_what_a_build_reads() -> None:
    """The build itself needs the network, and is a part of the README's first command."""
    copied = {
        name for names in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for name in names.split()
    }
    assert copied == {"pyproject.toml", PROJECT["readme"], *PROJECT["license-files"], "reconciler"}
    assert {
        line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    } == copied


def test_a_wheel_has_every_file_of_the_program() -> None:
    package, patterns = ROOT / "reconciler", SETUPTOOLS["package-data"]["reconciler"]
    data = [file for file in package.rglob("*") if file.is_file() and file.suffix not in {".py", ".pyc"}]
    assert data
    assert [str(file) for file in data if not any(file.relative_to(package).match(one) for one in patterns)] == []
    folders = {file.parent for file in package.rglob("*.py")}
    assert [str(folder) for folder in folders if not (folder / "__init__.py").exists()] == []


@pytest.mark.parametrize(("path", "code"), [("/user", 1), ("/stored/1", 0)])
def test_the_health_check_asks(path: str, code: int) -> None:
    command = orjson.loads(re.search(r"^HEALTHCHECK .* CMD (\[.*\])$", DOCKERFILE, re.MULTILINE)[1])  # type: ignore[index]
    assert command[0] == "python"
    with serving("gitlab") as api:
        api.archives[1] = b"ok"
        environment = command_environment({"RECONCILER_HEALTH_URL": f"{api.url}{path}"})
        done = subprocess.run([sys.executable, *command[1:]], env=environment, capture_output=True, check=False)
    assert done.returncode == code


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_pod_has_no_rights_and_a_writable_home(name: str) -> None:
    pod, [container] = CONTAINERS[name], CONTAINERS[name]["containers"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    volumes = {one["name"] for one in pod["volumes"]}
    assert {one["name"] for one in container["volumeMounts"]} == volumes


def test_the_server_has_probes_on_the_port_that_it_listens_on() -> None:
    [container] = CONTAINERS["serve"]["containers"]
    settings = yaml.safe_load(SETTINGS["serve.yaml"])
    schema = orjson.loads((ROOT / "schemas/serve.schema.json").read_bytes())
    jsonschema.Draft202012Validator(schema).validate(settings)
    assert [port["containerPort"] for port in container["ports"]] == [settings["agents"]["port"]]
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "liveness", "readiness")}
    assert {one["port"] for one in probes.values()} == {"agents"}
    assert [one["path"] for one in probes.values()] == ["/healthz", "/healthz", "/readyz"]


def test_the_job_looks_for_drift(tmp_path: Path) -> None:
    """Its arguments and its settings, with the program itself: nothing else is in its folder."""
    [container] = CONTAINERS["drift"]["containers"]
    (tmp_path / "reconciler.yaml").write_text(SETTINGS["reconciler.yaml"])
    arguments = [one.replace("/work/", f"{tmp_path}/") for one in container["args"]]
    given = {"RECONCILER_DATABASE_URL": f"sqlite:///{tmp_path}/live.db"}

    def run(*command: str) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", "reconciler", *command]
        return subprocess.run(
            line, cwd=tmp_path, env=command_environment(given), capture_output=True, text=True, check=False
        )

    (tmp_path / "manifests").mkdir()
    (tmp_path / "manifests/acme.yaml").write_text(BASE)
    assert run("apply", "--env", "prod", "--auto-approve").returncode == 0
    shutil.rmtree(tmp_path / "manifests")
    done = run(*arguments)
    assert done.returncode == 0, done.stderr


def test_the_steps_of_an_upgrade(tmp_path: Path) -> None:
    steps = re.search(r"<!-- upgrade -->\n   ```sh\n(.*?)   ```", (ROOT / "docs/upgrade.md").read_text(), re.DOTALL)
    assert steps
    (tmp_path / "reconciler.yaml").write_text("version: 1\nproject: shop\ninclude: [acme.yaml]\n")
    (tmp_path / "acme.yaml").write_text(BASE)
    script = f'reconciler() {{ "{sys.executable}" -m reconciler "$@"; }}\nreconciler apply --auto-approve\n{steps[1]}'
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=command_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "before.db").exists()
    assert "No changes." in done.stdout
