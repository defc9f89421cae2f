"""Options of `load` that are Locust's, and misspelled ones."""

from __future__ import annotations

import subprocess
import sys

import pytest
from cutover_harness.errors import UsageError
from cutover_harness.load.passed_on import LOCUST, refuse_misspelled

OWN = ("--speed", "--group", "--master-host", "--run-time")


def test_the_list_has_every_option_of_the_installed_locust() -> None:
    program = "from locust.argument_parser import get_parser; print(*get_parser()._option_string_actions)"
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True)
    named = {word for word in done.stdout.split() if word.startswith("--")}
    assert {"--processes", "--html"} <= named
    assert named <= LOCUST


@pytest.mark.parametrize(
    "words", [["--processes", "4"], ["--html=x.html"], ["--expect-work", "2"], ["--of-a-plugin"], ["-L", "x"]]
)
def test_options_of_locust_and_of_its_plugins_are_passed_on(words: list[str]) -> None:
    refuse_misspelled(words, OWN)


@pytest.mark.parametrize(
    ("word", "meant"), [("--sped", "--speed"), ("--gruop=a:1", "--group"), ("--procesess", "--processes")]
)
def test_a_misspelled_option_is_refused_before_a_cluster_is_asked(word: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"no such option: {word.split('=', maxsplit=1)[0]}: did you mean {meant}"):
        refuse_misspelled(["--html", "x", word, "2"], OWN)
