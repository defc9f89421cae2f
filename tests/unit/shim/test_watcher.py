"""How long the process's watcher follows something: while clients, also those under construction, need it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from cutover_shim import Consumer, CutoverFileError, watch
from cutover_shim.config import Settings
from cutover_shim.cutover_file import CutoverFile
from cutover_shim.watch import Watcher

from tests.documents import text
from tests.waiting import wait_until


class Client:
    """A client that keeps the last generation that it was given."""

    generation = -1

    def _shim_apply(self, file: CutoverFile) -> None:
        self.generation = file.generation

    def _shim_tick(self, now: float) -> None:
        pass

    def _shim_exit(self, timeout_s: float) -> None:
        pass


@pytest.fixture
def watcher() -> Iterator[Watcher]:
    made = Watcher()
    yield made
    made.stop()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    file = tmp_path / "cutover.toml"
    file.write_text(text(1))
    return Settings(file=str(file), status=None, instance="", route=None, conf={})


def replace(settings: Settings, generation: int) -> None:
    assert settings.file is not None
    Path(settings.file).write_text(text(generation))


def test_a_client_under_construction_follows_although_another_one_is_closed_meanwhile(
    watcher: Watcher, settings: Settings
) -> None:
    first, second = Client(), Client()
    watched = watcher.follow(settings)
    assert watcher.follow(settings) is watched
    watcher.attach(watched, first)
    watcher.detach(watched, first)
    watcher.attach(watched, second)
    replace(settings, 2)
    wait_until(lambda: second.generation == 2)
    # The control: with the last client it is forgotten.
    watcher.detach(watched, second)
    assert watcher.follow(settings) is not watched


def test_what_a_client_followed_whose_construction_has_failed_is_forgotten(
    watcher: Watcher, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "CONSTRUCTION_S", 0.5)
    watched = watcher.follow(settings)
    wait_until(lambda: watched._stopped)
    assert watcher.follow(settings) is not watched


def test_what_cannot_be_followed_is_read_anew_by_the_next_client(watcher: Watcher, settings: Settings) -> None:
    assert settings.file is not None
    Path(settings.file).unlink()
    with pytest.raises(CutoverFileError, match="cannot be read"):
        watcher.follow(settings)
    Path(settings.file).write_text(text(4))
    found = watcher.follow(settings).good
    assert found is not None
    assert found.generation == 4


def test_a_consumer_that_cannot_be_constructed_leaves_nothing(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "CONSTRUCTION_S", 0.5)
    before = dict(watch.watcher._watches)
    with pytest.raises(Exception, match="bogus"):
        Consumer({"group.id": "g", "cutover.file": settings.file, "bogus": 1})
    wait_until(lambda: watch.watcher._watches == before)
