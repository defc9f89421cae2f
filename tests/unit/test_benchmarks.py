"""Figures of benchmarks, their bars, and the page of kept results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import benchmarks.__main__ as program
from benchmarks.__main__ import main, names, run
from benchmarks.figures import FIGURES, Figure, at_most, conclude, ratio
from benchmarks.results import PAGE, RESULTS, DamagedError, Result, compared, load, page, save

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("figure", "missed"),
    [
        (ratio("r", [9, 10, 30], [10, 10, 10], 0.95), False),
        (ratio("r", [9, 9, 30], [10, 10, 10], 0.95), True),
        (at_most("s", [1, 2, 9], "s", 2), False),
        (at_most("s", 2.1, "s", 2), True),
        (at_most("s", 99, "s"), False),
    ],
)
def test_a_bar_holds_for_the_median(figure: Figure, missed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert figure.missed == missed
    assert conclude([figure]) == int(missed)
    assert ("MISSED" in capsys.readouterr().out) == missed


def test_wrong_counts_are_an_error_whatever_the_figures_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert conclude([at_most("s", 1, "s", 2)], ["lost 3"]) == 1
    assert "WRONG: lost 3" in capsys.readouterr().out


def test_results_are_kept_as_they_were_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "figures.json"
    monkeypatch.setenv(FIGURES, str(file))
    figures = (ratio("r", [9.0, 11.0], [10.0, 10.0], 0.9), at_most("s", 1.5, "s"))
    assert conclude(figures, ["one"]) == 1
    result = Result.of({"day": "2026-01-02"}, json.loads(file.read_text()))
    assert (result.figures, result.wrong) == (figures, ("one",))
    save(tmp_path / "results.json", {"a": result})
    assert load(tmp_path / "results.json") == {"a": result}
    assert load(tmp_path / "none.json") == {}


def result(*figures: Figure, machine: str = "m") -> Result:
    return Result({"day": "2026-01-02", "machine": machine, "load": "0.1"}, figures)


@pytest.mark.parametrize(
    ("now", "was", "words"),
    [
        (at_most("s", [1.0, 1.1], "s"), at_most("s", [2.0, 2.1], "s"), "better now"),
        (at_most("s", [3.0, 3.1], "s"), at_most("s", [2.0, 2.1], "s"), "worse now"),
        (at_most("s", [1.0, 3.1], "s"), at_most("s", [2.0, 2.1], "s"), "about the same now"),
        (at_most("s", [2.11], "s"), at_most("s", [2.1], "s"), "about the same now"),
        (ratio("s", [2], [1]), ratio("s", [1], [1]), "better now"),
        (ratio("s", [1], [2]), ratio("s", [1], [1]), "worse now"),
    ],
)
def test_a_change_is_more_than_the_spread_of_both(now: Figure, was: Figure, words: str) -> None:
    (line,) = compared(result(now), result(was))
    assert words in line
    assert "another machine" not in line
    assert "another machine" in next(compared(result(now), result(was, machine="n")))


def test_only_figures_of_both_are_compared() -> None:
    assert list(compared(result(at_most("new", 1, "s")), result(at_most("old", 1, "s")))) == []
    assert list(compared(result(at_most("new", 1, "s")), None)) == []


def test_the_page_shows_what_is_kept() -> None:
    kept = load(RESULTS)
    assert kept
    assert kept.keys() <= set(names())
    assert PAGE.read_text(encoding="utf-8") == page(kept), "python -m benchmarks NAME --save writes both"


def test_a_missed_bar_shows_in_the_page() -> None:
    text = page({"x": result(at_most("slow", 3, "s", 2), ratio("fine", [1], [1], 1))})
    assert "| slow | 3 s | at most 2 | **missed** |" in text
    assert "| fine | 1 | at least 1 | held |" in text


def test_a_wrong_name_is_an_error_that_names_all(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["jugde"])
    assert end.value.code == 2
    assert "judge_ledger" in capsys.readouterr().err


@pytest.mark.parametrize("at", ["none/figures.json", "."])
def test_a_place_where_no_file_can_be_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at: str
) -> None:
    monkeypatch.setattr(program, "run", lambda name: pytest.fail(f"{name} was run"))
    with pytest.raises(SystemExit) as end:
        main(["judge_ledger", "--json", str(tmp_path / at)])
    assert end.value.code == 2
    assert f"--json {tmp_path / at}: give a file in a folder that exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"a": 1}', '{"a": {}}', '{"a": {"machine": {}, "figures": 1, "wrong": []}}']
)
def test_damaged_results_are_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    file = tmp_path / "results.json"
    file.write_text(text)
    with pytest.raises(DamagedError):
        load(file)
    monkeypatch.setattr(program, "RESULTS", file)
    monkeypatch.setattr(program, "run", lambda name: pytest.fail(f"{name} was run"))
    with pytest.raises(SystemExit) as end:
        main(["judge_ledger", "--save"])
    assert end.value.code == 2
    assert f"{file}: cannot be used (" in capsys.readouterr().err
    assert file.read_text() == text


def test_a_benchmark_that_ends_while_it_writes_its_figures_has_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "half.py").write_text(
        f"import os\nopen(os.environ[{FIGURES!r}], 'w').write('{{\"figures\": [')\n"
    )
    monkeypatch.setattr(program, "HERE", tmp_path / "benchmarks")
    assert run("half") == (1, None)
    assert run("none") == (1, None)
