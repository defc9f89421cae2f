"""Names and globs of a plan match what `globs.matches` matches."""

from __future__ import annotations

from cutover_harness.globs import matches
from cutover_harness.planning.patterns import FirstOf, Patterns
from hypothesis import given
from hypothesis import strategies as st

NAME = st.text("ab.[]*!-", min_size=1, max_size=5)
PATTERNS = st.lists(NAME | st.sampled_from(["*", "a*", "[ab]?", "[!a]*", "a.*", "[", "*b"]), max_size=4)


@given(PATTERNS, NAME)
def test_one_set(patterns: list[str], name: str) -> None:
    assert Patterns(patterns).match(name) is matches(name, patterns)


@given(st.dictionaries(st.sampled_from("xyz"), PATTERNS), NAME)
def test_a_name_wins_and_then_the_first_set(sets: dict[str, list[str]], name: str) -> None:
    named = [key for key, patterns in sets.items() if name in patterns]
    globbed = [key for key, patterns in sets.items() if matches(name, patterns)]
    assert FirstOf(sets).find(name) == next(iter(named or globbed), None)
