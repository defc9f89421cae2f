"""How a client's last status tells an end in order from a death, with real processes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from .conftest import Switch, until

APP = """
    import os, signal, sys, time
    import cutover_shim
    conf = {{'bootstrap.servers': 'x:1', 'log_level': 0, 'cutover.status': {status!r}}}

    def work(name):
        p = cutover_shim.Producer({{**conf, 'cutover.instance': name}})
        p.produce({topic!r}, b'x', on_delivery=lambda e, m: None)
        assert p.flush(10) == 0
        return p

    def wait_for_ever():
        while True:
            time.sleep(0.1)

    {body}
"""
BODIES = {
    "end": "p = work('p')",
    "exit": "p = work('p'); sys.exit(3)",
    "raise": "p = work('p'); raise ValueError('of the application')",
    "close": "p = work('p'); p.close()",
    "drop": "work('p'); time.sleep(0.2); wait_for_ever()",
    "os._exit": "p = work('p'); time.sleep(1.5); os._exit(0)",
    "wait": "p = work('p'); wait_for_ever()",
    "handler": "signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); p = work('p'); wait_for_ever()",
}


def start(switch: Switch, topic: str, folder: Path, body: str) -> subprocess.Popen[str]:
    app = folder / "app.py"
    app.write_text(textwrap.dedent(APP).format(status=str(switch.status), topic=topic, body=body))
    return subprocess.Popen(
        [sys.executable, str(app)],
        env={**os.environ, "CUTOVER_FILE": str(switch.path)},
        stderr=subprocess.PIPE,
        text=True,
    )


def last(switch: Switch, instance: str = "p") -> dict[str, Any]:
    found: dict[str, Any] = json.loads((switch.status / f"{instance}.json").read_text())
    assert found["routes"]["r"]["acked"] != {}
    return found


@pytest.mark.parametrize(
    ("how", "ended"), [("end", "exited"), ("exit", "exited"), ("raise", "exited"), ("close", "closed")]
)
def test_a_process_that_ends_in_order_says_so(switch: Switch, topic: str, tmp_path: Path, how: str, ended: str) -> None:
    process = start(switch, topic, tmp_path, BODIES[how])
    _, stderr = process.communicate(timeout=60)
    assert "cutover" not in stderr.replace(str(tmp_path), ""), stderr
    found = last(switch)
    assert (found["closed"], found["ended"], found["routes"]["r"]["in_flight"]) == (True, ended, 0)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, "os._exit"])
def test_a_process_that_dies_leaves_its_status_open(switch: Switch, topic: str, tmp_path: Path, how: Any) -> None:
    process = start(switch, topic, tmp_path, BODIES["os._exit" if how == "os._exit" else "wait"])
    until(lambda: switch.status_or({"routes": {}}, "p")["routes"].get("r", {}).get("acked"), timeout=60)
    if isinstance(how, signal.Signals):
        process.send_signal(how)
    process.communicate(timeout=60)
    found = last(switch)
    assert (found["closed"], found["ended"]) == (False, None)


def test_a_process_that_ends_itself_on_sigterm_says_so(switch: Switch, topic: str, tmp_path: Path) -> None:
    process = start(switch, topic, tmp_path, BODIES["handler"])
    until(lambda: switch.status_or({"routes": {}}, "p")["routes"].get("r", {}).get("acked"), timeout=60)
    process.terminate()
    process.communicate(timeout=60)
    assert last(switch)["ended"] == "exited"


def test_a_client_that_the_application_drops_is_closed(switch: Switch, topic: str, tmp_path: Path) -> None:
    process = start(switch, topic, tmp_path, BODIES["drop"])
    until(lambda: switch.status_or({}, "p").get("ended"), timeout=60)
    assert last(switch)["ended"] == "closed"
    process.kill()
    process.communicate(timeout=60)
    assert last(switch)["ended"] == "closed"


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_child_of_multiprocessing_that_ends_in_order_says_so(
    switch: Switch, topic: str, tmp_path: Path, method: str
) -> None:
    body = f"""
    import multiprocessing
    if __name__ == "__main__":
        parent = work('parent') if {method!r} != 'fork' else None
        kept = multiprocessing.get_context({method!r}).Process(target=keep, args=('child',))
        died = multiprocessing.get_context({method!r}).Process(target=die, args=('dead',))
        for child in (kept, died):
            child.start()
        for child in (kept, died):
            child.join()
        assert (kept.exitcode, died.exitcode) == (0, 7), (kept.exitcode, died.exitcode)
    """
    functions = """
    held = []

    def keep(name):
        held.append(work(name))

    def die(name):
        held.append(work(name))
        time.sleep(1.5)
        os._exit(7)
    """
    process = start(switch, topic, tmp_path, textwrap.dedent(functions) + textwrap.dedent(body))
    _, stderr = process.communicate(timeout=90)
    assert (process.returncode, stderr) == (0, "")
    assert last(switch, "child")["ended"] == "exited"
    assert last(switch, "dead")["ended"] is None
    if method != "fork":
        assert last(switch, "parent")["ended"] == "exited"
