"""`rehearse --testbed FILE` on secured clusters that exist already: only names with the prefix come and go."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from confluent_kafka import admin as typed_kafka

from tests.cluster.existing import PREFIX, Existing, existing, rights
from tests.cluster.test_rehearse import PROGRAM
from tests.waiting import wait_until

kafka: Any = typed_kafka  # its types leave these names out
PASSWORDS = {
    "SOURCE_PASSWORD": "planted-source-5d1",
    "CONNECT_PASSWORD": "planted-connect-77a",
    "CLIENT_SECRET": "planted-client-9c4/+:%",
}
ENV = {**os.environ, **PASSWORDS}


@pytest.fixture(scope="module")
def there(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Existing]:
    with existing(tmp_path_factory.mktemp("existing"), PASSWORDS) as made:
        yield made


@pytest.fixture(scope="module")
def before(there: Existing) -> dict[str, Any]:
    """What neighbours had before any run."""
    return there.neighbours.snapshot()


def command(there: Existing, *arguments: str) -> list[str]:
    return [*PROGRAM, *arguments, *(() if "--source" in arguments else ("--testbed", str(there.file)))]


def run(there: Existing, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(there, *arguments),
        cwd=there.folder,
        env=ENV | env,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    print(done.stdout, done.stderr)
    assert not [secret for secret in PASSWORDS.values() if secret in done.stdout + done.stderr]
    return done


def connectors(there: Existing) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{there.bed.connect_url}/connectors?expand=info", trust_env=False).json()
    return found


def test_a_rehearsal_passes_and_leaves_neighbours_as_they_were(there: Existing, before: dict[str, Any]) -> None:
    done = run(there, "rehearse", "in-process", "--seed", "7", "--out", "passed")
    assert done.returncode == 0
    assert there.neighbours.snapshot() == before
    assert there.neighbours.strangers() == []
    assert connectors(there) == {}
    out = there.folder / "passed"
    report = json.loads((out / "in-process" / "verdict.json").read_text())
    assert {group["group"] for group in report["judgement"]["groups"]} == {"billing", "audit"}
    assert all(group["acked"] > 1000 and not group["lost"] for group in report["judgement"]["groups"])
    environment = json.loads((out / "rehearsal.json").read_text())["environment"]
    assert environment["testbed"] == "existing clusters"
    # The judge finds the same in what is left, with the names of the applications.
    again = subprocess.run([*PROGRAM, "judge", str(out / "in-process")], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stdout
    assert "flights.departed" in again.stdout
    assert PREFIX not in again.stdout


LINGERS = """
name: lingers
title: A path that a test interrupts
path:
  - create-task
  - step: synchronise
    dwell_s: 600
  - delete-task
