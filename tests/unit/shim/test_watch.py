"""A cutover file is followed in whatever way it is replaced, and no bad content reaches the application."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cutover_shim import CutoverFileError, Producer
from cutover_shim.file_channel import FileChannel
from cutover_shim.status import nested
from cutover_shim.watched import Watched

from tests.documents import text

from .conftest import Switch


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "cutover.toml"
    made.write_text(text(1))
    return made


def opened(path: Path) -> Watched:
    watch = Watched(FileChannel(str(path)))
    watch.first()
    return watch


def settle(watch: Watched) -> Any:
    for _ in range(3):
        watch.tick()
    return watch.good


def generation(watch: Watched) -> int:
    found: int = settle(watch).generation
    return found


def test_replace_and_write_in_place(path: Path) -> None:
    watch = opened(path)
    path.write_text(text(2))
    assert generation(watch) == 2
    other = path.with_suffix(".new")
    other.write_text(text(3))
    other.replace(path)
    assert watch.tick()
    assert generation(watch) == 3


def test_a_configmap_mount_swaps_a_symbolic_link(tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"..v{number}").mkdir()
        (tmp_path / f"..v{number}" / "cutover.toml").write_text(text(number))
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "cutover.toml").symlink_to("..data/cutover.toml")
    watch = opened(tmp_path / "cutover.toml")
    (tmp_path / "..tmp").symlink_to("..v2")
    (tmp_path / "..tmp").replace(tmp_path / "..data")
    assert generation(watch) == 2


def test_a_stale_modification_time_does_not_matter(path: Path) -> None:
    watch = opened(path)
    facts = path.stat()
    path.write_text(text(2))
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))
    assert path.stat().st_size == facts.st_size
    assert generation(watch) == 2


def test_a_torn_write_is_not_followed(path: Path) -> None:
    second = text(2) + text(0)[text(0).index("[routes.r]") :].replace("routes.r", "routes.s").replace('"t"', '"u"')
    watch = opened(path)
    path.write_text(second[: second.index("[routes.s]")])  # parses, but is half of what is being written
    assert not watch.tick()
    path.write_text(second)
    assert set(settle(watch).routes) == {"r", "s"}


@pytest.mark.parametrize("meanwhile", [lambda p: p.write_text(""), lambda p: p.unlink()], ids=["emptied", "deleted"])
def test_a_read_between_two_steps_of_a_write_is_no_refusal(
    path: Path, meanwhile: Callable[[Path], Any], caplog: pytest.LogCaptureFixture
) -> None:
    watch = opened(path)
    meanwhile(path)
    watch.tick()
    assert watch.rejected is None
    path.write_text(text(2))
    assert not watch.tick()  # written in place: it may be half of it
    assert generation(watch) == 2
    assert not caplog.records


def instead(path: Path, make: Callable[[Path], None]) -> None:
    path.unlink()
    make(path)


BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "deleted": (lambda p: p.unlink(), "cannot be read: No such file"),
    "empty": (lambda p: p.write_text(""), "empty"),
    "binary": (lambda p: p.write_bytes(bytes(range(256))), "not UTF-8"),
    "gigantic": (lambda p: p.write_bytes(b"#" * (2 << 20)), "larger than 1 MiB"),
    "malformed": (lambda p: p.write_text("generation = "), "not valid TOML"),
    "an endless number": (lambda p: p.write_text(text(2) + f"\nx = {'9' * 4301}"), "not valid TOML"),
    "a deep key": (lambda p: p.write_text(text(2, extra=f"{'.'.join('a' * 1000)} = 1")), "unknown key 'a'"),
    "deep properties": (
        lambda p: p.write_text(text(2).replace("[clusters.target]", f"[clusters.target]\n{'.'.join('a' * 1000)} = 1")),
        "nested too deeply",
    ),
    "unknown key": (lambda p: p.write_text(text(2, extra="x = 1")), "unknown key 'x'"),
    "going back": (lambda p: p.write_text(text(0)), "generation 0 after 1"),
    "two writers": (lambda p: p.write_text(text(1, "target")), "generation 1 again, with other content"),
    "a folder": (lambda p: instead(p, os.mkdir), "not a regular file"),
    "a pipe": (lambda p: instead(p, os.mkfifo), "not a regular file"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_content_is_refused_and_the_last_good_version_stays(
    path: Path, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    damage, expected = BAD[name]
    watch = opened(path)
    good = watch.good
    with caplog.at_level(logging.WARNING):
        damage(path)
        for _ in range(10):
            watch.tick()
    assert watch.good is good
    assert expected in str(watch.rejected)
    assert len(caplog.records) == 1  # once per cause
    if path.is_dir():
        path.rmdir()
    path.unlink(missing_ok=True)
    path.write_text(text(9))
    assert generation(watch) == 9
    assert watch.rejected is None


@pytest.mark.parametrize("name", sorted(set(BAD) - {"going back", "two writers", "deleted"}))
def test_a_bad_file_at_start_up_is_a_clear_error(path: Path, name: str) -> None:
    damage, expected = BAD[name]
    damage(path)
    with pytest.raises(CutoverFileError) as caught:
        Producer({"bootstrap.servers": "x:1", "cutover.file": str(path)})
    assert expected in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_last_good_content_is_accepted_again(path: Path) -> None:
    watch = opened(path)
    path.write_text("")
    settle(watch)
    assert watch.rejected
    path.write_text(text(1))
    settle(watch)
    assert watch.rejected is None


def test_a_refusal_is_in_the_status_and_in_one_log_line(switch: Switch, caplog: pytest.LogCaptureFixture) -> None:
    from .conftest import until

    producer = Producer(switch.conf())
    switch.path.write_text("nonsense")
    until(lambda: switch.status_or({}).get("rejected"))
    assert "not valid TOML" in switch.read_status()["rejected"]
    producer.close()


def test_an_application_that_cannot_write_its_status_works_and_logs_the_error_once(
    switch: Switch, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    blocked = switch.path.parent / "not-a-folder"
    blocked.write_text("")
    producer = Producer(switch.conf(**{"cutover.status": str(blocked)}))
    for _ in range(5):
        producer._shim._shim_tick(1e9)
        producer._shim._reporter._written = 0.0
    producer.produce(topic, b"x")
    assert producer.flush(10) == 0
    producer.close()
    assert len([r for r in caplog.records if "cannot be written" in r.message]) == 1


def test_clients_of_a_route_that_is_removed_stay_where_they_are(switch: Switch, topic: str) -> None:
    from .conftest import until

    switch.write(producers="target")
    producer = Producer(switch.conf())
    producer.produce(topic, b"x")
    switch.generation += 1
    switch.path.write_text(switch.text("source", "source").replace("[routes.r]", "[routes.other]"))
    until(lambda: "no longer in the cutover file" in switch.error())
    assert producer.cutover_cluster(topic) == "target"
    producer.close()


def test_secrets_are_in_no_log_status_or_exception(
    switch: Switch, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROTOCOL", "hunter2-secret")
    body = switch.text("source", "source").replace(
        "[clusters.target]", '"security.protocol" = "${PROTOCOL}"\n[clusters.target]'
    )
    switch.path.write_text(body)
    with pytest.raises(Exception, match=r"\*\*\*") as caught:
        Producer(switch.conf())
    assert "hunter2" not in str(caught.value) + caplog.text


def test_status_goes_to_a_topic_of_the_source(switch: Switch, topic: str) -> None:
    from .conftest import until

    where = topic + "-status"
    switch.source.create(where)
    switch.write(producers="target")
    producer = Producer(switch.conf(**{"cutover.status": f"kafka:{where}"}))

    def documents() -> list[dict[str, Any]]:
        return [json.loads(v) for values in switch.source.read(where).values() for v in values]

    until(lambda: any(d["routes"]["r"]["state"] == "target" for d in documents()))
    producer.close()
    assert documents()[-1]["closed"]
    assert {d["instance"] for d in documents()} == {"a"}


def test_a_status_leaves_out_an_offset_that_the_broker_did_not_return() -> None:
    assert nested({("t", 0): 5, ("t", 1): None}) == {"t": {"0": 5}}
