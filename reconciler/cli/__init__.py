"""The command line: arguments in, result on stdout, everything else on stderr, an exit code that means something."""

from __future__ import annotations

import gc
import os
import signal
import sys
import warnings
from collections.abc import Sequence
from contextlib import suppress
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from types import FrameType, ModuleType
from typing import Any

import click
from msgspec.structs import replace

import reconciler
from reconciler.cli.installed import require_own
from reconciler.cli.output import OutputLost, open_streams, scrub_output
from reconciler.cli.terminal import forces_colour
from reconciler.committed import Fate, Write, ending, fate_of, recording
from reconciler.errors import OutcomeUnknown, Problem, ReconcilerError

# name: what it does, in the help. A command's module is imported when it is asked for, so that --help and validate start
# quickly; a test holds the summaries to what the commands say of themselves.
COMMANDS = {
    "init": "Start a project in DIR.",
    "validate": "Check the configuration.",
    "lint": "Find what is valid and still not wanted.",
    "scan": "Find what looks like a secret in files of any sort; exit 1 if there is any.",
    "fmt": "Write YAML files in the canonical style.",
    "plan": "Show what an apply would change.",
    "apply": "Make the live state what the configuration says.",
    "drift": "Compare live state with what was applied last.",
    "show": "Show a saved plan, a live resource, or all that the project owns.",
    "list": "List what is live.",
    "graph": "Print what refers to what.",
    "adopt": "Take over live resources.",
    "forget": "Let go of live resources.",
    "rollback": "Bring back what was managed at the end of GENERATION.",
    "revert": "Undo what GENERATION did, and only that.",
    "export": "Write the live resources that the project owns to stdout.",
    "history": "List the project's generations, or show what one of them changed.",
    "blame": "Say for each field which generation, person, commit and line gave it its value.",
    "access": "Say what callers may do, and test it.",
    "keys": "Issue, list and revoke the keys of callers.",
    "mcp": "Pin the tools of MCP servers.",
    "serve": "Let agents use what was applied, and nothing else.",
    "evidence": "Read what agents did, and what they were refused.",
    "models": "List the names of models that agents may send, and the deployments that answer.",
    "usage": "Sum up calls of models: tokens, cost and how long they took.",
    "approvals": "List calls that wait for an approval, and decide on them.",
    "freeze": "Take TARGET out of use, in force everywhere within a second.",
    "unfreeze": "Lift the freeze of TARGET.",
    "status": "Say how live resources are: in force, drifted, frozen, suspended, healthy, used.",
    "test": "Check the live integration or connector ADDRESS now, from here.",
    "suspend": "Take the resource ADDRESS out of use, in force everywhere within a second.",
    "resume": "Lift the suspension of the resource ADDRESS.",
    "explain": "Say what a kind or a field is, e.g. `reconciler explain connector.http.auth`.",
    "convert": "Turn other tools' configuration into manifests.",
    "completion": "Print the completion script for SHELL.",
    "schema": "Print the JSON Schema NAME, or with --out write every one (or NAME alone) to DIR.",
    "project": "Rename a project.",
    "audit": "Verify the audit trail; look up one write.",
    "secrets": "Keep secrets in the database, sealed; manage their keys.",
    "db": "Set up, upgrade, inspect, verify and back up the database.",
    "help": "Show the help of COMMAND, or of reconciler itself.",
    "version": "Print the version.",
}
HIDDEN = ("debug",)
HELP = "help"
"""The object of a context in which somebody asks for help."""


def _outlined(name: str) -> click.Command | None:
    from reconciler.cli.outline import outlined

    return outlined(name)


