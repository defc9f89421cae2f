"""Class caches of the JVMs: made after the first run, used from then on, harmless when damaged."""

import threading
from pathlib import Path

import psutil
import pytest
from cutover_harness.testbed import ProcessTestbed, jars


def settle() -> None:
    """Wait until the caches are made, as the tool does at its exit."""
    for thread in threading.enumerate():
        if thread.name == "class-caches":
            thread.join()


def options(bed: ProcessTestbed) -> list[str]:
    pids = [bed.source.pid, bed.target.pid, bed.worker.pid]
    return [next((o for o in psutil.Process(pid).cmdline() if o.startswith("-XX:AOT")), "") for pid in pids]


def test_a_cache_is_recorded_once_then_used_and_ignored_if_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = jars.cache_folder() / "jars"
    jars.classpaths([("broker", "3.9.2"), ("broker", "3.9.1"), ("connect", "3.9.2")], print)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = jars.cache_folder()
    folder.mkdir(parents=True)
    (folder / "jars").symlink_to(real)

    with pytest.raises(KeyboardInterrupt), ProcessTestbed(tmp_path / "interrupted"):
        raise KeyboardInterrupt
    settle()
    assert list((folder / "aot").iterdir()) == [], "who interrupts does not wait for caches"

    with ProcessTestbed(tmp_path / "first") as bed:
        assert options(bed) == ["-XX:AOTMode=record"] * 3
        bed.target.restart()
        assert bed.target.pid is not None
    settle()
    caches = sorted((folder / "aot").iterdir())
    assert [cache.name.rpartition("-")[0] for cache in caches] == ["broker-3.9.1", "broker-3.9.2", "connect-3.9.2"]
    assert {cache.suffix for cache in caches} == {".aot"}

    content = [cache.read_bytes() for cache in caches]
    caches[0].write_bytes(content[0][: len(content[0]) // 2])
    caches[1].write_bytes(content[1][:100_000] + b"\0" * 10_000_000 + content[1][10_100_000:])
    caches[2].write_bytes(b"not a cache")
    with ProcessTestbed(tmp_path / "second") as bed:
        # Damage that the JVM notices is passed over; what brings it down is removed, and recorded at once.
        assert set(options(bed)) <= {f"-XX:AOTCache={cache}" for cache in caches} | {"-XX:AOTMode=record"}
        assert not caches[0].exists()
        assert not caches[2].exists()
    settle()
    assert not caches[1].exists() or b"\0" * 10_000_000 not in caches[1].read_bytes()
