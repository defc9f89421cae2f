"""The output folder: what an earlier rehearsal left is replaced, and nothing else is touched."""

from __future__ import annotations

from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.rehearsal.folder import RunFolder, claim
from cutover_harness.rehearsal.settings import Settings
from cutover_scenarios import sample_capture


def settings(out: Path) -> Settings:
    return Settings(out=out, capture=sample_capture(), command="x", seed=1)


def test_an_earlier_rehearsal_is_replaced_however_early_it_ended(tmp_path: Path) -> None:
    out = tmp_path / "out"
    RunFolder(settings(out), ())  # ended right after it began
    (out / "whole").mkdir()
    (out / "whole" / "cutover.toml").touch()
    (out / "no-brokers" / "logs").mkdir(parents=True)
    (out / "not-begun").mkdir()
    (out / "with-traffic").mkdir()
    (out / "with-traffic" / "traffic.parquet").touch()
    (out / "notes").mkdir()
    (out / "notes" / "mine.txt").touch()
    (out / "mine.txt").touch()
    RunFolder(settings(out), ())
    assert sorted(path.name for path in out.iterdir()) == ["mine.txt", "notes", "rehearsal.json"]


def test_a_folder_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cutover.toml").touch()
    with pytest.raises(UsageError, match="is not empty and not an earlier rehearsal's"):
        claim(tmp_path)
    assert (tmp_path / "cutover.toml").exists()


def test_what_a_link_leads_to_is_not_removed(tmp_path: Path) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "cutover.toml").touch()
    RunFolder(settings(out), ())
    (out / "link").symlink_to(elsewhere)
    claim(out)
    assert (elsewhere / "cutover.toml").exists()