class Commands(click.Group):
    """Loads each command's module on demand."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS and cmd_name not in HIDDEN:
            return None
        if ctx.obj == HELP and (command := _outlined(cmd_name)) is not None:
            return command
        module: Any = import_module(f"reconciler.cli.{cmd_name}")
        found: click.Command = module.command
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([*COMMANDS.items()])


@click.group(
    cls=Commands,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(getattr(reconciler, "__version__", "unknown"), prog_name="reconciler")
@click.option("-C", "folder", metavar="DIR", help="Run as if started in DIR.")
@click.pass_context
def cli(context: click.Context, folder: str | None) -> None:
    """Configuration in git becomes live state in a database: validate, plan, apply.

    Exit codes: 0 done, 1 failed, 2 changes pending, 3 configuration invalid, 4 plan stale, 5 lock not had, 6 refused,
    7 credential unresolved, 8 integrity check failed, 9 outcome unknown, 64 wrong usage.
    """
    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as error:
            raise click.UsageError(f"-C {folder}: {error.strerror}", context) from None
    if forces_colour():
        context.color = True
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def without_plugins() -> None:
    """Keep pydantic from looking for plugins: none of them has a say in what is valid here, and looking takes 20 ms.

    Half of that is `importlib.metadata`, which pydantic imports even where plugins are switched off, unless its loader is there.
    """
    if "PYDANTIC_DISABLE_PLUGINS" not in os.environ:
        os.environ["PYDANTIC_DISABLE_PLUGINS"] = "__all__"
        loader: Any = ModuleType("pydantic.plugin._loader")
        loader.get_plugins = tuple
        sys.modules.setdefault(loader.__name__, loader)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and exit; the one place where errors become text or JSON and exit codes."""
    # A command builds much and drops little before it ends; Python's cyclic collector would walk it again and again.
    gc.disable()
    without_plugins()
    # not list(...): the module of the command `list` has that name here once it is imported
    open_streams()
    scrub_output()
    if "RECONCILER_DEBUG" not in os.environ:
        # what a driver notices while a command ends early is said by the command's own last line
        warnings.simplefilter("ignore")
        sys.unraisablehook = lambda _: None
    if arguments is None:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT):
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, _end)
    code = run([*(sys.argv[1:] if arguments is None else arguments)])
    if arguments is None and "RECONCILER_DEBUG" not in os.environ:
        # a process of our own: taking a hundred thousand objects apart one by one would only keep people waiting
        with suppress(OSError, ValueError, OutputLost):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


class Terminated(KeyboardInterrupt):
    """The process was asked to end; handled as an interrupt is. Its argument is the signal's number."""


_asked: list[KeyboardInterrupt] = []
"""The signals that asked this process to end. Libraries swallow what a handler raises in their middle, and fail later."""


_writes: list[Sequence[Write]] = []
"""What the running command has written."""


def _end(number: int, frame: FrameType | None) -> None:
    _asked.append(KeyboardInterrupt() if number == signal.SIGINT else Terminated(number))
    if _writes and _is_importing(frame) and fate_of(_writes[-1]) is Fate.NOT_WRITTEN:
        # some extension modules crash, and others stay half made, when an exception comes out of what they import
        code = _cut_short(_asked[-1], _writes[-1])
        with suppress(OSError, ValueError):
            sys.stderr.flush()
        os._exit(code)
    raise _asked[-1]


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None and frame.f_code.co_filename != "<frozen importlib._bootstrap>":
        frame = frame.f_back
    return frame is not None


def run(arguments: list[str]) -> int:
    """Return the exit code of one command line."""
    if "_RECONCILER_COMPLETE" in os.environ:
        from reconciler.cli.shells import register

        register()
    with recording() as writes:
        _writes[:] = [writes]
        try:
            return _run(arguments, writes)
        except KeyboardInterrupt as error:  # once more, while the first was being reported
            return _cut_short(error, writes)


