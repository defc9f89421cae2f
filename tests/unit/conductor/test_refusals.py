"""`resume` and `rollback` refuse a damaged or foreign run: one line, exit code 2, nothing changed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from cutover_harness.conductor.config import ConductorConfig
from cutover_harness.conductor.inspection import inspect
from cutover_harness.conductor.journal import FORMAT, Journal, JournalError
from cutover_harness.locks import FileLock

from tests.unit.conductor.run_folder import Cli, contents, made, refused
from tests.unit.conductor.world import FORWARD, World, new_conductor, steps


def sql(*statements: str) -> Callable[[Path], None]:
    def harm(journal: Path) -> None:
        database = sqlite3.connect(journal)
        for statement in statements:
            database.execute(statement)
        database.commit()
        database.close()

    return harm


def written(data: bytes) -> Callable[[Path], None]:
    return lambda journal: _replace(journal, data)


def _replace(journal: Path, data: bytes) -> None:
    for suffix in ("-wal", "-shm"):
        journal.with_name(journal.name + suffix).unlink(missing_ok=True)
    journal.write_bytes(data)


def cut(share: float) -> Callable[[Path], None]:
    def harm(journal: Path) -> None:
        checkpointed(journal)
        data = journal.read_bytes()
        _replace(journal, data[: int(len(data) * share)])

    return harm


def checkpointed(journal: Path) -> None:
    database = sqlite3.connect(journal)
    database.execute("PRAGMA journal_mode=DELETE")
    database.close()


def flipped(wanted: bytes, into: bytes) -> Callable[[Path], None]:
    """Change bytes of an entry in place."""

    def harm(journal: Path) -> None:
        checkpointed(journal)
        data = journal.read_bytes()
        assert wanted in data
        _replace(journal, data.replace(wanted, into))

    return harm


def other_database(journal: Path) -> None:
    _replace(journal, b"")
    sql("PRAGMA application_id=42", "CREATE TABLE entry (id, time_ns, kind, step, name, detail)")(journal)


def without_tables(journal: Path) -> None:
    _replace(journal, b"")
    sql("CREATE TABLE other (id INTEGER)")(journal)


def as_folder(journal: Path) -> None:
    _replace(journal, b"")
    journal.unlink()
    journal.mkdir()


def as_fifo(journal: Path) -> None:
    _replace(journal, b"")
    journal.unlink()
    os.mkfifo(journal)


def without_entries(journal: Path) -> None:
    _replace(journal, b"")
    journal.unlink()
    Journal(journal).close()


def missing(journal: Path) -> None:
    _replace(journal, b"")
    journal.unlink()


HARMS: dict[str, tuple[Callable[[Path], None], str]] = {
    "missing": (missing, "no journal"),
    "empty": (written(b""), "is empty"),
    "without entries": (without_entries, "has no entry"),
    "text": (written(b"not a database, just text that is long enough\n" * 9), "is no SQLite file"),
    "header only": (cut(0.0001), "is no SQLite file"),
    "a third": (cut(0.34), "is damaged"),
    "most of it": (cut(0.8), "is damaged"),
    "a folder": (as_folder, "is not a file"),
    "a fifo": (as_fifo, "is not a file"),
    "of another application": (other_database, "of another application"),
    "with other tables": (without_tables, "of another application"),
    "a newer format": (sql(f"PRAGMA user_version={FORMAT + 1}"), "is of format 2"),
    "a table dropped": (sql("DROP TABLE entry"), "of another application"),
    "a column less": (sql("ALTER TABLE entry DROP COLUMN step"), "of another application"),
    "a name flipped": (flipped(b"synchronise", b"synchronisf"), "is damaged"),
    "a step exchanged": (flipped(b"stop-consumers", b"stop-producers"), "is damaged"),
    "a step changed": (sql("UPDATE entry SET step=2 WHERE step=1"), "is damaged"),
    "a kind changed": (sql("UPDATE entry SET kind='end' WHERE kind='done'"), "is damaged"),
    "a text for a number": (sql("UPDATE entry SET time_ns='noon' WHERE id=3"), "is damaged"),
    "a blob": (sql("UPDATE entry SET detail=x'00ff' WHERE id=3"), "is damaged"),
    "no checksum": (sql("UPDATE entry SET checksum=0"), "is damaged"),
    "an entry deleted": (sql("DELETE FROM entry WHERE id=4"), "entries before it are missing"),
    "the first entries deleted": (sql("DELETE FROM entry WHERE id<4"), "entries before it are missing"),
}


@pytest.mark.parametrize("name", HARMS)
def test_a_damaged_or_foreign_journal_is_refused(folder: Path, cli: Cli, name: str) -> None:
    harm, message = HARMS[name]
    harm(folder / "journal.sqlite")
    if name in ("a folder", "a fifo"):  # their content cannot be compared
        assert cli("rollback", str(folder), "--yes")[0] == 2
    refused(cli, folder, message)


OLD = [
    ("UPDATE entry SET kind='dong'", "kind 'dong' is not known"),
    ("UPDATE entry SET time_ns='noon' WHERE id=3", "time_ns is str, not int"),
    ("UPDATE entry SET step=-7 WHERE id=2", "out of range"),
    ("UPDATE entry SET detail='[]' WHERE id=2", "detail is list, not dict"),
    ("UPDATE entry SET detail='{' WHERE id=2", "entry 2 is damaged"),
    ("UPDATE entry SET detail='{}' WHERE kind='gate'", "gate has no evidence"),
    ("UPDATE entry SET name='fly' WHERE kind='doing'", "no step is called 'fly'"),
    ("UPDATE entry SET name='delete-task' WHERE kind='doing'", "does not describe a path"),
    ("DELETE FROM entry WHERE id=2", "entries before it are missing"),
]


@pytest.mark.parametrize(("statement", "message"), OLD)
def test_a_damaged_journal_without_checksums_is_refused_by_its_content(
    folder: Path, cli: Cli, statement: str, message: str
) -> None:
    make_old(folder / "journal.sqlite")
    sql(statement)(folder / "journal.sqlite")
    refused(cli, folder, message)


def make_old(journal: Path) -> None:
    """Make a journal of format 0, as versions before 1 wrote it."""
    sql(
        "PRAGMA user_version=0",
        "PRAGMA application_id=0",
        "ALTER TABLE entry DROP COLUMN checksum",
    )(journal)


def test_a_journal_without_checksums_is_read_and_continued(folder: Path) -> None:
    make_old(folder / "journal.sqlite")
    config = ConductorConfig.load(folder / "conductor.json")
    count = len(inspect(config.journal, config.steps, config.groups))
    assert new_conductor(folder, World(), config.steps).run()
    assert len(inspect(config.journal, config.steps, config.groups)) > count


def test_the_journal_of_another_path_is_refused(folder: Path, tmp_path: Path, cli: Cli) -> None:
    made(tmp_path / "other", path=(FORWARD[0], *FORWARD[2:]))
    shutil.copy(tmp_path / "other" / "journal.sqlite", folder)
    refused(cli, folder, "journal of another path: step 2 is stop-consumers, here synchronise")


def test_a_good_journal_is_read_completely_and_not_changed(folder: Path) -> None:
    before = contents(folder)
    entries = inspect(folder / "journal.sqlite", steps(*FORWARD), ["g"])
    assert [entry.name for entry in entries if entry.kind == "done"][1:] == list(FORWARD[:3])
    assert contents(folder) == before


CONFIGS = {
    "missing": (None, "contains no conductor.json"),
    "empty": ("", "file: "),
    "half": ('{"route": "r"', "file: "),
    "a list": ("[]", "file: "),
    "deep": ("[" * 100_000, "file: "),
    "binary": (b"\xff\xfe\x00", "file: "),
}


@pytest.mark.parametrize("name", CONFIGS)
def test_a_damaged_or_missing_configuration_is_refused(folder: Path, cli: Cli, name: str) -> None:
    content, message = CONFIGS[name]
    file = folder / "conductor.json"
    file.unlink()
    if content is not None:
        file.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(cli, folder, message)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("colour", "red", "colour: no such field"),
        ("route", 7, "route: "),
        ("route", "other", "has no route other"),
        ("steps", [{"act": "fly"}], "steps.0.step: "),
        ("statuses", "none", "no such folder, so clients cannot attest"),
        ("cutover_file", "none.toml", "none.toml: cannot be read: No such file"),
        ("connect_url", None, "connect_url: "),
    ],
)
def test_a_configuration_with_a_wrong_field_is_refused(
    folder: Path, cli: Cli, key: str, value: object, message: str
) -> None:
    file = folder / "conductor.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**found, key: value}), encoding="utf-8")
    refused(cli, folder, message)


def test_a_missing_folder_is_refused(tmp_path: Path, cli: Cli) -> None:
    assert cli("resume", str(tmp_path / "nothing"))[0] == 2


def test_clusters_that_do_not_answer_are_found_before_anything_is_written(folder: Path, cli: Cli) -> None:
    """The host names in the cutover file do not resolve."""
    refused(cli, folder, "source a:1: does not answer")


def test_a_rehearsal_whose_brokers_are_gone_is_refused_immediately(folder: Path, cli: Cli) -> None:
    (folder / "apps").mkdir()
    refused(cli, folder, "the brokers of this rehearsal are gone, as they end with it: rehearse again")


def test_a_conductor_that_runs_is_named(folder: Path, cli: Cli) -> None:
    with FileLock(folder / "conductor.lock"):
        refused(cli, folder, f"a conductor is running it, process {os.getpid()} on ")
    refused(cli, folder, "does not answer")  # its lock file stays and blocks no other one


@pytest.mark.parametrize("command", ["resume", "rollback"])
def test_a_dry_run_only_reads_so_a_conductor_may_run(folder: Path, cli: Cli, command: str) -> None:
    with FileLock(folder / "conductor.lock"):
        code, _, err = cli(command, str(folder), "--dry-run")
    assert code == 2
    assert "source a:1: does not answer" in err, "it got as far as without a conductor"


def test_a_journal_that_does_not_fit_is_refused_by_a_dry_run_while_a_conductor_runs(folder: Path, cli: Cli) -> None:
    (folder / "journal.sqlite").write_bytes(b"")
    with FileLock(folder / "conductor.lock"):
        code, _, err = cli("rollback", str(folder), "--dry-run")
    assert (code, "is empty" in err) == (2, True), err


def test_clients_that_were_moved_by_hand_are_refused(folder: Path, cli: Cli) -> None:
    file = folder / "cutover.toml"
    text = file.read_text(encoding="utf-8").replace("generation = 2", "generation = 9")
    file.write_text(text.replace('consumers = "hold"', 'consumers = "target"'), encoding="utf-8")
    refused(cli, folder, "consumers of route r are on target at generation 9, and by the journal they are on hold")


def test_a_step_that_needs_the_rehearsal_is_refused_before_anything_is_written(folder: Path, cli: Cli) -> None:
    file = folder / "conductor.json"
    found = json.loads(file.read_text(encoding="utf-8"))
    asks = [["delete-task", "before"]]
    file.write_text(json.dumps({**found, "asks": asks}), encoding="utf-8")
    before = contents(folder)
    code, _, err = cli("resume", str(folder))
    assert (code, "delete-task needs the rehearsal itself" in err) == (2, True), err
    assert contents(folder) == before


def test_an_error_of_the_journal_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite").write_bytes(b"x" * 4096)
    with pytest.raises(JournalError, match=r"journal.sqlite: the journal cannot be used: file is not a database"):
        Journal(tmp_path / "journal.sqlite")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (".", "contains no conductor.json: give the folder of one run, here {tmp}/batched/batches/b, {tmp}/run"),
        ("batched", "contains no conductor.json: give the folder of one run, here {tmp}/batched/batches/b"),
        ("run/status", "contains no conductor.json: give the folder of one run, such as the folder of a scenario"),
        ("gone", "no such folder: give the folder of a run"),
        ("run/conductor.json", "no folder: give the folder of a run"),
    ],
)
def test_the_folder_around_a_run_is_refused_with_the_folder_to_give(
    cli: Cli, folder: Path, tmp_path: Path, given: str, message: str
) -> None:
    (tmp_path / "batched" / "batches").mkdir(parents=True)
    made(tmp_path / "batched" / "batches" / "b")
    code, out, err = cli("rollback", str(tmp_path / given), "--dry-run")
    assert (code, out) == (2, "")
    assert err.strip() == f"kafka-cutover: {tmp_path / given}: {err.strip().split(': ', 2)[2]}"
    assert message.format(tmp=tmp_path) in err
