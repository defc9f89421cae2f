"""Replace the command's process by Locust, with the load's settings and secret."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path
from typing import NoReturn

from cutover_harness.load.connection import VARIABLE as CONNECTION
from cutover_harness.load.connection import Connection
from cutover_harness.load.handover import hand_over
from cutover_harness.load.secret import VARIABLE as SECRET
from cutover_harness.load.settings import VARIABLE, LoadSettings


def run_locust(arguments: list[str], given: LoadSettings | Connection, secret: bytes | None) -> NoReturn:
    """Replace this process by Locust with the load's locustfile: Locust then handles SIGTERM and the exit code."""
    import cutover_harness.load  # noqa: PLC0415 - for its place

    locustfile = Path(cutover_harness.load.__file__).with_name("locustfile.py")
    environment = {**os.environ}
    environment[VARIABLE if isinstance(given, LoadSettings) else CONNECTION] = hand_over(
        given.model_dump_json().encode()
    )
    if secret is not None:
        environment[SECRET] = hand_over(secret)
    command = [sys.executable, "-m", "cutover_harness.load.main", "--locustfile", str(locustfile), *arguments]
    sys.stdout.flush()
    os.execve(sys.executable, command, environment)  # noqa: S606 - a list that we built


def own_port(arguments: list[str]) -> list[str]:
    """Return options for a free port: all workers are children of this master, so two loads never mix."""
    if any(each.split("=")[0] in ("--master-bind-port", "--master-port") for each in arguments):
        return []
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
    return ["--master-bind-port", port, "--master-port", port]
