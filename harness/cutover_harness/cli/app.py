"""The commands, and how their errors become exit codes.

0 all PASS; 1 some FAIL; 2 usage, bad input, a cluster or disk that refuses; 3 no FAIL but some INCONCLUSIVE; 70 a
defect of the tool; 130 interrupted.
"""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType
from typing import Annotated, NoReturn

import typer
from typer.exceptions import TyperException

from cutover_harness import __version__
from cutover_harness.capture.command import app as record
from cutover_harness.cli import conduct, doctor, evidence, preflight, rehearse, scenarios
from cutover_harness.cli.last_resort import last_resort
from cutover_harness.errors import UsageError
from cutover_harness.load.command import app as load
from cutover_harness.privacy import UMASK

EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="kafka-cutover",
    help="Rehearse moving applications from Apache Kafka to AutoMQ, and the way back, with your own recorded traffic.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("rehearse")(rehearse.rehearse)
app.add_typer(record)
app.add_typer(load)
app.command("preflight")(preflight.preflight)
app.command("resume")(conduct.resume)
app.command("rollback")(conduct.rollback)
app.command("judge")(evidence.judge)
app.command("report")(evidence.report)
app.add_typer(scenarios.app, name="scenarios")
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kafka-cutover {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def _terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
    # SIGTERM takes the way that Ctrl-C takes, so that one clean-up serves both.
    raise KeyboardInterrupt


def run() -> NoReturn:
    """Run the command that sys.argv gives and exit with its code."""
    signal.signal(signal.SIGTERM, _terminate)
    os.umask(UMASK)
    try:
        code = app(standalone_mode=False)
    except UsageError as error:
        print(f"kafka-cutover: {error}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    except (typer.Abort, KeyboardInterrupt):
        code = EXIT_INTERRUPTED
    except TyperException as error:
        error.show()  # type: ignore[attr-defined]
        sys.exit(EXIT_USAGE)
    except BrokenPipeError:  # whoever read the output has gone: nothing more to say, and nobody to say it to
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_USAGE)
    except Exception as error:  # noqa: BLE001 - one line, and a code that is not that of a FAIL
        sys.exit(last_resort(error))
    if code == EXIT_INTERRUPTED:  # also typer's own answer to Ctrl-C within a command
        print("kafka-cutover: interrupted; everything that was started is gone", file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)
