"""`kafka-cutover load`: replay as a Locust load, in this process, in several, or on several machines."""

from __future__ import annotations

import os
import secrets
import socket
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from pydantic import ValidationError

from cutover_harness.capture.clock import clock_of
from cutover_harness.capture.format import CaptureReader
from cutover_harness.capture.properties import read_properties
from cutover_harness.capture.units import span_s
from cutover_harness.errors import UsageError
from cutover_harness.inputs import check_folder, read_text_input
from cutover_harness.load.connection import VARIABLE as CONNECTION
from cutover_harness.load.connection import Connection
from cutover_harness.load.handover import hand_over
from cutover_harness.load.secret import VARIABLE as SECRET
from cutover_harness.load.secret import check_open, read_secret
from cutover_harness.load.settings import VARIABLE, LoadSettings
from cutover_harness.load.topics import check_topics
from cutover_harness.replay.config import ReplayOptions

app = typer.Typer(add_completion=False)
_STOP_TIMEOUT_S = 60
_LOCAL = "127.0.0.1"


@app.command("load", context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def load(
    context: typer.Context,
    capture: Annotated[Path | None, typer.Option(help="Recorded traffic; default: the sample capture.")] = None,
    cutover_file: Annotated[Path | None, typer.Option(help="The cutover file that the clients follow.")] = None,
    status: Annotated[Path | None, typer.Option(help="Folder for the clients' statuses.")] = None,
    bootstrap: Annotated[str | None, typer.Option(help="Without a cutover file: HOST:PORT,... of the cluster.")] = None,
    cluster: Annotated[Path | None, typer.Option(help="Without a cutover file: librdkafka properties.")] = None,
    producers: Annotated[int, typer.Option(min=0, help="Producers; they share the capture by key.")] = 2,
    group: Annotated[
        list[str] | None, typer.Option(help="Consumer group and its members, such as billing:2; repeatable.")
    ] = None,
    speed: Annotated[str, typer.Option(help="Times the recorded rhythm, or max.")] = "1",
    scale: Annotated[int, typer.Option(min=1, help="Copies of each record, each with a key of its own.")] = 1,
    topic_prefix: Annotated[str, typer.Option(help="Put before the recorded topics' names.")] = "",
    once: Annotated[bool, typer.Option("--once", help="End with the capture, instead of starting it again.")] = False,
    run_time: Annotated[str | None, typer.Option(help="End after: 90s, 10m, 2h. Then records are drained.")] = None,
    web: Annotated[bool, typer.Option("--web", help="With Locust's web page, instead of headless.")] = False,
    web_host: Annotated[str, typer.Option(help="Address of the web page.")] = _LOCAL,
    master: Annotated[bool, typer.Option("--master", help="Run no clients; workers connect and run them.")] = False,
    master_bind_host: Annotated[
        str, typer.Option(help="Address for workers to connect to; others than 127.0.0.1 need --secret.")
    ] = _LOCAL,
    worker: Annotated[bool, typer.Option("--worker", help="Be a worker of the master at --master-host.")] = False,
    master_host: Annotated[str, typer.Option(help="Where a worker finds its master.")] = _LOCAL,
    secret: Annotated[
        Path | None, typer.Option(help="File with the secret that master and workers share (16 bytes or more).")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="File for the result, as JSON.")] = None,
    drain: Annotated[
        str, typer.Option(help="How long to wait for deliveries at the end, without any progress.")
    ] = "60s",
    client: Annotated[
        list[str] | None, typer.Option(help="librdkafka property of all clients, name=value; repeatable.")
    ] = None,
) -> None:
    """Replay a capture as a Locust load and judge it: nothing lost, nothing out of order.

    Further options go to Locust: --processes 4, --master --expect-workers 8, --master-host HOST, --html FILE, --csv
    NAME, --web-port PORT. Clients follow --cutover-file, so a switchover can be conducted while the load runs.
    """
    shared = None if secret is None else read_secret(str(secret))
    if worker:
        check_open("--master-host", master_host, shared)
        arguments = ["--worker", "--master-host", master_host, *context.args]
        run_locust(arguments, connection_of(cutover_file, status, bootstrap, cluster, client or []), shared)
    processes = any(each.split("=")[0] == "--processes" for each in context.args)
    if master or processes:
        check_open("--master-bind-host", master_bind_host, shared)
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
        raise UsageError("load: for how long? Give --run-time 10m, --once, or --web")
    if report is not None and (report.is_dir() or not report.absolute().parent.is_dir()):
        raise UsageError(f"load: --report {report}: is a folder, or in one that is not there")
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
        arguments += _own_port(context.args)
        shared = shared or secrets.token_bytes(32)  # other users of this machine reach the port, too
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
    """Return the settings that the options mean; raises UsageError where they mean none, or the capture is unusable."""
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
        first = why.errors()[0]
        raise UsageError(f"load: {'.'.join(map(str, first['loc']))}: {first['msg']}") from why
    except ValueError as why:
        raise UsageError(f"load: --speed {speed}: neither a number nor max") from why


def connection_of(
    cutover_file: Path | None, status: Path | None, bootstrap: str | None, cluster: Path | None, client: list[str]
) -> Connection:
    """Return how the clients of this process reach their cluster; raises UsageError."""
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


def run_locust(arguments: list[str], given: LoadSettings | Connection, secret: bytes | None) -> NoReturn:
    """Become Locust with the load's locustfile: signals and the exit code are its own from here on."""
    import cutover_harness.load  # noqa: PLC0415 - for its place

    locustfile = Path(cutover_harness.load.__file__).with_name("locustfile.py")
    environment = {**os.environ}
    environment[VARIABLE if isinstance(given, LoadSettings) else CONNECTION] = hand_over(
        given.model_dump_json().encode()
    )
    if secret is not None:
        environment[SECRET] = hand_over(secret)
    command = [sys.executable, "-m", "locust", "--locustfile", str(locustfile), *arguments]
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606 - a list that we built


def _own_port(arguments: list[str]) -> list[str]:
    """Return options for a port that is free, as all workers are children of this master: two loads never meet."""
    if any(each.split("=")[0] in ("--master-bind-port", "--master-port") for each in arguments):
        return []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    return ["--master-bind-port", port, "--master-port", port]


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
