"""The shim's threads import nothing: a child that is forked during an import hangs in its own import of the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cluster.secured import self_signed

APP = """
import importlib.abc, json, os, pathlib, sys, threading, time
import cutover_shim.api_server
from cutover_shim import Consumer, Producer

folder = pathlib.Path(sys.argv[1])
os.environ["KUBERNETES_SERVICE_HOST"] = "localhost"
os.environ["KUBERNETES_SERVICE_PORT"] = "1"
cutover_shim.api_server.ACCOUNT = folder
found = []

class Imports(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if threading.current_thread() is not threading.main_thread():
            found.append(name)

def write(generation, place):
    names = "".join(f'[clusters.{n}]\\n"bootstrap.servers" = "127.0.0.1:1"\\n' for n in ("source", "target"))
    route = f'[routes.r]\\ntopics = ["t"]\\ngroups = ["g"]\\nproducers = "{place}"\\nconsumers = "{place}"\\n'
    (folder / "new").write_text(f"generation = {generation}\\n{names}{route}")
    (folder / "new").replace(folder / "cutover.toml")

write(1, "source")
conf = {
    "bootstrap.servers": "127.0.0.1:1", "log_level": 0, "cutover.unsigned": "true", "cutover.status": str(folder / "s"),
    "cutover.file": str(folder / "cutover.toml"), "cutover.channel": "kafka:c configmap:a/b", "cutover.instance": "p",
}
sys.meta_path.insert(0, Imports())
if "control" in sys.argv:
    threading.Thread(target=__import__, args=["wave"]).start()
producer = Producer(conf)
consumer = Consumer({**conf, "cutover.instance": "c", "group.id": "g"})
consumer.subscribe(["t"])
status = folder / "s" / "p.json"
write(2, "hold")
until = time.monotonic() + 60
while time.monotonic() < until:
    consumer.poll(0.1)
    seen = json.loads(status.read_text()) if status.exists() else {}
    errors = [channel["error"] for channel in seen.get("channels", []) if "file:" not in channel["channel"]]
    if seen.get("seen_generation") == 2 and len(errors) == 3 and all(errors):
        print("followed", *found)
        break
os._exit(0)
"""


@pytest.mark.parametrize(("how", "expected"), [("as it is", "followed"), ("control", "followed wave")])
def test_no_thread_of_the_shim_imports_a_module(tmp_path: Path, how: str, expected: str) -> None:
    (tmp_path / "ca.crt").write_text(self_signed()[1])
    (tmp_path / "token").write_text("a-token")
    run = [sys.executable, "-c", APP, str(tmp_path), how]
    done = subprocess.run(run, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split("\n")[0].startswith(expected), done.stderr
    assert done.stdout.strip() == expected
