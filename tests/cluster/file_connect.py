"""A Connect worker with Kafka's file connectors, which a command points to another cluster, and files with lines."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import threading
from contextlib import closing, suppress
from pathlib import Path

from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.testbed import ProcessTestbed, settings
from cutover_harness.testbed.connect_ready import connect_serves
from cutover_harness.testbed.jars import classpaths
from cutover_harness.testbed.jvm import ClassCache
from cutover_harness.testbed.ports import Ports
from cutover_harness.testbed.process import CONNECT_VERSION

from tests.waiting import wait_until

_REPOINT = """\
#!/bin/bash
# Restart the worker with the properties of CUTOVER_LOCATION, or only say so.
cd "$(dirname "$0")"
[ -e lies ] && exit 0
if kill "$(cat worker.pid)" 2>/dev/null; then
    for _ in $(seq 200); do kill -0 "$(cat worker.pid)" 2>/dev/null || break; sleep 0.05; done
    kill -9 "$(cat worker.pid)" 2>/dev/null
fi
setsid COMMAND "$CUTOVER_LOCATION.properties" >>worker.log 2>&1 &
echo $! >worker.pid
echo $CUTOVER_LOCATION >>repointed
"""
_MAIN = "org.apache.kafka.connect.cli.ConnectDistributed"
_CONVERTER = "org.apache.kafka.connect.storage.StringConverter"


class FileConnect:
    """A worker in `folder`, on the source first; `command` points it to the cluster CUTOVER_LOCATION."""

    def __init__(self, folder: Path, testbed: ProcessTestbed) -> None:
        self.folder, self._ports = folder, Ports()
        folder.mkdir()
        self.lies = folder / "lies"
        port = self._ports.take()
        self.url = f"http://127.0.0.1:{port}"
        roles = ("connect", CONNECT_VERSION), ("filestream", CONNECT_VERSION)
        paths = classpaths(roles, print)
        plugin = next(jar for jar in paths[roles[1]] if "connect-file" in jar.name)
        (folder / "plugins").mkdir()
        (folder / "plugins" / plugin.name).symlink_to(plugin)
        own = {f"{kind}.storage.topic": f"file-connect-{kind}" for kind in ("config", "offset", "status")}
        own |= {"group.id": "file-connect", "plugin.path": str(folder / "plugins")}
        own |= {"key.converter": _CONVERTER, "value.converter": _CONVERTER}
        for cluster in (testbed.source, testbed.target):
            file = folder / f"{cluster.name}.properties"
            settings.write_connect(file, cluster.bootstrap, port, exactly_once=False, more=own)
        java = ClassCache(f"connect-{CONNECT_VERSION}", paths[roles[0]])
        logging = settings.logging_option(testbed.workdir)
        line = shlex.join(java.command(_MAIN, [], [logging], None))
        self.command = folder / "repoint"
        self.command.write_text(_REPOINT.replace("COMMAND", line))
        self.command.chmod(0o755)

    def start(self) -> None:
        """Start the worker on the source, and return when it serves."""
        self.repoint("source")
        wait_until(lambda: connect_serves(self.url), 120)

    def repoint(self, place: str) -> None:
        """Restart the worker on a cluster, as a person does."""
        subprocess.run([str(self.command)], env={**os.environ, "CUTOVER_LOCATION": place}, check=True)

    def create(self, topic: str) -> None:
        """Create the source connector `reader` and the sink connector `writer` on a topic."""
        kinds = {"reader": ("Source", {"topic": topic, "file": str(self.folder / "in")})}
        kinds["writer"] = ("Sink", {"topics": topic, "file": str(self.folder / "out")})
        with closing(Connect(self.url)) as connect:
            for name, (kind, fields) in kinds.items():
                plugin = f"org.apache.kafka.connect.file.FileStream{kind}Connector"
                connect.put_config(name, {"connector.class": plugin, "tasks.max": "1", **fields})
                wait_until(lambda name=name: getattr(connect.status(name), "tasks", ()) == ("RUNNING",), 60)  # type: ignore[misc]

    def stop(self) -> None:
        """End the worker."""
        with suppress(OSError, ValueError):
            os.kill(int((self.folder / "worker.pid").read_text()), signal.SIGKILL)
        self._ports.release()


class Lines:
    """Appends numbers to a file, a line each, until it is stopped."""

    def __init__(self, file: Path) -> None:
        self._file, self._end = file, threading.Event()
        self.count = 0
        file.touch()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._thread.start()

    def _write(self) -> None:
        with self._file.open("a", buffering=1) as file:
            while not self._end.wait(0.02):
                print(self.count, file=file)
                self.count += 1

    def stop(self) -> None:
        """Write no more."""
        self._end.set()
        self._thread.join()


def numbers(file: Path) -> list[int]:
    """Return the numbers in a file, without a line that is not complete."""
    return [int(line) for line in file.read_text().rpartition("\n")[0].splitlines()] if file.exists() else []
