"""The commands, and how their errors become exit codes.

0 all PASS; 1 some FAIL; 2 usage, bad input, or an error of a cluster or disk; 3 no FAIL but some INCONCLUSIVE; 70 a
defect of the tool; 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from cutover_harness import exit_codes
from cutover_harness.cli.commands import Commands
from cutover_harness.cli.help_pages import HELP_OPTIONS
from cutover_harness.cli.interruption import INTERRUPTION
from cutover_harness.cli.last_resort import last_resort
from cutover_harness.cli.usage_errors import in_words
from cutover_harness.colours import painted
from cutover_harness.errors import UsageError
from cutover_harness.masking import printable
from cutover_harness.privacy import UMASK

app = typer.Typer(
    name="kafka-cutover",
    cls=Commands,
    help="Rehearse moving applications from Apache Kafka to AutoMQ, and rolling back, with your own recorded traffic.",
    context_settings={"help_option_names": HELP_OPTIONS},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(wanted: bool) -> None:
    if wanted:
        from cutover_harness import __version__  # noqa: PLC0415 - read from the package's metadata when it is asked for

        typer.echo(f"kafka-cutover {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback prints it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    INTERRUPTION.begin(context.invoked_subcommand)


def _complain(line: str) -> None:
    print(f"{painted('kafka-cutover:', 'red', sys.stderr)} {line}", file=sys.stderr)


def run() -> NoReturn:
    """Run the command that sys.argv gives and exit with its code."""
    INTERRUPTION.install()
    os.umask(UMASK)
    try:
        # By name, as Typer derives another one from `python -m`, also of a program that runs this in its process.
        code = app(standalone_mode=False, prog_name="kafka-cutover")
    except UsageError as error:
        _complain(printable(str(error)))
        sys.exit(exit_codes.REFUSED)
    except (typer.Abort, KeyboardInterrupt):
        code = exit_codes.INTERRUPTED
    except TyperException as error:
        if hasattr(error, "cmd") and type(error).__name__ == "NoArgsIsHelpError":
            error.show()  # type: ignore[attr-defined]
        else:
            _complain(in_words(error))
        sys.exit(exit_codes.REFUSED)
    except BrokenPipeError:  # the reader of the output is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(exit_codes.REFUSED)
    except Exception as error:  # noqa: BLE001 - one line, and a code that is not that of a FAIL
        sys.exit(last_resort(error))
    if code == exit_codes.INTERRUPTED:  # also typer's own exit code for Ctrl-C within a command
        print("kafka-cutover: interrupted; everything that was started has ended", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)
