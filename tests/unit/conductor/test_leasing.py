"""A lease is taken by one operator, renewed, taken over only after it has expired, and noticed before each write."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest
from cutover_harness.channels.lease_file import LeaseFile
from cutover_harness.channels.leases import Holder, Lease
from cutover_harness.conductor import holders, leasing, process
from cutover_harness.conductor.contexts import Contexts
from cutover_harness.conductor.cutover_file_writer import CutoverFileWriter, RouteLocations
from cutover_harness.conductor.holders import is_gone, is_same_run, this_process
from cutover_harness.conductor.leasing import Hold, Renewal, refuse_held, stores_of, take
from cutover_harness.errors import LeaseLostError, UsageError
from cutover_harness.mirror import TwoWayMirror
from cutover_harness.procedure.names import StepName

from tests.unit.conductor.run_folder import contents, made
from tests.unit.conductor.world import World, new_conductor, steps
from tests.waiting import wait_until

HOST = socket.gethostname()


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Places:
    """The places of one document, for two operators; the copy in a run's folder is left out."""

    def __init__(self, folder: Path) -> None:
        self.shared, self.clock = LeaseFile(folder / "shared"), Clock()
        self.ann = this_process(f"ann@{HOST}", "run", "shop", folder / "ann.run")
        self.bob = Holder("bob@ops2", 22, "rollback", "shop", "/home/bob/shop.run", "another machine", 5)
        (folder / "ann.run").mkdir()

    def take(self, who: Holder, *, take_over: bool = False, lasts_s: float = 60) -> Hold:
        return take([self.shared], who, lasts_s, take_over=take_over, clock=self.clock).hold

    def refused(self, who: Holder, why: str, *, take_over: bool = False) -> None:
        before = contents(self.shared.path.parent)
        with pytest.raises(UsageError, match=why):
            self.take(who, take_over=take_over)
        assert contents(self.shared.path.parent) == before


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(tmp_path)


def test_a_second_operator_is_kept_out_until_the_first_one_ends(places: Places) -> None:
    hold = places.take(places.ann)
    places.refused(places.bob, rf"shared: ann@{HOST} .* until 1970-01-01 00:17:40 UTC: wait for its end")
    places.refused(places.bob, "--take-over works when it has expired, at 1970-01-01 00:17:40 UTC", take_over=True)
    hold.end()
    other = places.take(places.bob)
    other.check()
    with pytest.raises(LeaseLostError, match=r"bob@ops2 .* holds the lease .* this run was taken over"):
        hold.check()


def test_renewing_keeps_a_second_operator_out(places: Places) -> None:
    hold = places.take(places.ann)
    places.clock.now += 50
    hold.check()  # more than half of its time is over
    places.clock.now += 50
    places.refused(places.bob, "--take-over works when it has expired", take_over=True)


def test_what_has_expired_is_taken_over_only_on_request(places: Places) -> None:
    places.take(places.bob, lasts_s=1)
    places.clock.now += 2
    places.refused(places.ann, "it has expired at .*: make sure that this run has ended, then repeat with --take-over")
    taken = take([places.shared], places.ann, 60, take_over=True, clock=places.clock)
    assert taken.replaced is not None
    assert taken.replaced.holder == places.bob