def _run(arguments: list[str], writes: Sequence[Write]) -> int:
    try:
        require_own(Path(__file__).parents[2])
        asked = HELP if {"-h", "--help"} & {*arguments} else None
        result: Any = cli.main(args=arguments, prog_name="reconciler", standalone_mode=False, obj=asked)
        sys.stdout.flush()
        return result if isinstance(result, int) else 0
    except click.UsageError as error:
        from reconciler.cli.suggest import explained

        message, hint = explained(error, arguments)
        return _report([Problem("wrong-usage", message, hint=hint)], 64, arguments)
    except click.ClickException as error:
        return _report([Problem("failed", error.format_message())], 1, arguments)
    except (click.Abort, KeyboardInterrupt, OutputLost) as error:
        return _cut_short(error, writes)
    except ReconcilerError as error:
        return _report_ending(error, arguments, writes)
    except Exception as error:
        if _asked:
            return _cut_short(_asked[-1], writes)
        if os.environ.get("RECONCILER_DEBUG"):
            raise
        problem = Problem(
            "internal-error",
            f"this is a defect of reconciler: {type(error).__name__}",
            hint="run it again with RECONCILER_DEBUG=1 and report the traceback; check it for secrets first",
        )
        return _report_ending(ReconcilerError(problem), arguments, writes)


def _cut_short(error: BaseException, writes: Sequence[Write]) -> int:
    """Report what ended the command, and what it had written by then."""
    cause = error.__cause__ if isinstance(error, click.Abort) and error.__cause__ else error
    fate = fate_of(writes)
    if isinstance(error, OutputLost):
        why, code = f"Can't write the output ({error})", 1
        if error.unread and fate is Fate.NOT_WRITTEN:
            return code  # `reconciler list | head` has read what it wants
    elif isinstance(cause, Terminated):
        why, code = "Terminated", 128 + int(cause.args[0])
    else:
        why, code = "Interrupted", 130
    click.echo(f"{why}; {ending(writes)}", err=True)
    return OutcomeUnknown.exit_code if fate is Fate.UNKNOWN else code


def _report_ending(error: ReconcilerError, arguments: list[str], writes: Sequence[Write]) -> int:
    """Report the problems, and what was written where they don't say it."""
    fate = fate_of(writes)
    problems = error.problems
    if fate is Fate.WRITTEN:  # what is true of the transaction that failed is not of the command
        problems = tuple(replace(one, message=one.message.replace("; nothing was written", "")) for one in problems)
    try:
        code = _report([*problems], error.exit_code, arguments, error.warnings)
    except OutputLost as lost:
        return _cut_short(lost, writes)
    unsaid = {
        Fate.WRITTEN: True,
        Fate.UNKNOWN: code != OutcomeUnknown.exit_code,
        Fate.NOT_WRITTEN: any(one.code in _SURPRISES and "nothing was written" not in one.message for one in problems),
    }
    if unsaid[fate]:
        click.echo(f"The command failed; {ending(writes)}", err=True)
    return OutcomeUnknown.exit_code if fate is Fate.UNKNOWN else code


_SURPRISES = {
    *("internal-error", "database-failed", "database-unreachable", "database-timeout", "database-cancelled"),
    *("connection-lost", "lock-timeout", "contended", "file-not-written", "plan-not-written", "key-not-written"),
    *("schema-not-written", "backup-not-written", "store-unusable"),
}
"""Codes of what ends a command in its middle; all others say by themselves that nothing was done."""


def _report(problems: list[Problem], code: int, arguments: list[str], warnings: Sequence[Problem] = ()) -> int:
    from reconciler.cli.terminal import wants_colour, width_of
    from reconciler.render.problems import errors_json, problems_counted, problems_text, warnings_json
    from reconciler.render.style import Style

    if _wants(arguments, "github"):
        from reconciler.cli.pipeline import in_repository
        from reconciler.render.github import problems_github

        document = errors_json(problems)
        document["errors"] += warnings_json(warnings)
        click.echo(problems_github(in_repository(document)))
    elif _wants(arguments, "json"):
        from reconciler.cli.options import print_json

        print_json(errors_json(problems, warnings))
    else:
        colour = wants_colour(sys.stderr, "--no-color" in arguments)
        click.echo(
            problems_text(problems, Style(colour, width_of(sys.stderr)), warnings), err=True, color=colour or None
        )
        if counted := problems_counted(problems):
            click.echo(f"\n{counted}", err=True)
    return code


def _wants(arguments: list[str], form: str) -> bool:
    return f"--format={form}" in arguments or ("--format", form) in pairwise(arguments)
