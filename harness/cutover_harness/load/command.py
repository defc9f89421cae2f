"""`kafka-cutover load`: replay as a Locust load, in one process, in several, or on several machines."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from cutover_harness.capture.clock import clock_of
from cutover_harness.capture.format import CaptureReader
from cutover_harness.capture.units import span_s
from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input
from cutover_harness.load.connection import Connection
from cutover_harness.load.locust_process import own_port, run_locust
from cutover_harness.load.passed_on import refuse_misspelled
from cutover_harness.load.secret import check_open, read_secret
from cutover_harness.load.settings import LoadSettings
from cutover_harness.load.topics import check_topics
from cutover_harness.mistake_words import first_words
from cutover_harness.outputs import check_file, check_folder
from cutover_harness.properties_file import read_properties
from cutover_harness.replay.config import ReplayOptions

app = typer.Typer(add_completion=False)
_STOP_TIMEOUT_S = 60
_LOCAL = "127.0.0.1"


@app.command("load", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def load(
    context: typer.Context,
    capture: Annotated[Path | None, typer.Option(help="Recorded traffic (default: the sample capture).")] = None,
    cutover_file: Annotated[Path | None, typer.Option(help="Cutover file that the clients follow.")] = None,
    status: Annotated[Path | None, typer.Option(metavar="DIR", help="Folder for the clients' status files.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Without a cutover file: HOST:PORT,... of the cluster.")] = None,
    cluster: Annotated[Path | None, typer.Option(help="Without a cutover file: librdkafka properties.")] = None,
    producers: Annotated[int, typer.Option(min=0, help="Number of producers; they share the capture by key.")] = 2,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME:N", help="Consumer group and its number of members, such as billing:2; repeatable."),
    ] = None,
    speed: Annotated[str, typer.Option(help="Replay speed factor, or max (default: 1, as recorded).")] = "1",
    scale: Annotated[int, typer.Option(min=1, help="Copies of each record, each with its own key.")] = 1,
    topic_prefix: Annotated[str, typer.Option(help="Prefix for the recorded topics' names.")] = "",
    once: Annotated[bool, typer.Option("--once", help="End with the capture instead of repeating it.")] = False,
    run_time: Annotated[str | None, typer.Option(help="End after this time, such as 90s, 10m, 2h; then drain.")] = None,
    web: Annotated[bool, typer.Option("--web", help="Show Locust's web page instead of running headless.")] = False,
    web_host: Annotated[str, typer.Option(help="Address of the web page.")] = _LOCAL,
    master: Annotated[bool, typer.Option("--master", help="Run no clients; connected workers run them.")] = False,
    master_bind_host: Annotated[
        str, typer.Option(help="Address for workers to connect to; any but 127.0.0.1 needs --secret.")
    ] = _LOCAL,
    worker: Annotated[bool, typer.Option("--worker", help="Run as a worker of the master at --master-host.")] = False,
    master_host: Annotated[str, typer.Option(help="Address of the master, for a worker.")] = _LOCAL,
    secret: Annotated[
        Path | None, typer.Option(help="File with the shared secret of master and workers (16 bytes or more).")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the result as JSON to this file.")] = None,
    drain: Annotated[str, typer.Option(help="Longest wait for deliveries at the end without progress.")] = "60s",
    client: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="Property of all clients, as librdkafka names it; repeatable."),
    ] = None,
) -> None:
    """Replay a capture as a Locust load and judge it: nothing lost, nothing reordered.

    Other options are passed to Locust: --processes 4, --master --expect-workers 8, --master-host HOST, --html FILE,
    --csv NAME, --web-port PORT. Clients follow --cutover-file, so you can switch over while the load runs.
    """
    refuse_misspelled(context.args, [name for param in context.command.params for name in param.opts])
    shared = None if secret is None else read_secret(str(secret))
    if worker:
        check_open("--master-host", master_host, shared)
        arguments = ["--worker", "--master-host", master_host, *context.args]
        run_locust(arguments, connection_of(cutover_file, status, bootstrap, cluster, client or []), shared)
    processes = any(each.split("=")[0] == "--processes" for each in context.args)
    if master or processes:
        check_open("--master-bind-host", master_bind_host, shared)
    if report is not None:
        check_file(report, "load: --report")
    settings = settings_of(
        capture=capture,
        cutover_file=cutover_file,
        status=status,
        bootstrap=bootstrap,
        cluster=cluster,
        producers=producers,
        groups=group or [],
        speed=speed,
        scale=scale,
        topic_prefix=topic_prefix,
        loop=not once,
        report=report,
        client=client or [],
        drain_s=span_s("--drain", drain),
        run_time_s=None if run_time is None else span_s("--run-time", run_time),
    )
    if not web and run_time is None and not once:
        raise UsageError("load: no duration: give --run-time 10m, --once, or --web")
    check_topics(settings)
    users = str(settings.producers + len(settings.members))
    arguments = ["--users", users, "--spawn-rate", users, "--stop-timeout", str(_STOP_TIMEOUT_S)]
    if not web:
        arguments += ["--headless", "--only-summary"]
    if web and run_time is not None:
        arguments.append("--autostart")
    arguments += ["--web-host", web_host, "--master-bind-host", master_bind_host]
    if master:
        arguments.append("--master")
    if processes:
        arguments += own_port(context.args)
        shared = shared or secrets.token_bytes(32)  # other users of this machine can reach the port
    run_locust([*arguments, *context.args], settings, shared)


def settings_of(
    *,
    capture: Path | None,
    cutover_file: Path | None,
    status: Path | None,
    bootstrap: str | None,
    cluster: Path | None,
    producers: int,
    groups: list[str],
    speed: str,
    scale: int,
    topic_prefix: str,
    loop: bool,
    report: Path | None,
    client: list[str],
    drain_s: float = 60.0,
    run_time_s: float | None = None,
) -> LoadSettings:
    """Return the settings from the options. Raises UsageError for invalid options or an unusable capture."""
    if capture is None:
        from cutover_scenarios import sample_capture  # noqa: PLC0415 - data that other captures do not need

        capture = sample_capture()
    with CaptureReader(capture) as reader:
        topics = {name: topic_prefix + name for name in reader.info.topics}
        clock = clock_of(reader)
    if (warning := clock.warning()) is not None:
        print(f"load: capture {capture}: {warning}", flush=True)
    connection = connection_of(cutover_file, status, bootstrap, cluster, client)
    try:
        return LoadSettings(
            **connection.model_dump(),
            replay=ReplayOptions(
                capture=capture.absolute(),
                topics=topics,
                speed=None if speed == "max" else float(speed),
                scale=scale,
                loop=loop,
                clock_ms=(clock.first_ms, clock.last_ms),
            ),
            producers=producers,
            groups=dict(_members(each) for each in groups),
            topics=list(topics.values()),
            report=None if report is None else report.absolute(),
            drain_s=drain_s,
            run_time_s=run_time_s,
        )
    except ValidationError as why:
        raise UsageError(f"load: {first_words(why)}") from why
    except ValueError as why:
        raise UsageError(f"load: --speed {speed}: expected a number or max") from why


def connection_of(
    cutover_file: Path | None, status: Path | None, bootstrap: str | None, cluster: Path | None, client: list[str]
) -> Connection:
    """Return the connection of this process's clients to their cluster. Raises UsageError."""
    if sum(each is not None for each in (cutover_file, bootstrap, cluster)) != 1:
        raise UsageError(
            "load: give one of --cutover-file FILE, --bootstrap HOST:PORT and --cluster FILE, to each worker as well: "
            "a master does not send them"
        )
    endpoint: dict[str, Any] | None = None
    if bootstrap is not None:
        endpoint = {"bootstrap.servers": bootstrap}
    elif cluster is not None:
        endpoint = dict(read_properties(cluster))
    elif cutover_file is not None:
        read_text_input(cutover_file, "load: --cutover-file")
    if status is not None:
        check_folder(status, "load: --status")
    properties = dict(_pair(each) for each in client)
    return Connection(
        producer_client={**properties},
        consumer_client={**properties},
        cutover_file=None if cutover_file is None else cutover_file.absolute(),
        status_dir=None if status is None else status.absolute(),
        endpoint=endpoint,
    )


def _members(text: str) -> tuple[str, int]:
    name, colon, count = text.rpartition(":")
    if not colon:
        return text, 1
    if not name or not count.isdigit() or not int(count):
        raise UsageError(f"load: --group {text}: expected NAME or NAME:MEMBERS, such as billing:2")
    return name, int(count)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageError(f"load: --client {text}: expected name=value")
    return name.strip(), value.strip()