"""


def begun(there: Existing, out: str) -> subprocess.Popen[str]:
    """Start a rehearsal that does not end by itself, and return when its mirror copies."""
    (there.folder / "lingers.yaml").write_text(LINGERS)
    running = subprocess.Popen(
        command(there, "rehearse", "lingers.yaml", "--out", out),
        cwd=there.folder,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    target = there.bed.plain("target")

    def mirrored() -> bool:
        assert running.poll() is None, running.communicate()[0]
        return any(topic.endswith("flights.departed") for topic in mine(target))

    wait_until(mirrored, state=there.neighbours.strangers)
    wait_until(lambda: len(connectors(there)) == 2)
    return running


def mine(client: Any) -> list[str]:
    return [topic for topic in client.list_topics(timeout=30).topics if topic.startswith(PREFIX)]


def test_ctrl_c_removes_what_was_created(there: Existing, before: dict[str, Any]) -> None:
    running = begun(there, "interrupted")
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=180)
    assert running.returncode == 130, said
    assert there.neighbours.strangers() == []
    assert connectors(there) == {}
    assert there.neighbours.snapshot() == before


def test_doctor_lists_and_removes_what_a_killed_run_left(there: Existing, before: dict[str, Any]) -> None:
    running = begun(there, "killed")
    shown = json.dumps(connectors(there))
    assert PASSWORDS["SOURCE_PASSWORD"] not in shown  # Connect shows a reference to its config provider
    assert "${cutover:" in shown
    assert "a run uses it" in run(there, "doctor", "--clean").stdout
    assert running.poll() is None
    running.kill()
    running.communicate()
    strangers = there.neighbours.strangers()
    assert strangers
    assert all(name.removeprefix("mm2-offset-syncs.").startswith(PREFIX) for name in strangers)
    assert there.neighbours.snapshot() == before

    def listed() -> str:
        return "" if "a run uses it" in (text := run(there, "doctor").stdout) else text

    text = wait_until(listed)
    for name in (*strangers, *connectors(there)):
        assert name in text
    cleaned = run(there, "doctor", "--clean")
    assert cleaned.returncode == 0
    assert there.neighbours.strangers() == []
    assert connectors(there) == {}
    assert there.neighbours.snapshot() == before
    assert "nothing of earlier runs" in run(there, "doctor").stdout


def test_a_fault_of_a_machine_is_refused_before_anything_is_created(there: Existing) -> None:
    done = run(there, "rehearse", "connect-killed", "--out", "refused")
    assert done.returncode == 2
    assert "scenario connect-killed: fault kill connect is unavailable" in done.stderr
    assert not (there.folder / "refused").exists()
    assert there.neighbours.strangers() == []


@pytest.mark.parametrize(
    ("cluster", "operation", "said"),
    [
        ("source", "CREATE", f"source .* may not create topics that begin with {PREFIX}"),
        ("source", "ALTER", f"source .* no right to ALTER topics that begin with {PREFIX}"),
        ("target", "DELETE", "target .* no right to DELETE"),
    ],
)
def test_a_missing_right_is_named(there: Existing, cluster: str, operation: str, said: str) -> None:
    chosen = [each for each in rights(cluster) if each.operation.name == operation]
    with there.bed.without(cluster, chosen[0]):
        done = run(there, "rehearse", "stop-first", "--out", "refused")
    assert done.returncode == 2
    assert re.search(said, done.stderr), done.stderr
    # Without the right to delete the claim stays, which is named.
    assert ("not removed: topic cutover-rehearsal-" in done.stderr) == (operation == "DELETE")
    assert (there.neighbours.strangers() != []) == (operation == "DELETE")
    if operation == "DELETE":
        assert run(there, "doctor", "--clean").returncode == 0
        assert there.neighbours.strangers() == []


def test_a_wrong_login_to_connect_is_one_clear_error(there: Existing) -> None:
    done = run(there, "rehearse", "stop-first", "--out", "refused", CONNECT_PASSWORD="wrong-one")
    assert done.returncode == 2
    assert "answered 401" in done.stderr
    assert "wrong-one" not in done.stderr


def with_tokens(there: Existing, name: str = "tokens") -> Existing:
    """Return the same clusters, where the user of rehearsals logs in with tokens of the identity provider."""
    return replace(there, name=f"{name}.yaml")


def test_clusters_that_want_tokens_are_read(there: Existing) -> None:
    """OAUTHBEARER with OpenID Connect, for both libraries, and for Connect, which checks the translated login."""
    given = there.bed.provider.given
    assert run(with_tokens(there), "doctor").returncode == 0
    assert given["librdkafka"]
    assert given.total() == given["librdkafka"], "a check creates no connector"
    clusters = ("--source", "source-tokens.properties", "--target", "target-tokens.properties")
    listed = run(there, "inventory", *clusters, "--sample", "0", "--json")
    assert listed.returncode == 3, "the user sees its own prefix alone"
    listing = json.loads(listed.stdout)
    assert "unsupported" not in {gap["kind"] for gap in listing["gaps"]}
    assert [software for software in given if "httpx" in software], "the client that reads log directories and ACLs"
    checked = run(there, "preflight", *clusters, "--topics", f"{PREFIX}*")
    assert checked.returncode in (0, 1)
    assert "cutover-rehearsal-notes" in checked.stdout


def test_a_wrong_client_secret_is_one_clear_error(there: Existing) -> None:
    wrong = "planted-wrong-0b7"
    done = run(with_tokens(there), "doctor", CLIENT_SECRET=wrong)
    said = done.stdout + done.stderr
    assert done.returncode == 2, said
    assert "source 127.0.0.1" in said
    assert "invalid_client" in said
    assert "check address and login" in said
    assert wrong not in said
    assert there.bed.provider.refused.total() > 0


@pytest.mark.skipif(not os.environ.get("CUTOVER_SHOWS"), reason="takes a minute each: CUTOVER_SHOWS=1")
@pytest.mark.parametrize("name", ["tokens", "tokens-by-reference"])
def test_a_rehearsal_with_tokens_passes(there: Existing, before: dict[str, Any], name: str) -> None:
    """Clients, conductor and MirrorMaker 2 log in with tokens, again and again; no secret and no token is shown."""
    given = there.bed.provider.given.copy()
    running = subprocess.Popen(
        command(with_tokens(there, name), "rehearse", "in-process", "--seed", "7", "--out", name),
        cwd=there.folder,
        env=ENV,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    shown = ""
    while running.poll() is None:
        shown += json.dumps(connectors(there))
        time.sleep(0.5)
    said, _ = running.communicate()
    print(said)
    assert running.returncode == 0, said
    assert there.neighbours.snapshot() == before
    assert there.neighbours.strangers() == []
    verdict = json.loads((there.folder / name / "in-process" / "verdict.json").read_text())
    assert all(group["acked"] > 1000 and not group["lost"] for group in verdict["judgement"]["groups"])

    asked = there.bed.provider.given - given
    print("tokens by client:", dict(asked))
    assert asked["librdkafka"] > 5
    assert [software for software in asked if software.startswith("Java")], "MirrorMaker 2"
    secret = PASSWORDS["CLIENT_SECRET"]
    assert (secret in shown) == (name == "tokens"), "what Connect shows without properties of its own"
    assert ("${cutover:" in shown) == (name != "tokens")
    assert ("passwords of connector configurations" in said) == (name == "tokens"), "the warning"
    secrets = {secret, *there.bed.provider.tokens}
    texts = {"output": said} | {str(log): log.read_text() for log in there.bed.logs.iterdir() if log.is_file()}
    texts |= {str(log): log.read_text() for log in (there.folder / name).rglob("*.log")}
    assert [where for where, text in texts.items() if any(each in text for each in secrets)] == []
