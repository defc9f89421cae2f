"""All problems of a document at once, and exactly those documents that applications refuse."""

from __future__ import annotations

import copy
import tomllib
from typing import Any

import pytest
import tomli_w
from cutover_harness.channels.document import read_document, unresolved
from cutover_harness.channels.problems import ambiguous, problems
from cutover_shim.cutover_file import CutoverFileError, parse
from cutover_shim.signature import sign
from hypothesis import given, settings
from hypothesis import strategies as st

KEY, OTHER = b"k" * 32, b"o" * 32
ENV = {"PW": "secret-value"}
GOOD: dict[str, Any] = {
    "generation": 3,
    "clusters": {
        "source": {"bootstrap.servers": "a:1", "sasl.password": "${PW}"},
        "target": {"bootstrap": {"servers": "b:1"}, "acks": "all", "linger.ms": 5},
    },
    "routes": {
        "r": {"topics": ["t", "t.*"], "groups": ["g"], "producers": "source", "consumers": "hold"},
        "s": {"topics": ["u"], "groups": [], "producers": "target", "consumers": "target"},
    },
}


def test_a_good_document_has_no_problem() -> None:
    assert problems(tomli_w.dumps(GOOD), env=ENV) == []
    assert problems(sign(tomli_w.dumps(GOOD).encode(), KEY).decode(), [KEY], env=ENV) == []
    assert problems(tomli_w.dumps(GOOD)) == []


def test_all_problems_are_reported_at_once() -> None:
    bad = copy.deepcopy(GOOD)
    bad |= {"generation": -1, "versoin": 2}
    bad["clusters"] = {"source": {"sasl.password": "${PW} ${NONE}", "x": [1], "group.id": "a"}, "sourse": {}}
    bad["routes"]["r"] = {"topics": [], "groups": "g", "producers": "soruce", "topic": ["t"]}
    bad["routes"]["v"] = {"topics": ["u"], "groups": [], "producers": "hold", "consumers": "source"}
    bad["routes"]["w"] = 7
    found = problems(tomli_w.dumps(bad), [KEY], env=ENV)
    for expected in (
        "not signed: documents have to be signed",
        "the file: unknown key 'versoin'; allowed are clusters, generation, routes",
        "generation: a whole number",
        "clusters: unknown key 'sourse'",
        'clusters.source: "bootstrap.servers" is required',
        "clusters.source.'x': a string, number or boolean is required, found list",
        "clusters.source.'sasl.password': the environment variable 'NONE' is not set",
        "clusters: the table 'target' is required",
        "routes.r: unknown key 'topic'",
        "routes.r: 'consumers' is missing",
        "routes.r.topics: at least one topic",
        "routes.r.groups: a list of names",
        "routes.r.producers: one of source, hold, target",
        "routes.topics: 'u' is in the routes s, v: keep it in one",
        "routes.w: is no table",
    ):
        assert any(line.startswith(expected) for line in found), (expected, found)
    assert len(found) == 15
    assert "secret-value" not in str(found)


def test_references_are_left_alone_on_another_machine() -> None:
    text = tomli_w.dumps(GOOD).replace("${PW}", "${NONE}").replace("a:1", "${file:/nothing/there}")
    assert problems(text) == []
    assert len(problems(text, env=ENV)) == 2


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "the file: the table 'clusters' is required"),
        ("generation = ", "not valid TOML: at end of document"),
        ("a = 1\na = 2\n", "not valid TOML: at line 2"),
        ("\udcff\udcfe", "is not UTF-8 text"),
        ("x" * (2 << 20), "is larger than 1 MiB"),
        ("a = " + "[" * 100_000, "not valid TOML"),
        ("generation = " + "9" * 5000, "not valid TOML"),
        ("clusters = 1\nroutes = []\ngeneration = true\n", "the file: the table 'clusters' is required"),
    ],
)
def test_content_that_is_no_document(text: str, why: str) -> None:
    found = problems(text, env={})
    assert any(line.startswith(why) for line in found), found
    assert all("\n" not in line for line in found)
    assert problems(text), "without an environment as well"


def test_signatures() -> None:
    text = tomli_w.dumps(GOOD)
    assert problems(sign(text.encode(), OTHER).decode(), [KEY], env=ENV) == [
        "its signature does not fit: altered, or signed with another key"
    ]
    assert problems(sign(text.encode(), OTHER).decode(), [KEY, OTHER], env=ENV) == []
    assert problems(sign(text.encode(), OTHER).decode(), env=ENV) == [], "without a key it is a comment"


def test_groups_of_both_clusters() -> None:
    both = copy.deepcopy(GOOD)
    both["clusters"]["source"]["group.id"] = "a"
    assert any("group.id" in line for line in problems(tomli_w.dumps(both), env=ENV))
    both["clusters"]["target"]["group.id"] = "${G}"  # may be the same
    assert problems(tomli_w.dumps(both), env=ENV | {"G": "a"}) == []
    assert any("group.id" in line for line in problems(tomli_w.dumps(both), env=ENV | {"G": "b"}))


def test_names_that_match_globs_of_two_routes() -> None:
    routes = {"r": {"topics": ["a*"]}, "s": {"topics": ["*b", "axxb"]}}
    assert ambiguous({"routes": routes}, ["ab", "axxb", "ac"], "topics") == [
        "topic 'ab' matches globs of the routes r, s: name it in one of them"
    ]


VALUES = st.one_of(
    st.sampled_from(
        ["source", "hold", "target", "t", "", "${PW}", "${NONE}", "a:1", [], ["t"], [""], ["u", 1], {}, True]
    ),
    st.integers(-2, 1 << 64),
    st.floats(allow_nan=False),
)


YES_OR_NO = st.booleans()


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A good document with up to three changes anywhere: values replaced, removed, or added."""
    document = copy.deepcopy(GOOD)
    for _ in range(draw(st.integers(0, 3))):
        table: dict[str, Any] = document
        deeper = draw(YES_OR_NO)
        while deeper and (inner := [key for key, value in table.items() if isinstance(value, dict)]):
            table = table[draw(st.sampled_from(inner))]
            deeper = draw(YES_OR_NO)
        key = draw(st.sampled_from([*table, "new", "group.id", "r", "target", "consumers"]))
        if draw(YES_OR_NO):
            table[key] = copy.deepcopy(draw(VALUES))
        else:
            table.pop(key, None)
    return document


@settings(max_examples=400, deadline=None)
@given(documents())
def test_exactly_those_documents_have_problems_that_applications_refuse(document: dict[str, Any]) -> None:
    text = tomli_w.dumps(document)
    try:
        parse(text, ENV)
        refused = None
    except CutoverFileError as why:
        refused = str(why)
    assert bool(problems(text, env=ENV)) == (refused is not None), (refused, problems(text, env=ENV))
    assert bool(problems(text)) == (not read_document(text, resolves=False).valid)
    assert tomllib.loads(unresolved(document)).keys() == document.keys()