def test_a_holder_whose_clock_is_late_is_not_taken_over(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the clock of the second operator it has expired, and nevertheless it is renewed."""
    hold = places.take(places.bob, lasts_s=1)
    later = Clock()
    later.now += 500
    watched: list[float] = []

    def watching(seconds: float) -> None:
        watched.append(seconds)
        hold.renew()

    with pytest.raises(UsageError, match="was renewed while it was watched"):
        take([places.shared], places.ann, 60, take_over=True, clock=later, watching=watching)
    assert watched == [1], "until it has expired by every clock"
    hold.check()


def test_a_holder_whose_clock_is_far_ahead_is_taken_over_once_it_renews_no_more(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    places.clock.now += 3600
    ahead = places.take(places.ann)
    places.clock.now -= 3600
    places.refused(places.bob, "by a clock that is ahead of this machine's")
    watched: list[float] = []

    def renews(_seconds: float) -> None:
        places.clock.now += 3600
        ahead.renew()
        places.clock.now -= 3600

    with pytest.raises(UsageError, match="was renewed while it was watched"):
        take([places.shared], places.bob, 0.3, take_over=True, clock=places.clock, watching=renews)
    monkeypatch.setattr(leasing, "_watch", lambda *args: watched.append(args[2]))
    other = places.take(places.bob, take_over=True)
    assert watched == [60]
    other.check()


def test_what_may_hide_a_lease_is_watched_for_its_renewal(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    watched: list[float] = []
    monkeypatch.setattr(leasing, "_watch", lambda *args: watched.append(args[2]))
    places.take(places.bob).end()
    assert watched == []
    places.shared.hidden = True
    places.take(places.bob, lasts_s=7)
    assert watched == [7]


def test_a_suspended_holder_notices_before_it_writes(places: Places, tmp_path: Path) -> None:
    hold = places.take(places.bob, lasts_s=1)
    writer = CutoverFileWriter(
        tmp_path / "cutover.toml",
        {"source": {"bootstrap.servers": "a:1"}, "target": {"bootstrap.servers": "b:1"}},
        {"r": RouteLocations(["t"], ["g"])},
    )
    writer.fence = hold.check
    writer.write()
    places.clock.now += 100
    writer.point("r", consumers="hold")  # it has expired, and nobody has taken it: it is renewed
    places.clock.now += 100
    places.take(places.ann, take_over=True)
    before = contents(tmp_path)
    hold.end()
    for call in (lambda: writer.point("r", producers="hold"), writer.write, hold.renew):
        with pytest.raises(LeaseLostError, match="this run was taken over, has stopped, and has written nothing since"):
            call()
    assert contents(tmp_path) == before
    assert writer.routes["r"].producers == "source"


def test_a_conductor_stops_before_the_next_step_writes(places: Places, tmp_path: Path) -> None:
    hold = places.take(places.bob, lasts_s=1)
    folder = tmp_path / "run"
    folder.mkdir()
    world = World()
    conductor = new_conductor(folder, world, steps(StepName.CREATE_TASK, StepName.SYNCHRONISE))
    conductor.fence = hold.check
    places.clock.now += 2
    places.take(places.ann, take_over=True)
    with pytest.raises(LeaseLostError):
        conductor.run()
    assert not [e for e in conductor.journal.read() if e.kind == "done" and e.name == "create-task"]


def test_a_store_that_cannot_be_read_counts_until_it_expires(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    hold = places.take(places.ann)
    hold.check()

    def away(_: object) -> Lease:
        raise UsageError("the cluster is away")

    monkeypatch.setattr(LeaseFile, "read", away)
    hold.check()
    places.clock.now += 60
    with pytest.raises(UsageError, match="the cluster is away"):
        hold.check()


def test_a_lease_that_was_deleted_is_written_again(places: Places) -> None:
    hold = places.take(places.ann)
    hold.check()
    places.shared.path.unlink()
    hold.check()
    places.refused(places.bob, "holds the lease")
    with pytest.raises(LeaseLostError, match="is not there any more"):
        Hold([LeaseFile(places.shared.path.with_name("elsewhere"))], hold.id).check()


def test_one_that_is_faster_in_one_place_leaves_nothing_held(places: Places, tmp_path: Path) -> None:
    class Slow(LeaseFile):
        def offer(self, lease: Lease) -> Lease | None:
            LeaseFile(self.path).offer(replace(lease, id="other", holder=places.bob))
            return super().offer(lease)

    with pytest.raises(UsageError, match=r"slow: bob@ops2 .*: it was faster than this command"):
        take([places.shared, Slow(tmp_path / "slow")], places.ann, 60, take_over=False, clock=places.clock)
    found = places.shared.read()
    assert found is not None
    assert found.ended


def test_a_place_that_cannot_be_written_leaves_nothing_held_in_the_others(places: Places, tmp_path: Path) -> None:
    class ReadOnly(LeaseFile):
        def offer(self, lease: Lease) -> Lease | None:
            raise UsageError("not allowed")

    with pytest.raises(UsageError, match="not allowed"):
        take([places.shared, ReadOnly(tmp_path / "other")], places.ann, 60, take_over=False, clock=places.clock)
    places.take(places.bob).check()


def test_a_lease_that_was_deleted_after_it_had_expired_is_lost(places: Places) -> None:
    hold = places.take(places.ann)
    hold.check()
    places.shared.path.unlink()
    places.clock.now += 100
    with pytest.raises(LeaseLostError, match="is not there any more"):
        hold.check()
    assert places.shared.read() is None


def test_the_background_renews_and_notices(places: Places) -> None:
    hold = places.take(places.ann)
    with Renewal(hold, 0.03) as renewal:
        wait_until(lambda: (found := places.shared.read()) is not None and found.number > 3)
        assert renewal.lost is None
        hold.end()
        places.take(places.bob)
        wait_until(lambda: renewal.lost is not None)


# -- whether the holder's process is there -----------------------------------------------------------------------------


def dead(folder: Path) -> Holder:
    """Return a holder whose process of this machine has been killed."""
    code = (
        "import sys, pathlib, json; from cutover_harness.conductor.holders import this_process;"
        "print(json.dumps(vars(this_process('ann@here', 'run', 'shop', pathlib.Path(sys.argv[1])))), flush=True);"
        "import time; time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        import json

        found = Holder(**json.loads(process.stdout.readline()))
        assert not is_gone(found)
        process.kill()
    return found


def test_a_killed_run_is_continued_without_waiting_in_its_folder_alone(places: Places, tmp_path: Path) -> None:
    killed = dead(tmp_path / "ann.run")
    places.take(killed)
    assert is_gone(killed)
    copy = replace(places.ann, folder=str(tmp_path / "copy.run"))
    places.refused(copy, f"its process has ended, so continue in {tmp_path / 'ann.run'}; ")
    places.take(places.ann).check()


def test_a_folder_that_was_moved_is_the_same_run_and_a_copy_is_not(tmp_path: Path) -> None:
    holder = Holder("ann@here", 1, "run", "shop", str(tmp_path / "a.run"))
    assert is_same_run(holder, tmp_path / "b.run"), "there is no a.run any more"
    (tmp_path / "a.run").mkdir()
    assert is_same_run(holder, tmp_path / "a.run")
    assert not is_same_run(holder, tmp_path / "b.run")


@pytest.mark.parametrize(
    ("change", "gone"),
    [({}, False), ({"started": 1}, True), ({"machine": "another"}, False), ({"machine": None}, False)],
)
def test_a_process_is_gone_only_if_that_is_known(tmp_path: Path, change: dict[str, object], gone: bool) -> None:
    mine = this_process("ann@here", "run", "shop", tmp_path)
    assert mine.pid == os.getpid()
    assert is_gone(replace(mine, **change)) == gone  # type: ignore[arg-type]


def test_a_process_that_this_user_may_not_see_is_not_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = this_process("ann@here", "run", "shop", tmp_path)
    (tmp_path / "self" / "ns").mkdir(parents=True)
    (tmp_path / "self" / "ns" / "pid").symlink_to(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - the link names no file
    (tmp_path / "sys" / "kernel" / "random").mkdir(parents=True)
    (tmp_path / "sys/kernel/random/boot_id").write_text(Path("/proc/sys/kernel/random/boot_id").read_text())
    monkeypatch.setattr(holders, "_PROC", tmp_path)
    assert not is_gone(mine)
    assert is_gone(replace(mine, pid=2**22 + 1)), "pids end at 2 ** 22"


def test_what_this_user_may_not_look_into_is_another_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", forbidden)
    assert not is_same_run(Holder("root@ops2", 1, "run", "shop", "/root/shop.run"), tmp_path)
    with pytest.raises(UsageError, match=r"lease: cannot be read: Permission denied"):
        LeaseFile(tmp_path / "lease").read()


def test_the_places_of_a_run_and_the_first_one_that_is_held_refuses(tmp_path: Path) -> None:
    config = made(tmp_path / "run")
    assert not config.leased, "the file is in the run's folder, as in a rehearsal"
    external = config.model_copy(update={"cutover_file": tmp_path / "cutover.toml"})
    assert external.leased
    stores = stores_of(external)
    assert [store.name for store in stores] == [
        str(tmp_path / ".cutover.toml.lease"),
        str(tmp_path / "run" / "lease.json"),
    ]
    me = this_process("ann@here", "run", "r", tmp_path / "run")
    stores[0].offer(Lease("x", 1, Holder("bob@ops2", 22, "run", "r", "/x", "another"), 1000, 1060, 60))
    with pytest.raises(UsageError, match=r"\.cutover\.toml\.lease: bob@ops2"):
        refuse_held(stores, me, 1010, take_over=False)
    assert refuse_held(stores, me, 1070, take_over=True)[stores[1].name] is None


def test_a_conductor_gives_its_mirror_the_same_look_at_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a gate's look writes is not done once the lease is lost."""
    config = made(tmp_path / "run")
    seen: list[Contexts] = []

    class Nothing:
        """A conductor that only shows what it was given, and a watch that sees nothing."""

        closing = gate = staticmethod(lambda *_: None)

        def __init__(self, contexts: Contexts | None = None, **_given: object) -> None:
            if contexts is not None:
                seen.append(contexts)

        @contextmanager
        def running(self) -> Iterator[Nothing]:
            yield self

        def run(self) -> bool:
            store.offer(Lease("bob", 1, Holder("bob@ops2", 22, "run", "r", "/x"), 0, 1, 1, "ann/1"))
            with pytest.raises(LeaseLostError):
                cast("TwoWayMirror", seen[0].mirror).fence()
            return True

    monkeypatch.setattr(process, "Conductor", Nothing)
    monkeypatch.setattr(process, "bypass_watch", lambda *_: Nothing())
    monkeypatch.setattr(process, "_note_clusters", lambda *_: None)
    store = LeaseFile(tmp_path / "lease")
    store.offer(Lease("ann", 1, Holder("ann@here", 1, "run", "r", "/y"), 0, 9e9, 9e9))
    monkeypatch.setattr(process, "stores_of", lambda _: [store])
    assert process.conduct(config, lease="ann") == process.COMPLETED
    assert len(seen) == 1
