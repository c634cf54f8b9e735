"""`ml-pipeline`: its commands, and what its exit codes mean.

0 success; 1 a computation failed; 2 the request was refused and nothing was launched.
"""

import importlib
import io
import os
import signal
import sys
import threading
from typing import Any, Final, NoReturn

import click

from ml_pipeline.addresses import masked
from ml_pipeline.cli.folding import folded
from ml_pipeline.invocation import MODULE_VARIABLE
from ml_pipeline.text import for_terminal

_COMMANDS: Final = {
    "run": "Run the pipeline for one date or a range of dates.",
    "sweep": "Try many parameter sets over a range of dates and rank them.",
    "launch": "Hand a run to the queue of a running webserver, and follow it.",
    "id": "Print run ids and paths without running or reading anything.",
    "params": "List every parameter with its type, bounds, default and description.",
    "form": "Write a page that fills in a run: its id, the command, the launchpad.",
    "env": "Check, list and show environments: where runs read and write.",
    "leaderboard": "Rank parameter sets by their results over dates.",
    "compare": "Compare two environments, runs or parameter sets date by date.",
    "runs": "List, show and compare runs.",
    "card": "Report on a run as Markdown or as a page: a model card.",
    "export": "Write what all records say as one Parquet file, for other programs.",
    "why": "Tell what a run would compute or reuse, and why.",
    "reproduce": "Make a run again in a clean store and tell whether the bytes agree.",
    "promote": "Make a run what an environment has.",
    "rollback": "Let an environment have what it had before.",
    "promotions": "List what environments have, and had.",
    "verify": "Check the digest of every artifact.",
    "index": "Look at the index of runs that lists are answered from, or make it anew.",
    "gc": "List orphans and replaced revisions; with --delete, remove them.",
    "retain": "Tell what is older than environments keep it; with --delete, remove it.",
    "doctor": "Look whether all that runs need is there, and say what to do.",
    "mlflow": "Send what MLflow has not been told of yet, or tell how much that is.",
    "new": "Write a working package with a pipeline of your own.",
    "deploy": "Write files that run this on one machine, or for a team.",
    "ui": "Start the Dagster UI and its daemon on this home folder.",
}

_INTERRUPTS: Final = ("KeyboardInterrupt", "DagsterExecutionInterruptedError")
_ENDINGS: Final = (signal.SIGTERM, signal.SIGHUP)
"""What ends a command as Ctrl-C does."""


class _Commands(click.Group):
    """Imports a command when it is used: `--help` should not cost a second."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        from ml_pipeline.cli.examples import with_examples

        module = importlib.import_module(f"ml_pipeline.cli.commands.{cmd_name}")
        return with_examples(module.command, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        from ml_pipeline.errors import nearest

        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            raise click.UsageError(
                f"No such command '{args[0]}'.{nearest(args[0], _COMMANDS)}"
                " `ml-pipeline --help` lists all.",
                ctx,
            )
        return super().resolve_command(ctx, args)


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nNames are completed with this line in ~/.bashrc; in ~/.zshrc, with zsh_source:\n"
    '  eval "$(_ML_PIPELINE_COMPLETE=bash_source ml-pipeline)"',
)
@click.version_option(package_name="ml_pipeline")
@click.option(
    "-m",
    "--module",
    metavar="MODULE",
    is_eager=True,
    expose_value=False,
    callback=lambda _context, _option, module: _serve(module),
    help="Code location to serve, as `dagster dev -m` takes it; MODULE:PIPELINE for one of several,"
    " such as :serving of the usual one. If omitted, what the nearest pyproject.toml names, or else"
    " the reference pipeline.",
)
def commands() -> None:
    """Parameterized ML runs on Dagster: same parameters, same run id, computed once.

    Everything lives under ML_PIPELINE_HOME, by default .ml_pipeline in the project, or else in
    the current directory.
    """


def _serve(module: str | None) -> None:
    if module is not None:
        os.environ[MODULE_VARIABLE] = module


def _interrupt_again(lost: Any) -> None:
    """Repeat a Ctrl-C that came within a callback of the interpreter, where it would be lost.

    Databases are opened with many such callbacks.
    """
    if lost.exc_type.__name__ in _INTERRUPTS:
        threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT]).start()
    else:
        sys.__unraisablehook__(lost)


class _Screen(io.StringIO):
    """Keeps what click writes for a terminal, which it would tidy up for a file."""

    def isatty(self) -> bool:
        return True


def _tell(error: Exception) -> None:
    told = folded(f"Error: {for_terminal(masked(str(error)))}", sys.stderr)
    click.echo(f"{click.style('Error', fg='red')}{told.removeprefix('Error')}", err=True)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Run a command and exit with its code."""
    from ml_pipeline.errors import MlPipelineError, ParamsError, RemoteError, SettingsError

    sys.unraisablehook = _interrupt_again
    for number in _ENDINGS:
        # Whoever started this process may not want it to end with the terminal.
        if signal.getsignal(number) == signal.SIG_DFL:
            signal.signal(number, lambda _number, _frame: signal.raise_signal(signal.SIGINT))
    try:
        code = commands.main(arguments, standalone_mode=False)
    except click.ClickException as error:
        shown = _Screen()
        error.show(shown)
        click.echo(for_terminal(masked(shown.getvalue())), err=True, nl=False)
        sys.exit(error.exit_code)
    except click.Abort:
        click.echo(
            "\nStopped. What was published stays; the same command goes on from there.", err=True
        )
        sys.exit(130)
    except (ParamsError, SettingsError, RemoteError) as error:
        _tell(error)
        sys.exit(2)
    except MlPipelineError as error:
        _tell(error)
        sys.exit(1)
    except OSError as error:
        if error.filename is not None:
            raise
        # Whoever reads the output has gone, which is no mistake, or there is no room for it.
        if not isinstance(error, BrokenPipeError):
            click.echo(f"Error: the output could not be written: {error.strerror}.", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
