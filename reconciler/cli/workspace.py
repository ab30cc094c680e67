"""The options of a command turned into a project, an environment and a database."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import orjson
from msgspec import Struct
from msgspec.structs import replace

from reconciler import __version__
from reconciler.cli.opening import open_project
from reconciler.cli.placed import FEW, with_places
from reconciler.cli.progress import Progress
from reconciler.cli.selecting import is_narrowed, require_known, selects_nothing
from reconciler.cli.terminal import wants_colour, width_of
from reconciler.errors import ConfigurationInvalid, IntegrityFailed, Problems, ReconcilerError, UsageError
from reconciler.load.project import DEFAULT_PROJECT
from reconciler.model.address import Address, is_name
from reconciler.model.configuration import Configuration
from reconciler.model.plan import BEGINNINGS
from reconciler.render.style import Style

if TYPE_CHECKING:
    from reconciler.load.closed import Judgement
    from reconciler.load.loaded import Loaded
    from reconciler.model.live import Live
    from reconciler.model.plan import Plan, Revision, Selection
    from reconciler.secrets.keys import Keys
    from reconciler.store.url import Database

DATABASE_VARIABLE = "RECONCILER_DATABASE_URL"
ENVIRONMENT_VARIABLE = "RECONCILER_ENV"
"""Names the environment where --env does not."""
DEFAULT_DATABASE = "sqlite:///.reconciler/state.db"


class Options(Struct, dict=True):
    """What every command may be given."""

    database: str | None = None
    project: str | None = None
    env: str | None = None
    tenants: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    format: str = "text"
    no_color: bool = False
    verbose: bool = False
    quiet: bool = False
    excluded: tuple[str, ...] = ()

    @cached_property
    def progress(self) -> Progress:
        return Progress(not self.quiet, self.verbose)

    @property
    def style(self) -> Style:
        return Style(wants_colour(sys.stdout, self.no_color), width_of(sys.stdout), self.verbose)


def now() -> datetime:
    """Return the time in UTC."""
    return datetime.now(UTC)


def actor() -> str:
    """Who history names: a pipeline's user, or the one at the machine."""
    for variable in ("RECONCILER_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
        if os.environ.get(variable):
            return os.environ[variable].encode(errors="replace").decode()[:120]
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = str(os.getuid())
    return f"{user}@{os.uname().nodename}"[:120]


_ALIVE: list[object] = []
"""What was made last. A process that ends takes nothing apart: a hundred thousand changes would take a tenth of a second."""


class Workspace:
    """A project as one command sees it. Without ``ends`` connections are bounded each for itself, and not by the command."""

    def __init__(self, options: Options, paths: Sequence[str], ends: bool = True) -> None:
        self.options, self._ends = options, ends
        self.project, self.paths = open_project(options.project, paths)
        self.name = self.project.settings.project or os.environ.get("RECONCILER_PROJECT") or DEFAULT_PROJECT
        if not is_name(self.name):
            raise UsageError("RECONCILER_PROJECT is not a name", hint="lower-case letters, digits and hyphens")

    @property
    def environments(self) -> tuple[str, ...]:
        return tuple(self.project.settings.environments)

    def environment(self, required: bool) -> str | None:
        """Return the one that --env names; where there are any, a command that touches a database wants one."""
        known, given = self.environments, self.options.env
        if given is not None and given not in known:
            near = get_close_matches(given, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known are: {', '.join(known)}"
            raise UsageError(
                f"there is no environment {given!r} in this project",
                code="unknown-environment",
                hint=hint if known else f"leave out --env, and unset {ENVIRONMENT_VARIABLE}",
            )
        if given is None and required:
            given = self.project.settings.default_environment
        if given is None and known and required:
            raise UsageError(
                "this project has environments, and none was named",
                code="environment-missing",
                hint=f"say --env {known[0]}"
                + (f" (or {', '.join(known[1:])})" if known[1:] else "")
                + f", set {ENVIRONMENT_VARIABLE}, or write `default_environment` into reconciler.yaml",
            )
        return given

    def load(self, environment: str | None, thoroughly: bool = False, served: bool = False) -> Loaded:
        """Load the configuration. Raises ConfigurationInvalid; with ``served`` also for what agents are meant to call and can't."""
        from reconciler.load.load import load

        progress = self.options.progress
        with progress.stage("Reading the configuration"):
            loaded = load(self.project, environment, self.paths, self.name, progress.count, thoroughly)
            if served:
                _require_served(loaded, loaded.judgement.unserved)
        return loaded

    @property
    def names_database(self) -> bool:
        """Whether the command line or the environment names a database."""
        return bool(self.options.database or os.environ.get(DATABASE_VARIABLE))

    def database(self, environment: str | None) -> Database:
        """Flag, environment variable, environment, project; a file below the project without any of them.

        A relative file counts from the working directory in the flag, from the project everywhere else.
        """
        from reconciler.store.bounds import bounds_of_environment
        from reconciler.store.url import parse_database

        root, settings = self.project.root, self.project.settings
        if self.options.database:
            found = parse_database(self.options.database, Path.cwd())
        else:
            settled = settings.environments.get(environment or "")
            default = f"sqlite:///.reconciler/{environment}.db" if environment else DEFAULT_DATABASE
            own = (settled and settled.database) or settings.database or default
            found = parse_database(os.environ.get(DATABASE_VARIABLE) or own, root)
        if found.is_shared and self.name == DEFAULT_PROJECT:
            raise UsageError(
                "a shared database needs to know the project, so that two repositories never take each other's resources",
                code="project-name-missing",
                hint="add `project: NAME` to reconciler.yaml, or set RECONCILER_PROJECT",
            )
        bounded = replace(found, keys=self._keys(), bounds=bounds_of_environment())
        return bounded.from_now() if self._ends else bounded

    def _keys(self) -> Keys | None:
        """Return the keys that seal what was applied. A command that only reads does without a file that is not there for it."""
        from reconciler.cli.signing import key_file, known_keys

        if key_file(self.project) is None:
            return None
        try:
            return known_keys(self.project)
        except ReconcilerError as error:
            if error.problems[0].code == "key-not-read":
                return None
            raise

    def read_live(
        self, database: Database, loaded: Loaded | None, every_tenant: bool = False, whole: bool = True
    ) -> Live:
        """Not ``whole``: only what is not as it was applied, and as the configuration wants it where there is one."""
        if database.is_missing:
            from reconciler.model.live import DatabaseState, Live

            return Live(DatabaseState.MISSING)
        from reconciler.store.reading import read_live
        from reconciler.store.schema import require_usable

        tenants = (
            None
            if every_tenant
            else {name.partition("/")[0] for name in loaded.configuration.digests}
            if loaded
            else set()
        )
        if tenants is not None:
            tenants |= set(self.options.tenants) | {Address.parse(t).tenant for t in self.options.targets if _parses(t)}
        with self.options.progress.stage("Reading the live state"):
            wanted = None if whole or loaded is None else unmoved(loaded.configuration)
            live = read_live(database, self.name, tenants, wanted, whole)
        require_usable(live.state, database)
        return live

    def revision(self, loaded: Loaded) -> Revision | None:
        from reconciler.cli import git

        files = [*loaded.configuration.files]
        if self.project.source:
            files.append(self.project.source.name)
        return git.revision(self.project.root, files)

    def selection(self, live: Live, loaded: Loaded | None = None, no_delete: bool = False) -> Selection:
        """Return what the command line selects. Raises UsageError for what neither files nor live state know."""
        from reconciler.model.plan import Selection

        wanted = loaded.configuration.resources if loaded else {}
        narrowed = is_narrowed(self.options) or (loaded is not None and loaded.selected is not None)
        known: set[Address] = set()
        if narrowed:
            known = {*wanted, *live.rows, *live.applied, *map(Address.of, live.settled)}
        targets = require_known(self.options, known)
        selection = Selection(
            paths=loaded.selected if loaded else None,
            targets=targets,
            tenants=frozenset(self.options.tenants),
            deletes=(loaded is None or loaded.deletes) and not no_delete,
            replaces=not no_delete,
            excluded=self.options.excluded,
        )
        if selection.is_partial and not any(selection.selects(address) for address in known):
            raise selects_nothing(self.options)
        return selection

    def plan(self, no_delete: bool = False) -> tuple[Plan, Loaded, Database]:
        """Load, read and plan. Raises ConfigurationInvalid, Refused, UsageError."""
        environment = self.environment(required=True)
        loaded = self.load(environment)
        database = self.database(environment)
        live = self.read_live(database, loaded, whole=False)
        plan = self._with_undone(self._compare(loaded, live, database.name_in(self.project.root), no_delete), database)
        plan = self.with_effects(plan, database)
        plan = replace(plan, notes=(*plan.notes, *_notes(loaded.judgement)))
        _ALIVE[:] = plan, loaded
        return plan, loaded, database

    def with_effects(self, plan: Plan, database: Database) -> Plan:
        """Says what callers may do after it, the risks that follow from that, and what operators decided about its resources."""
        if not plan.changes:
            return plan
        from reconciler.access.planned import with_effects

        if database.is_missing:
            with self.options.progress.stage("Comparing access"):
                return with_effects(plan, lambda _tenants, _besides: (), today=now().date())
        from reconciler.cli.limits_used import usage_of
        from reconciler.planner.status import with_status
        from reconciler.store.held import read_held
        from reconciler.store.known import read_governed, read_suspended

        held = replace(read_held(database), used=usage_of(plan, database, self.project.root, self.options.progress.say))
        plan = with_status(plan, held)
        with self.options.progress.stage("Comparing access"):
            found = partial(read_governed, database), partial(read_suspended, database)
            return with_effects(plan, *found, now().date())

    def _with_undone(self, plan: Plan, database: Database) -> Plan:
        """Return the plan with a note for each generation of which it takes something back."""
        return replace(plan, notes=(*plan.notes, *self.taken_back(plan, database)))

    def taken_back(self, plan: Plan, database: Database) -> tuple[str, ...]:
        """Return a sentence for each generation of which an ordinary plan takes something back, newest first.

        A commit that follows the one of an ordinary apply takes back on purpose: that is no finding.
        """
        if not plan.changes or not plan.generation or plan.operation != "apply":
            return ()
        from reconciler.cli import git
        from reconciler.history.taken_back import UNDOING, sentence, taken_back
        from reconciler.store.history import read_past

        history = read_past(database, self.name, plan.changes)
        found = taken_back(plan.changes, history)
        return tuple(
            sentence(one, history.newest)
            for one in found
            if one.generation.operation in UNDOING
            or not git.follows(self.project.root, plan.revision, one.generation.commit or "")
        )

    def plan_against(self, export: Path, no_delete: bool) -> tuple[Plan, Loaded]:
        """Return the same, with an exported state in the database's place."""
        from reconciler.access.known import known_of_rows
        from reconciler.access.planned import with_effects
        from reconciler.planner.against import live_of_export

        loaded = self.load(self.environment(required=True))
        try:
            document = orjson.loads(export.read_bytes())
        except OSError as error:
            raise ReconcilerError(f"can't read {export}: {error.strerror}", code="export-not-read") from None
        except orjson.JSONDecodeError:
            raise IntegrityFailed(f"{export} is not JSON", code="export-malformed") from None
        live = live_of_export(document, self.name)
        plan = self._compare(loaded, live, f"export {export}", no_delete)
        return with_effects(plan, partial(known_of_rows, live.rows.values()), today=now().date()), loaded

    @contextmanager
    def _seen_from_here(self) -> Iterator[None]:
        """Name the files of a planner's problems from the working directory, as those of all other messages."""
        try:
            yield
        except ReconcilerError as error:
            error.problems = tuple(
                replace(one, place=self.project.seen_from_here(one.place)) if one.place else one
                for one in error.problems
            )
            raise

    def _compare(self, loaded: Loaded, live: Live, where: str, no_delete: bool) -> Plan:
        from reconciler.planner.left_out import with_left_out
        from reconciler.planner.make import Setting, make_plan
        from reconciler.planner.secrets import with_replaced
        from reconciler.processes import forked

        selection = self.selection(live, loaded, no_delete)
        with self.options.progress.stage("Comparing"):
            setting = Setting(where, now().date(), __version__, self.revision(loaded))
            with self._seen_from_here():
                plan = make_plan(loaded.configuration, live, setting, selection, mapper=forked)
                plan = with_replaced(plan, loaded.configuration, live, selection)
                plan = with_left_out(plan, loaded.configuration, live, setting, selection)
        # what is not changed was judged when it was; a plan of nothing costs nothing
        _require_served(loaded, loaded.judgement.unserved & {change.address.tenant for change in plan.changes})
        few = plan.count(*BEGINNINGS) < FEW
        placed = (with_places(c, loaded, few) if few or c.fields else c for c in plan.changes)
        return replace(plan, changes=tuple(placed))


def _notes(judgement: Judgement) -> Iterator[str]:
    """Yield a sentence for each kind of warning."""
    if doubts := len(judgement.doubts):
        what = "selector selects" if doubts == 1 else "selectors select"
        yield f"{doubts} {what} nothing: see `reconciler validate`"
    if unpinned := len(judgement.unpinned):
        what = (
            "tool is not pinned, and nobody can call it"
            if unpinned == 1
            else "tools are not pinned, and nobody can call them"
        )
        yield f"{unpinned} {what}: see `reconciler validate`"


def _require_served(loaded: Loaded, tenants: Set[str]) -> None:
    """Raise ConfigurationInvalid where agents of some tenants are meant to call what the runtime can't do."""
    if not tenants:
        return
    from reconciler.access.meant import unserved
    from reconciler.load.closed import once
    from reconciler.load.source import shown_name

    configuration, judgement = loaded.configuration, loaded.judgement
    found = Problems(once(loaded.locate(one) for one in unserved(configuration, tenants)))
    try:
        found.raise_if_any(shown_name(Path(file)) for file in configuration.files if file)
    except ConfigurationInvalid as error:
        error.warnings, error.unsure = judgement.warnings, judgement.unsure
        raise


def unmoved(configuration: Configuration) -> Mapping[str, str]:
    """Return the digests of what no ``moved`` entry names: whether a move is done is judged by what was applied."""
    moved = {str(address) for move in configuration.moves for address in (move.old, move.new)}
    digests = configuration.digests
    return {name: digest for name, digest in digests.items() if name not in moved} if moved else digests


def _parses(text: str) -> bool:
    try:
        Address.parse(text)
    except ValueError:
        return False
    return True
