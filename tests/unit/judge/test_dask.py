"""The judge on a Dask cluster of two worker processes: the same judgement, also if one of them is killed."""

import json
import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.judge.dask_command import dask_command, judge_on
from cutover_harness.judge.judging import judge, plan
from cutover_harness.judge.model import DrainProof, RunFacts
from cutover_harness.judge.remote import Copies, Place, open_places
from cutover_harness.ledger.columns import by_stream
from cutover_harness.ledger.format import META, SEALED
from cutover_harness.ledger.reader import Ledgers, note_seal, read_ledgers, seal_ledgers
from cutover_harness.ledger.sealed import checksum, write_sealed
from cutover_harness.testbed.s3 import S3Store
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.embedded_store import started_store

from .histories import Event, History
from .test_against_brute_force import DRAINED, LEFT, any_history, facts, ledgers_of
from .test_command import drained, write

SECRET = "pass%2Fword-nobody-may-see"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    import distributed

    with distributed.LocalCluster(  # type: ignore[no-untyped-call]
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as found:
        yield found


@pytest.fixture(scope="module")
def client(cluster: Any) -> Iterator[Any]:
    from distributed import Client

    with Client(cluster, set_as_default=False) as found:  # type: ignore[no-untyped-call]
        yield found


def on_disk(folder: Path, ledgers: Ledgers) -> Ledgers:
    """Write ledgers in memory as sealed files, and open them again."""
    for instance in ledgers.instances:
        path = folder / instance.label
        path.mkdir(parents=True)
        meta = instance.meta
        data = {"format": 1, "instance": meta.instance, "role": meta.role, "group": meta.group, "run": meta.run}
        (path / META).write_text(json.dumps(data), encoding="utf-8")
        write_sealed(path / SEALED, instance.rows.topics, [by_stream(instance.rows.everything())])
        note_seal(path / META, checksum(path / SEALED))
    return read_ledgers(folder)


@settings(max_examples=15, deadline=None)
@given(any_history, LEFT, DRAINED, st.integers(1, 9))
def test_a_cluster_judges_as_one_machine(
    client: Any,
    tmp_path_factory: pytest.TempPathFactory,
    events: list[Event],
    left: list[str],
    drained_groups: set[str],
    at_once: int,
) -> None:
    folder = tmp_path_factory.mktemp("ledgers")
    ledgers = on_disk(folder, ledgers_of(events))
    asked = facts(left, drained_groups)
    assert judge_on(client, [Place(str(folder))], ledgers, asked, at_once=at_once) == judge(ledgers, asked)


def many_streams() -> History:
    history = History()
    for key in range(60):
        history.produce(f"k{key}", 0, 20, shift=100 * key)
        history.read(f"g-{key % 2}", f"k{key}", 0, 19 if key == 7 else 20, shift=100 * key)
    return history


def test_a_killed_workers_shards_are_measured_again(client: Any, tmp_path: Path) -> None:
    ledgers = on_disk(tmp_path, many_streams().ledgers())
    asked = RunFacts(7, "x", groups={"g": ["orders"]}, drain=[DrainProof("g", True, "read")])
    shards = len(plan(ledgers, 40))
    victims = client.run(os.getpid)
    killed: list[tuple[int, int]] = []

    def kill_one(done: int, total: int) -> None:
        if done >= 3 and not killed:
            pid = next(iter(victims.values()))
            os.kill(pid, signal.SIGKILL)
            killed.append((done, total))

    judgement = judge_on(client, [Place(str(tmp_path))], ledgers, asked, at_once=40, progress=kill_one)
    assert killed == [(3, shards)]
    assert shards > 20
    assert judgement == judge(ledgers, asked)
    assert judgement.group("g").lost == 1


def test_the_command_prints_the_verdict(cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path / "ledger", list(range(10)))
    drained(tmp_path)
    assert dask_command([str(tmp_path)], cluster.scheduler_address, as_json=False) == 0
    assert capsys.readouterr().out.startswith("PASS  stop-first")
    assert dask_command([tmp_path.as_uri()], cluster.scheduler_address, as_json=False) == 0


def test_ledgers_in_several_folders_are_of_one_run(
    cluster: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path / "all", list(range(9)))
    (tmp_path / "one").mkdir()
    (tmp_path / "all" / "shop-1").rename(tmp_path / "one" / "shop-1")
    drained(tmp_path / "all")
    places = [str(tmp_path / "all"), str(tmp_path / "one")]
    assert dask_command(places, cluster.scheduler_address, as_json=False) == 1
    assert "billing: 1 lost" in capsys.readouterr().out
    with pytest.raises(UsageError, match="both have a ledger"):
        open_places([Place(places[1]), Place(str(tmp_path / "one" / ".." / "one"))], Copies())
    write(tmp_path / "other", [0], run=8)
    with pytest.raises(UsageError, match="judge one run at a time"):
        open_places([Place(places[1]), Place(str(tmp_path / "other"))], Copies())


def test_a_worker_that_sees_other_ledgers_is_refused(client: Any, tmp_path: Path) -> None:
    write(tmp_path / "here", [0])
    write(tmp_path / "there", [0, 1])
    ledgers = read_ledgers(tmp_path / "here")
    with pytest.raises(UsageError, match="finds other ledgers"):
        judge_on(client, [Place(str(tmp_path / "there"))], ledgers, RunFacts(7, "x"))
    with pytest.raises(UsageError, match="no such folder"):
        judge_on(client, [Place(str(tmp_path / "nowhere"))], ledgers, RunFacts(7, "x"))


def test_no_scheduler_is_one_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("cutover_harness.judge.dask_command._CONNECT_S", 1)
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(UsageError, match="no scheduler") as error:
            dask_command([str(tmp_path)], address, as_json=False)
    assert "\n" not in str(error.value)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    with started_store(tmp_path_factory.mktemp("s3") / "log") as found:
        yield found


def uploaded(store: S3Store, folder: Path, bucket: str) -> str:
    """Put a folder into a bucket, and return its URL with credentials."""
    client = store.client()
    client.create_bucket(Bucket=bucket)
    for file in (path for path in folder.rglob("*") if path.is_file()):
        client.upload_file(str(file), bucket, f"day/{file.relative_to(folder)}")
    host = store.endpoint.removeprefix("http://")
    return f"s3://someone:{SECRET}@{bucket}/day?endpoint_override={host}&scheme=http&region={store.region}"


def test_ledgers_in_an_object_store(
    cluster: Any,
    store: S3Store,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    write(tmp_path / "ledger", [0, 1, 2, 4, 3, 4, 7, 7, 9])
    drained(tmp_path)
    seal_ledgers(tmp_path)
    url = uploaded(store, tmp_path, "ledgers")
    assert dask_command([url], cluster.scheduler_address, as_json=False) == 1
    said = capsys.readouterr().out
    assert "billing: 3 lost, 2 re-read, 1 reordered\n" in said
    spoilt = url.replace("@ledgers/", "@no-such-bucket/")
    with pytest.raises(UsageError) as error:
        dask_command([spoilt], cluster.scheduler_address, as_json=False)
    text = f"{said}{error.value!r}{error.value.__cause__!r}{caplog.text}{cluster.get_logs()}{Place(url)!r}"
    for secret in (SECRET, "pass/word-nobody-may-see", "someone"):
        assert secret not in text
    assert "no-such-bucket" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_damaged_ledger_in_an_object_store_is_refused(store: S3Store, tmp_path: Path) -> None:
    write(tmp_path / "ledger", list(range(10)))
    seal_ledgers(tmp_path)
    file = next(tmp_path.rglob(SEALED))
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))
    copies = Copies()
    try:
        with pytest.raises(UsageError, match="damaged: its CRC-32"):
            open_places([Place(uploaded(store, tmp_path, "damaged"))], copies)
    finally:
        copies.close()
