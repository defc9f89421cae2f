"""The output folder: files of an earlier rehearsal are kept, and other files are not touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.plan.load import find
from cutover_harness.rehearsal.claim import EARLIER, claim
from cutover_harness.rehearsal.folder import RunFolder
from cutover_harness.rehearsal.settings import Settings
from cutover_scenarios import sample_capture


def begin(out: Path, *, replace: bool = False) -> RunFolder:
    """Begin a rehearsal in `out`, and end it at once."""
    folder = RunFolder(Settings(out=out, capture=sample_capture(), command="x", seed=1, replace=replace), ())
    folder.release()
    return folder


def tree(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def an_earlier_run(out: Path) -> Path:
    """Write the files of a rehearsal, and files of the user next to them."""
    begin(out)
    facts = json.loads((out / "rehearsal.json").read_text())
    facts |= {"started": "2026-11-29T12:04:33+00:00", "scenarios": ["whole", "judged"]}
    (out / "rehearsal.json").write_text(json.dumps(facts))
    for file in (
        "whole/cutover.toml",
        "judged/verdict.json",
        "with-traffic/traffic.parquet",
        "report.html",
        "junit.xml",
    ):
        (out / file).parent.mkdir(exist_ok=True)
        (out / file).write_text(file)
    (out / "no-brokers" / "logs").mkdir(parents=True)
    (out / "not-begun").mkdir()
    (out / "notes").mkdir(exist_ok=True)
    for file in ("notes/mine.txt", "mine.txt", "policy.toml"):
        (out / file).write_text("mine")
    return out


OURS = ["judged", "no-brokers", "not-begun", "report.html", "junit.xml", "rehearsal.json", "whole", "with-traffic"]


def test_an_earlier_run_is_kept_and_other_files_stay(tmp_path: Path) -> None:
    out = an_earlier_run(tmp_path / "out")
    folder = begin(out)
    kept = out / EARLIER / "2026-11-29T12-04-33Z"
    assert sorted(path.name for path in kept.iterdir()) == sorted([*OURS, "policy.toml"])
    assert (kept / "report.html").read_text() == "report.html"
    assert sorted(path.name for path in out.iterdir()) == [
        EARLIER, "mine.txt", "notes", "policy.toml", "rehearsal.json",
    ]  # fmt: skip
    assert folder.notice is not None
    size = sum(file.stat().st_size for file in kept.rglob("*") if file.is_file())
    assert 0 < size < 999
    assert f"is kept in {kept}; earlier runs: 1, {size} B (" in folder.notice
    assert "\n" not in folder.notice


def test_earlier_runs_of_the_same_second_are_all_kept(tmp_path: Path) -> None:
    begin(tmp_path)
    for _ in range(3):
        notice = begin(tmp_path).notice
    kept = list((tmp_path / EARLIER).iterdir())
    assert len(kept) == 3
    assert all((run / "rehearsal.json").exists() for run in kept)
    assert notice is not None
    assert "earlier runs: 3" in notice


def test_replace_removes_the_run_and_reports_that(tmp_path: Path) -> None:
    out = an_earlier_run(tmp_path / "out")
    notice = begin(out, replace=True).notice
    assert sorted(path.name for path in out.iterdir()) == ["mine.txt", "notes", "policy.toml", "rehearsal.json"]
    assert notice == f"{out}: the run of 2026-11-29 12:04:33 UTC was removed (--replace)"


@pytest.mark.parametrize("facts", ["", "{", "[]", '{"started": 7, "scenarios": 8}', "[" * 100_000])
def test_an_earlier_run_with_damaged_facts_is_kept_too(tmp_path: Path, facts: str) -> None:
    out = an_earlier_run(tmp_path / "out")
    (out / "rehearsal.json").write_text(facts)
    begin(out)
    (kept,) = (out / EARLIER).iterdir()
    assert (kept / "rehearsal.json").read_text() == facts
    assert (kept / "whole" / "cutover.toml").exists()


def test_two_rehearsals_cannot_share_a_folder(tmp_path: Path) -> None:
    out = an_earlier_run(tmp_path / "out")
    running = claim(out)
    before = tree(out)
    with pytest.raises(UsageError, match="a rehearsal is running in it"):
        claim(out)
    assert tree(out) == before
    running.release()
    claim(out).release()


def test_a_run_that_cannot_be_moved_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = an_earlier_run(tmp_path / "out")
    before = tree(out)
    rename = Path.rename

    def fails(path: Path, target: Path) -> Path:
        if path.name == "whole" and EARLIER in target.parts:
            raise OSError(28, "No space left on device", str(path))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails)
    with pytest.raises(UsageError, match="cannot be used: No space left on device"):
        claim(out)
    assert [path for path in tree(out) if path != EARLIER] == before


def test_a_folder_that_is_no_rehearsals_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cutover.toml").touch()
    with pytest.raises(UsageError, match="is not empty and not an earlier rehearsal's"):
        claim(tmp_path)
    assert (tmp_path / "cutover.toml").exists()


def test_a_capture_that_cannot_be_read_changes_nothing(tmp_path: Path) -> None:
    out = an_earlier_run(tmp_path / "out")
    before = tree(out)
    with pytest.raises(UsageError):
        RunFolder(Settings(out=out, capture=tmp_path / "none.parquet", command="x", seed=1), ())
    assert tree(out) == before


@pytest.mark.parametrize("replace", [False, True])
def test_a_link_stays_and_what_it_leads_to_is_not_touched(tmp_path: Path, replace: bool) -> None:
    out, elsewhere = tmp_path / "out", tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "cutover.toml").touch()
    begin(out)
    (out / "link").symlink_to(elsewhere)
    claim(out, replace=replace).release()
    assert (elsewhere / "cutover.toml").exists()
    assert (out / "link").is_symlink()


def test_the_request_is_written_before_anything_begins(tmp_path: Path) -> None:
    settings = Settings(out=tmp_path / "out", capture=sample_capture(), command="x", seed=1)
    RunFolder(settings, [find("stop-first"), find("producers-first")]).release()
    facts = json.loads((tmp_path / "out" / "rehearsal.json").read_text())
    assert facts["scenarios"] == ["stop-first", "producers-first"]
    assert facts["asked"]["producers-first"]["must_fail"] == ["reordered"]
    assert facts["finished"] is None


def test_a_result_of_an_exploration_is_copied_into_the_folder_and_kept_with_the_earlier_run(tmp_path: Path) -> None:
    given, out = tmp_path / "mine.json", tmp_path / "out"
    given.write_text('{"format": 1}', "utf-8")
    RunFolder(Settings(out=out, capture=sample_capture(), command="x", seed=1, explored=given), ()).release()
    assert (out / "explored.json").read_text("utf-8") == '{"format": 1}'
    given.write_text('{"format": 1, "paths": []}', "utf-8")
    RunFolder(Settings(out=out, capture=sample_capture(), command="x", seed=1, explored=given), ()).release()
    (kept,) = (out / EARLIER).iterdir()
    assert (kept / "explored.json").read_text("utf-8") == '{"format": 1}'
    assert (out / "explored.json").read_text("utf-8") == '{"format": 1, "paths": []}'


def test_scenarios_may_have_different_numbers_of_brokers(tmp_path: Path) -> None:
    folder = begin(tmp_path / "out")
    for name, brokers in (("a", "one broker"), ("b", "3 brokers"), ("c", "one broker")):
        folder.add(name, {"testbed": f"{brokers} a cluster", "host": "this one"}, "stand-in")
    found = json.loads((tmp_path / "out" / "rehearsal.json").read_text())["environment"]
    assert found == {"testbed": "one broker a cluster; 3 brokers a cluster", "host": "this one"}
