"""A conductor of a fleet with more channels than the file: all get each generation, or the evidence names them."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cutover_harness.channels.opening import Kubernetes
from cutover_harness.conductor.config import CONFIG, ConductorConfig
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.process import _note_channels
from cutover_harness.conductor.readback import _channels
from cutover_harness.errors import UsageError
from cutover_harness.locks import FileLock
from cutover_shim.signature import verify

from tests.unit.conductor.run_folder import Cli, contents, made
from tests.unit.conductor.world import FORWARD, World, new_conductor, steps

CLUSTERS = {"source": {"bootstrap.servers": "a:1"}, "target": {"bootstrap.servers": "b:1"}}
KEY = "0123456789abcdef"


@pytest.fixture
def key(tmp_path: Path) -> str:
    (tmp_path / "key").write_text(KEY + "\n", encoding="utf-8")
    return f"${{file:{tmp_path / 'key'}}}"


def fleet(tmp_path: Path, key: str | None = None, **options: Any) -> CutoverFileWriter:
    """A writer of the cutover file and of a second file, at generation 1."""
    (tmp_path / "second").mkdir()
    routes = {"r": RouteLocations(["t"], ["g"])}
    writer = CutoverFileWriter(
        tmp_path / "cutover.toml", CLUSTERS, routes, [f"file:{tmp_path}/second/cutover.toml"], key, **options
    )
    writer.write()
    return writer


def test_each_generation_is_noted_with_the_time_of_each_channel(tmp_path: Path) -> None:
    noted: list[tuple[int, dict[str, int]]] = []
    with closing(fleet(tmp_path, note=lambda generation, told, _: noted.append((generation, dict(told))))) as writer:
        writer.point("r", consumers="hold")
        writer.point("r", consumers="hold")  # nothing to write, nothing to note
    assert [generation for generation, _ in noted] == [1, 2]
    first, second = (f"file:{tmp_path}/{name}" for name in ("cutover.toml", "second/cutover.toml"))
    assert set(noted[1][1]) == {first, second}
    assert noted[0][1][first] < noted[1][1][first]


def test_a_channel_that_gets_a_generation_late_is_noted_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cutover_harness.channels.file.LOCK_WAIT_S", 0.01)
    noted: list[tuple[int, list[str]]] = []
    with closing(fleet(tmp_path, note=lambda generation, told, _: noted.append((generation, sorted(told))))) as writer:
        with FileLock(tmp_path / "second" / ".cutover.toml.lock"):
            assert writer.point("r", consumers="hold") == 2
            assert any("held by" in each for each in writer.behind())
        while writer.behind():
            pass
    first, second = (f"file:{tmp_path}/{name}" for name in ("cutover.toml", "second/cutover.toml"))
    assert noted == [(1, [first, second]), (2, [first]), (2, [first, second])]


def test_documents_are_signed_and_read_back_by_the_key(tmp_path: Path, key: str) -> None:
    channels = [f"file:{tmp_path}/second/cutover.toml"]
    with closing(fleet(tmp_path, key)):
        pass
    for file in (tmp_path / "cutover.toml", tmp_path / "second" / "cutover.toml"):
        assert b"generation = 1" in verify(file.read_bytes(), [KEY.encode()])
    with closing(CutoverFileWriter.open(tmp_path / "cutover.toml", channels, key)) as writer:
        writer.point("r", consumers="hold")
    assert b"generation = 2" in verify((tmp_path / "second" / "cutover.toml").read_bytes(), [KEY.encode()])
    with pytest.raises(UsageError, match=r"cutover.key: .*nothing does not exist") as refused:
        CutoverFileWriter.open(tmp_path / "cutover.toml", channels, "${file:/nothing}")
    assert KEY not in str(refused.value)


def test_a_writer_that_was_killed_between_two_channels_is_completed(tmp_path: Path) -> None:
    with closing(fleet(tmp_path)) as writer:
        old = (tmp_path / "second" / "cutover.toml").read_bytes()
        writer.point("r", consumers="hold")
    (tmp_path / "second" / "cutover.toml").write_bytes(old)
    channels = [f"file:{tmp_path}/second/cutover.toml"]
    with closing(CutoverFileWriter.open(tmp_path / "cutover.toml", channels)) as after:
        assert (after.generation, after.routes["r"].consumers) == (2, "hold")
    assert (tmp_path / "second" / "cutover.toml").read_bytes() == (tmp_path / "cutover.toml").read_bytes()


def test_the_gates_evidence_names_a_channel_that_lacks_the_generation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cutover_harness.channels.file.LOCK_WAIT_S", 0.01)
    conductor = new_conductor(tmp_path, World(), steps(*FORWARD[:3]), channels=[f"file:{tmp_path}/second"])
    conductor.cutover_file.note = partial(_note_channels, conductor.journal)
    with FileLock(tmp_path / ".second.lock"):
        assert conductor.run(), "the clients attest it, whatever channel brought it"
    conductor.cutover_file.close()
    entries = conductor.journal.read()
    held = next(e.detail["evidence"] for e in entries if (e.kind, e.name) == ("gate", "attested held"))
    assert f"all 1 attest held at generation 2: c; not written to file:{tmp_path}/second: " in held
    published = [(e.detail["generation"], list(e.detail["channels"])) for e in entries if e.kind == "published"]
    assert (2, [f"file:{tmp_path}/cutover.toml"]) in published
    assert "not written" not in next(e.detail["evidence"] for e in entries if e.kind == "gate")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"channels": ["kafka:a b"]}, "channels: channel 'kafka:a b': 'a b' is no name of a topic"),
        ({"channels": ["topic"]}, "channels: channel 'topic': is no channel"),
        ({"key": "0123456789abcdef"}, "key: holds something that is no reference"),
        ({"key": "${file:/key} 0123456789abcdef"}, "key: holds something that is no reference"),
    ],
)
def test_a_configuration_with_wrong_channels_or_a_key_in_it_is_refused(
    tmp_path: Path, cli: Cli, change: dict[str, Any], why: str
) -> None:
    config = made(tmp_path / "run")
    text = config.model_copy(update=change).model_dump_json()
    (tmp_path / "run" / CONFIG).write_text(text, encoding="utf-8")
    before = contents(tmp_path)
    code, out, err = cli("resume", str(tmp_path / "run"))
    assert (code, out) == (2, "")
    assert why in err
    assert KEY not in err
    assert contents(tmp_path) == before


def test_control_topics_are_never_mirrored(tmp_path: Path) -> None:
    config = made(tmp_path / "run").model_copy(
        update={"topics": ["*"], "channels": ["kafka:cutover", "kafka:b@target"]}
    )
    assert [config.batch.mirrors(topic) for topic in ("t", "cutover", "b", "cutover2")] == [True, False, False, True]


def test_a_run_is_read_back_from_all_channels(tmp_path: Path) -> None:
    config = made(tmp_path / "run")
    second = tmp_path / "run" / "second.toml"
    config = config.model_copy(update={"channels": [f"file:{second}"]})
    assert f"file:{second}: has no document" in _channels(config).unknown[0]
    good = (tmp_path / "run" / "cutover.toml").read_bytes()
    second.write_bytes(good)
    found = _channels(config)
    assert (found.wrong, found.unknown) == ([], [])
    assert found.proved == [f"the cutover file and file:{second} have generation 2"]
    second.write_bytes(good.replace(b"generation = 2", b"generation = 1"))
    assert _channels(config).unknown == [f"generation 2 is not there: file:{second}: generation 1"]


def test_how_a_configmap_is_written_is_in_the_configuration(tmp_path: Path) -> None:
    kubernetes = Kubernetes(Path("/etc/kubeconfig"), "production", "app=billing")
    config = made(tmp_path / "run").model_copy(update={"kubernetes": kubernetes})
    config.save(tmp_path / "run" / CONFIG, run=tmp_path / "run")
    assert ConductorConfig.load(tmp_path / "run" / CONFIG).kubernetes == kubernetes


def test_old_configurations_have_no_other_channels(tmp_path: Path) -> None:
    made(tmp_path / "run")
    file = tmp_path / "run" / CONFIG
    text = file.read_text(encoding="utf-8")
    without = "\n".join(line for line in text.splitlines() if '"channels"' not in line and '"key"' not in line)
    file.write_text(without, encoding="utf-8")
    config = ConductorConfig.load(file)
    assert (config.channels, config.key) == ([], None)
