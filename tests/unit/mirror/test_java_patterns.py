"""Names and globs mean the same to MirrorMaker 2 and to the cutover file."""

from __future__ import annotations

import fnmatch
import re

import pytest
from cutover_harness.globs import matches
from cutover_harness.mirror import Batch, MirrorError, MirrorSpec
from cutover_harness.mirror.connector_configs import forward_configs
from cutover_harness.mirror.java_patterns import java_list
from hypothesis import given
from hypothesis import strategies as st

PLAIN = {"bootstrap.servers": "c:3"}
CONNECT = "http://connect"
NAMES = st.text(alphabet="ab.-_0", min_size=1, max_size=6)
GLOBS = st.lists(
    st.sampled_from(["a", "b", ".", "-", "_", "0", "*", "?", "[ab]", "[!a]", "[a-b]"]), min_size=1, max_size=6
)


@given(st.lists(GLOBS, min_size=1, max_size=3), NAMES)
def test_patterns_mean_in_mirrormaker_what_they_mean_here(globs: list[list[str]], topic: str) -> None:
    topics = tuple("".join(parts) for parts in globs)
    try:
        batch = Batch("b", topics, ())
    except MirrorError:
        return
    config = forward_configs(MirrorSpec(batch, CONNECT, PLAIN, PLAIN))[batch.source_connector]
    ours = any(fnmatch.fnmatchcase(topic, pattern) for pattern in topics)
    # DefaultTopicFilter joins the list as alternatives and matches the whole name.
    theirs = any(re.fullmatch(pattern, topic) for pattern in config["topics"].split(","))
    assert ours == theirs
    if batch.mirrors(topic):
        assert not any(re.fullmatch(pattern, topic) for pattern in config["topics.exclude"].split(","))


ODD_NAMES = ["a,b", "Team X/eu#1", "orders[blue]", "weiß", "g+1", "$pay", "(x|y)", "^all", " lead", "a\nb", "[", "x&&y"]
ODD_GLOBS = ["a,*", "[,a]*", "[a&&b]", "[[x]", "[!]x]", "[z-a]", "[!z-a]", "[a-]b", "[^x]", "Team *", "?lead", "a?b"]


@given(
    st.lists(
        st.one_of(st.sampled_from(ODD_NAMES + ODD_GLOBS), st.text("ab,[]!-^&*? ", min_size=1, max_size=5)), min_size=1
    ),
    st.one_of(st.sampled_from(ODD_NAMES), st.text("ab,[]!-^& ", min_size=1, max_size=4)),
)
def test_odd_names_and_globs_mean_the_same_to_mirrormaker(patterns: list[str], name: str) -> None:
    written = java_list(patterns)
    items = re.split(r"\s*,\s*", written.strip())  # as Kafka splits a list
    assert all(items)
    assert any(re.fullmatch(item, name) for item in items) == matches(name, patterns)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_name_means_itself_everywhere(name: str) -> None:
    assert matches(name, [name])
    assert any(re.fullmatch(item, name) for item in re.split(r"\s*,\s*", java_list([name]).strip()))


def test_an_intersection_of_java_is_no_such_thing_in_a_glob() -> None:
    """Python's regular expressions have none, so that only the text shows it."""
    assert java_list(["[a&&b]"]) == r"\[a\&\&b\],[a\x26\x26b]"
    assert java_list(["[[x]"]) == r"\[\[x\],[\x5bx]"
