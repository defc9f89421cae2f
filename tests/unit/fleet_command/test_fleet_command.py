"""The command `kafka-cutover fleet`, on folders."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.cli.fleet_rows import Row
from cutover_harness.conductor.statuses import FolderStatuses

from tests.unit.conductor.run_folder import Cli, command_line, made
from tests.unit.fleet_command.statuses import of_first_version, status, write
from tests.waiting import wait_until

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-P", "-c", "from cutover_harness.cli import main; main()", "fleet"]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Cli]:
    monkeypatch.chdir(tmp_path)
    with command_line(monkeypatch, capsys) as call:
        yield lambda *args: call("fleet", *args)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "status", status("a"), status("b"), of_first_version("c"))
    return tmp_path / "status"


def test_a_healthy_fleet(cli: Cli, folder: Path) -> None:
    code, out, err = cli(str(folder))
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"{folder}: generation 7: 3 of 3 attest"


def test_a_client_that_is_behind(cli: Cli, folder: Path) -> None:
    write(folder, status("d", seen_generation=6))
    code, out, _ = cli(str(folder))
    assert code == 1
    assert out.splitlines()[3].split()[:2] == ["behind", "d"]


def test_a_client_that_died(cli: Cli, folder: Path) -> None:
    write(folder, status("d", updated=time.time() - 60), fresh=False)
    code, out, _ = cli(str(folder))
    assert code == 1
    assert out.splitlines()[3].split()[:2] == ["silent", "d"]


@pytest.mark.parametrize("content", [b"{", b" " * (1 << 21)])
def test_what_cannot_be_read_may_be_a_client_so_it_is_no_success(cli: Cli, folder: Path, content: bytes) -> None:
    (folder / "hidden.json").write_bytes(content)
    code, out, err = cli(str(folder))
    assert (code, out) == (2, "")
    assert f"{folder}: hidden.json: " in err


def test_a_generation_of_the_cutover_file_that_nobody_has_read_is_no_success(cli: Cli, folder: Path) -> None:
    file = folder.parent / "cutover.toml"
    for generation, code, first in ((6, 0, "attests"), (7, 0, "attests"), (8, 1, "behind")):
        file.write_text(f"# cutover-signature: hmac-sha256 {64 * 'a'}\ngeneration = {generation}\n", encoding="utf-8")
        found, out, _ = cli(str(folder), "--cutover-file", str(file), "--json")
        shown = json.loads(out)
        assert (found, shown["clients"][0]["standing"], shown["generation"]) == (code, first, max(7, generation))
    assert "has not read generation 8" in cli(str(folder), "--cutover-file", str(file))[1]
    (folder.parent / "empty").mkdir()
    assert cli("empty", "--cutover-file", str(file))[0] == 3


def test_more_clients_than_are_read_in_seconds_are_not_silent(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = FolderStatuses.read

    def slow(self: FolderStatuses) -> Any:
        found = read(self)  # as old at the end of the look as those that are read first
        write(folder, *({**status(name), "updated": time.time() - 20} for name in ("a", "b", "c")), fresh=False)
        return found

    monkeypatch.setattr("cutover_harness.cli.fleet._DOUBT_S", 0.0)
    monkeypatch.setattr(FolderStatuses, "read", slow)
    write(folder, *({**status(name), "updated": time.time() - 20} for name in ("a", "b", "c")), fresh=False)
    assert cli(str(folder))[0] == 0


def test_a_file_name_is_no_command_for_the_terminal(cli: Cli, folder: Path) -> None:
    (folder / "\x1b[2J.json").write_bytes(b"{")
    code, _, err = cli(str(folder))
    assert (code, "\x1b" in err, "[2J.json: not a JSON document" in err) == (2, False, True)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any folder")
def test_a_folder_that_may_not_be_listed_is_not_an_empty_one(cli: Cli, folder: Path) -> None:
    folder.chmod(0o300)
    code, _, err = cli(str(folder))
    folder.chmod(0o700)
    assert code == 2
    assert f"{folder}: cannot be listed: Permission denied" in err


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read any file")
def test_a_status_of_another_user_that_may_not_be_read_is_no_success(cli: Cli, folder: Path) -> None:
    (folder / "a.json").chmod(0)
    code, _, err = cli(str(folder))
    assert code == 2
    assert "a.json: Permission denied" in err


def test_a_client_whose_clock_is_wrong_is_not_silent(cli: Cli, folder: Path) -> None:
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(0.05):
            write(folder, status("d", updated=time.time() - 86_400), fresh=False)

    write(folder, status("d", updated=time.time() - 86_400), fresh=False)
    thread = threading.Thread(target=renew)
    thread.start()
    try:
        assert cli(str(folder), "--expect", "d")[0] == 0
    finally:
        stop.set()
        thread.join()


def test_a_route_that_is_there_and_names_with_dots(cli: Cli, folder: Path) -> None:
    assert cli(str(folder), "--route", "r")[0] == 0
    _, out, _ = cli(str(folder), "--expect", "pod.example.com", "--json")
    assert [row["client"] for row in json.loads(out)["clients"] if row["standing"] == "missing"] == ["pod.example.com"]


def test_nobody_is_no_success(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, out, _ = cli("empty")
    assert (code, out) == (3, "empty: no client reports\n")
    assert cli("empty", "--expect", "1")[0] == 1
    assert cli("empty", "--route", "r")[0] == 3


@pytest.mark.parametrize(
    ("expect", "code", "missing"),
    [
        ("3", 0, []),
        ("5", 1, ["2 clients"]),
        ("a,b", 0, []),
        ("a, e", 1, ["e"]),
        ("names.txt", 1, ["e"]),
        ("run/conductor.json", 1, ["p"]),
    ],
)
def test_those_that_are_expected(cli: Cli, folder: Path, expect: str, code: int, missing: list[str]) -> None:
    (folder.parent / "names.txt").write_text("# the fleet\na\n\ne # in the other zone\n", encoding="utf-8")
    made(folder.parent / "run")
    write(folder, status("c", role="consumer"))  # the conductor's clients are p and c
    found, out, _ = cli(str(folder), "--expect", expect, "--json")
    assert found == code
    rows = json.loads(out)["clients"]
    assert [row["client"] for row in rows if row["standing"] == "missing"] == missing


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none: no such folder"),
        (["status", "--expect", "no/such"], "--expect no/such: cannot be read: No such file or directory"),
        (["status", "--expect", "no.txt"], "--expect no.txt: cannot be read: No such file or directory"),
        (["status", "--expect", "no.json"], "--expect no.json: cannot be read: No such file or directory"),
        (["status", "--route", "nope"], "status: no route 'nope' in the statuses; there are: r"),
        (["status", "--route", "nope", "--watch"], "status: no route 'nope' in the statuses; there are: r"),
        (["configmap:a/b"], "configmap:a/b: has no statuses: they are in a folder or kafka:TOPIC"),
        (["status", "--expect", "a,,b"], "--expect a,,b: an empty name: give names with commas, a number, or a file"),
        (["status", "--expect", "empty.txt"], "--expect empty.txt: has no name: write one per line"),
        (["status", "--every", "0"], "--every 0: must be above 0"),
        (["status", "--cluster", "x"], "status: is a folder: --cluster is for kafka:TOPIC"),
        (["status", "--cutover-file", "no"], "cutover file no: cannot be read: No such file or directory"),
        (["status", "--cutover-file", "bad.toml"], "cutover file bad.toml: has no generation: give one that "),
        (["kafka:"], "kafka:: the name of the topic is missing: write kafka:TOPIC"),
        (["kafka:s"], "kafka:s: give the source cluster, with either --cluster FILE or --cutover-file FILE"),
        (["kafka:s", "--cluster", "no"], "properties no: cannot be read: No such file or directory"),
        (["kafka:s", "--cutover-file", "no"], "cutover file no: cannot be read: No such file or directory"),
        (["kafka:s", "--cutover-file", "bad.toml"], "cutover file bad.toml: "),
        (["kafka:s", "--cluster", "away"], "kafka:s: cannot be read: "),
        (["kafka:s", "--cluster", "refused"], "kafka:s: cannot be read: "),
    ],
)
def test_bad_input_is_one_line(cli: Cli, folder: Path, arguments: list[str], message: str) -> None:
    here = folder.parent
    (here / "empty.txt").write_text("# nobody\n", encoding="utf-8")
    (here / "bad.toml").write_text("generation = 'x'\n", encoding="utf-8")
    (here / "away").write_text("bootstrap.servers=127.0.0.1:1\nsasl.password=hunter2-hunter2\n", encoding="utf-8")
    (here / "refused").write_text("bootstrap.servers=h:1\nsecurity.protocol=hunter2-hunter2\n", encoding="utf-8")
    code, out, err = cli(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(f"kafka-cutover: {message}")
    assert len(err.splitlines()) == 1
    assert "hunter2" not in err


def test_the_json_is_as_documented(cli: Cli, folder: Path) -> None:
    write(folder, status("d", seen_generation=6), status("e", closed=True, ended="exited"))
    code, out, _ = cli(str(folder), "--json", "--expect", "f")
    found: dict[str, Any] = json.loads(out)
    assert (code, found["attested"], found["generation"], found["format"]) == (1, False, 7, 1)
    assert found["counts"] == {"missing": 1, "silent": 0, "refuses": 0, "behind": 1, "attests": 3, "ended": 1}
    docs = (ROOT / "docs/fleet.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"^\| `([\w.`, ]+)`", docs, flags=re.MULTILINE))
    names = {name.strip(" `") for each in documented for name in each.split(",")}
    keys = {*found, *(key for row in found["clients"] for key in row)}
    keys |= {f"blackout.{key}" for row in found["clients"] if row["blackout"] for key in row["blackout"]}
    iso = {key for key in keys if key.endswith("_iso")}
    assert keys - iso - {name.replace(" ", "") for name in names} == set()
    assert set(Row.__dataclass_fields__) <= keys


def test_secrets_and_escape_sequences_are_not_shown(cli: Cli, folder: Path) -> None:
    write(folder, status("d", app="\x1b]0;title\x07\x1b[2J", rejected="\x1b[31mred\nnew line"))
    _, out, _ = cli(str(folder))
    assert "\x1b" not in out
    assert "\x07" not in out
    assert r"red\nnew line" in out


def watching(folder: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*PROGRAM, str(folder), "--watch", "--every", "0.1", *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def test_a_watch_in_a_pipe_repeats_the_table_until_it_is_interrupted(folder: Path) -> None:
    process = watching(folder)
    assert process.stdout is not None
    seen: list[str] = []
    while sum("generation 7: 3 of 3 attest" in line for line in seen) < 2:
        seen.append(process.stdout.readline())
        write(folder, status("a"), status("b"), of_first_version("c"))
    write(folder, status("d", seen_generation=8))
    wait_until(lambda: "generation 8: 0 of 4 attest; 4 behind" in str(process.stdout and process.stdout.readline()), 60)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in err) == (130, False)


def test_a_watch_in_json_is_one_document_per_line(folder: Path) -> None:
    process = watching(folder, "--json")
    assert process.stdout is not None
    documents = [json.loads(process.stdout.readline()) for _ in range(2)]
    process.terminate()
    process.communicate(timeout=60)
    assert documents[0]["at"] < documents[1]["at"]
    assert {d["generation"] for d in documents} == {7}


def test_a_watch_attests_nothing_while_a_status_cannot_be_read(folder: Path) -> None:
    process = watching(folder, "--json")
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["attested"] is True
    (folder / "hidden.json").write_bytes(b"{")
    wait_until(lambda: json.loads(str(process.stdout and process.stdout.readline()))["problem"] is not None, 60)
    write(folder, status("a"), status("b"), of_first_version("c"))
    found = json.loads(process.stdout.readline())
    process.terminate()
    process.communicate(timeout=60)
    assert (found["counts"]["attests"], found["attested"]) == (3, False)


def test_a_watch_whose_reader_is_gone_ends(folder: Path) -> None:
    process = watching(folder)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(60) != 0
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
