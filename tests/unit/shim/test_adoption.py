"""An application gets the shim by one import, by install(), by python -m or by a pytest option."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Switch

BEFORE = "import cutover_shim; cutover_shim.install()\nfrom confluent_kafka import Producer, Consumer\n"
AFTER = "from confluent_kafka import Producer, Consumer\nimport cutover_shim; cutover_shim.install()\n"
APP = """
import sys, confluent_kafka, cutover_shim
from confluent_kafka import cimpl
assert isinstance(Producer({{'bootstrap.servers': 'ignored:1'}}), cimpl.Producer)
assert confluent_kafka.SerializingProducer is cutover_shim.SerializingProducer
p = Producer({{'bootstrap.servers': 'ignored:1', 'log_level': 0}})
p.produce({topic!r}, b'from the app')
assert p.flush(10) == 0
print(p.cutover_cluster({topic!r}), *sys.argv[1:])
p.close()
"""


def run(*args: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.mark.parametrize("head", [BEFORE, AFTER])
def test_install_before_and_after_the_import(switch: Switch, topic: str, tmp_path: Path, head: str) -> None:
    switch.write(producers="target")
    app = tmp_path / "app.py"
    app.write_text(head + APP.format(topic=topic))
    done = run(str(app), CUTOVER_FILE=str(switch.path))
    assert (done.stdout, done.returncode) == ("target\n", 0), done.stderr


def test_python_m_runs_an_unchanged_application(switch: Switch, topic: str, tmp_path: Path) -> None:
    switch.write(producers="target")
    app = tmp_path / "app.py"
    app.write_text("from confluent_kafka import Producer\n" + APP.format(topic=topic))
    done = run("-m", "cutover_shim", str(app), "--flag", CUTOVER_FILE=str(switch.path))
    assert (done.stdout, done.returncode) == ("target --flag\n", 0), done.stderr
    assert run("-m", "cutover_shim").returncode == 2
    assert run("-m", "cutover_shim", "absent.py").returncode == 2
    for absent in ("absent", "absent.inside", "json.absent", ".relative"):
        done = run("-m", "cutover_shim", "-m", absent)
        assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
        assert f"-m {absent}: no such module" in done.stderr


def test_pytest_plugin_runs_other_projects_tests_on_the_shim(switch: Switch, topic: str, tmp_path: Path) -> None:
    switch.write(producers="target")
    (tmp_path / "test_other.py").write_text(
        "from confluent_kafka import Producer\nimport cutover_shim\n"
        "def test_it():\n"
        "    assert Producer is cutover_shim.Producer\n"
        f"    p = Producer({{'bootstrap.servers': 'ignored:1'}})\n    p.produce({topic!r}, b'x')\n"
        "    assert p.flush(10) == 0\n"
    )
    command = ("-m", "pytest", "-p", "no:ddtrace", "-p", "cutover_shim.pytest_plugin", str(tmp_path))
    done = run(*command, CUTOVER_FILE=str(switch.path))
    assert done.returncode == 0, done.stdout + done.stderr
    assert str(switch.path) in done.stdout


@pytest.mark.parametrize(
    "first", ["", "import confluent_kafka.aio, confluent_kafka.admin\n", "import cutover_shim.aio\n"]
)
def test_the_modules_aio_and_admin_are_the_shims_whatever_was_imported_first(first: str, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(
        first + "from cutover_shim import AIOConsumer, AIOProducer, AdminClient, admin, aio\n"
        "print(AIOConsumer is aio.AIOConsumer, AIOProducer is aio.AIOProducer, AdminClient is admin.AdminClient)\n"
        "print(*sorted({c.__module__ for c in (AIOConsumer, AIOProducer, AdminClient)}), admin.NewTopic.__name__)\n"
    )
    done = run(str(app))
    assert done.stdout == "True True True\ncutover_shim.admin cutover_shim.aio NewTopic\n", done.stderr


@pytest.mark.parametrize("first", ["", "import confluent_kafka.aio\nfrom confluent_kafka.aio import AIOProducer\n"])
def test_install_replaces_the_asyncio_clients_whose_buffer_the_status_counts(first: str, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(
        first + "import cutover_shim\ncutover_shim.install()\n"
        "from confluent_kafka import aio\nprint(aio.AIOProducer is cutover_shim.AIOProducer)\n"
        "print(aio.AIOConsumer is cutover_shim.AIOConsumer)\n"
        "print(globals().get('AIOProducer', aio.AIOProducer) is cutover_shim.AIOProducer)\n"
    )
    done = run(str(app))
    assert done.stdout == "True\nTrue\nTrue\n", done.stderr


def test_a_class_derived_too_early_is_named(tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(
        "import confluent_kafka\nclass Mine(confluent_kafka.Producer): pass\n"
        "import cutover_shim\ncutover_shim.install()\n"
    )
    assert "Mine was derived from confluent_kafka's Producer" in run(str(app)).stderr


def test_exit_without_close_loses_no_more_than_the_client_would(switch: Switch, topic: str, tmp_path: Path) -> None:
    app = tmp_path / "app.py"
    app.write_text(
        "import cutover_shim\n"
        "p = cutover_shim.Producer({'bootstrap.servers': 'ignored:1', 'log_level': 0})\n"
        "c = cutover_shim.Consumer({'bootstrap.servers': 'ignored:1', 'group.id': 'e', 'log_level': 0})\n"
        f"c.subscribe([{topic!r}]); c.poll(0.1)\n"
        f"p.produce({topic!r}, b'x'); p.flush(10); p.produce({topic!r}, b'y')\nprint('end')\n"
    )
    done = run(str(app), CUTOVER_FILE=str(switch.path))
    assert (done.stdout, done.returncode, done.stderr) == ("end\n", 0, "")
