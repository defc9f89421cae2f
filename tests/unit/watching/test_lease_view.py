"""Who holds the lease, as `status` shows it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cutover_harness.channels.lease_file import LeaseFile
from cutover_harness.channels.leases import Holder, Lease
from cutover_harness.cutover.folder import RunFolder
from cutover_harness.planning.read import read_plan
from cutover_harness.watching.lease_reader import LeaseReader, view
from cutover_harness.watching.terminal import lines_of
from cutover_harness.watching.views import LeaseView, Snapshot

LEASE = Lease("a", 1, Holder("ann@ops1", 11, "run", "shop", "/home/ann/shop.run"), 100, 160, 60)
PLAN = """\
name: shop
clusters: {source: {properties: s.properties}, target: {properties: t.properties}}
connect: {url: "http://127.0.0.1:1"}
reach: [{file: cutover.toml}]
statuses: statuses
batches: [{name: shop, path: in-process, topics: [orders]}]
"""


def line(found: LeaseView | None) -> list[str]:
    return lines_of(Snapshot(0, "shop", "0", [], lease=found))


def test_held_expired_and_ended() -> None:
    (shown,) = line(view(LEASE, 120))
    assert shown == f"lease: {LEASE.words}, until 1970-01-01 00:02:40 UTC"
    assert line(view(LEASE, 161))[0].endswith(", and it has expired at 1970-01-01 00:02:40 UTC")
    assert line(view(LEASE.end(120), 121)) == []
    assert line(view(None, 0)) == []


@pytest.mark.parametrize(("text", "state"), [(LEASE.to_text(), "expired"), ("{}", "unknown"), (None, None)])
def test_it_is_read_where_it_is_decided(tmp_path: Path, text: str | None, state: str | None) -> None:
    (tmp_path / "shop.yaml").write_text(PLAN)
    for name in ("s", "t"):
        (tmp_path / f"{name}.properties").write_text("bootstrap.servers=127.0.0.1:1\n")
    if text is not None:
        (tmp_path / ".cutover.toml.lease").write_text(text)
    LeaseFile(tmp_path / "shop.run" / "lease.json").offer(LEASE)
    plan = read_plan(tmp_path / "shop.yaml")
    reader = LeaseReader(plan, RunFolder.of(plan.path))
    found = reader.read()
    reader.close()
    assert (None if found is None else found.state) == state
    shown = Snapshot(0, "shop", "0", [], lease=found).to_json()["lease"]
    assert (None if shown is None else shown["state"]) == state
    assert json.dumps(shown)
