"""Parts of the mirror without a broker: patterns, client properties, internal topics, Connect's answers."""

import fnmatch
import http.server
import json
import re
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from cutover_harness.errors import UsageError
from cutover_harness.globs import matches
from cutover_harness.mirror import Batch, Checkpoint, MirrorError, OffsetSync
from cutover_harness.mirror.clients import java, librdkafka
from cutover_harness.mirror.config import connectors
from cutover_harness.mirror.connect_rest import Connect
from cutover_harness.mirror.connect_text import one_line, secrets_of
from cutover_harness.mirror.groups import group_progress
from cutover_harness.mirror.offsets_topics import decode_checkpoint, decode_offset_sync
from cutover_harness.mirror.patterns import java_list
from hypothesis import given
from hypothesis import strategies as st

SECRET = 'pass"wo\\rd'
SASL = {
    "bootstrap.servers": "a:1,b:2",
    "security.protocol": "SASL_SSL",
    "sasl.mechanisms": "SCRAM-SHA-512",
    "sasl.username": "me",
    "sasl.password": SECRET,
    "client.id": "app",
    "linger.ms": "5",
}
PLAIN = {"bootstrap.servers": "c:3"}
NAMES = st.text(alphabet="ab.-_0", min_size=1, max_size=6)
GLOBS = st.lists(
    st.sampled_from(["a", "b", ".", "-", "_", "0", "*", "?", "[ab]", "[!a]", "[a-b]"]), min_size=1, max_size=6
)


SHORT = st.text("ab,[]!-^&*? ", min_size=1, max_size=5)


def string(text: str) -> bytes:
    return struct.pack(">h", len(text.encode())) + text.encode()


def test_offset_sync() -> None:
    key, value = string("ü.topic") + struct.pack(">i", 7), struct.pack(">qq", 2**40, 5)
    assert decode_offset_sync(key, value) == OffsetSync("ü.topic", 7, 2**40, 5)
    for bad_key, bad_value in (
        (key[:-1], value),
        (key + b"x", value),
        (key, value[:-1]),
        (b"", value),
        (b"\xff\xff", value),
    ):
        with pytest.raises(MirrorError, match="not an offset sync"):
            decode_offset_sync(bad_key, bad_value)


def test_checkpoint() -> None:
    key = string("group") + string("topic") + struct.pack(">i", 3)
    value = struct.pack(">hqq", 0, 10, 9) + string("metadata")
    assert decode_checkpoint(key, value) == Checkpoint("group", "topic", 3, 10, 9)
    with pytest.raises(MirrorError, match="version 1"):
        decode_checkpoint(key, b"\x00\x01" + value[2:])
    with pytest.raises(MirrorError, match="not a checkpoint"):
        decode_checkpoint(key[:4], value)


@given(st.lists(GLOBS, min_size=1, max_size=3), NAMES)
def test_patterns_mean_in_mirrormaker_what_they_mean_here(globs: list[list[str]], topic: str) -> None:
    topics = tuple("".join(parts) for parts in globs)
    try:
        batch = Batch("b", topics, ())
    except MirrorError:
        return
    config = connectors(batch, PLAIN, PLAIN, exactly_once=False, interval_s=1, tasks=1)[batch.source_connector]
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


def test_exclusions() -> None:
    batch = Batch("b", ("orders*", "*"), ("g",), ("orders-tmp*",))
    names = ["orders", "orders-tmp1", "__consumer_offsets", "heartbeats", "x.internal", "x.replica", ".hidden"]
    assert [name for name in names if batch.mirrors(name)] == ["orders", "x.replica"]


@pytest.mark.parametrize("topic", ["a.internal", "a-internal", "__a", ".a"])
def test_a_topic_that_mirrormaker_never_mirrors_is_refused(topic: str) -> None:
    with pytest.raises(UsageError, match=f"never mirrors topic {re.escape(topic)}"):
        Batch("b", ("fine", topic), ())


@pytest.mark.parametrize("group", ["a,b", " a", "a\n"])
def test_a_group_that_mirrormaker_never_translates_is_refused(group: str) -> None:
    with pytest.raises(UsageError, match=f"cannot translate offsets of group {re.escape(repr(group))}"):
        Batch("b", ("t",), ("fine", group))


def test_a_batch_name_has_to_fit_topics_and_paths() -> None:
    with pytest.raises(UsageError, match="batch name 'a/b'"):
        Batch("a/b", (), ())


def test_batches_share_no_name() -> None:
    one, other = (
        set(connectors(Batch(n, ("t",), ("g",)), PLAIN, PLAIN, exactly_once=False, interval_s=1, tasks=1)) for n in "ab"
    )
    assert not one & other
    assert Batch("a", (), ()).checkpoints_topic != Batch("b", (), ()).checkpoints_topic


def test_settings_that_correctness_hangs_on() -> None:
    batch = Batch("b", ("t",), ("g",))
    plain = connectors(batch, PLAIN, PLAIN, exactly_once=False, interval_s=1, tasks=1)
    once = connectors(batch, PLAIN, PLAIN, exactly_once=True, interval_s=1, tasks=1)
    assert {config["header.converter"].rpartition(".")[2] for config in plain.values()} == {"ByteArrayConverter"}
    copying = plain[batch.source_connector]
    assert copying["source.consumer.isolation.level"] == "read_committed"
    assert copying["producer.override.enable.idempotence"] == "true"
    assert copying["offset-syncs.topic.location"] == "target"
    assert once[batch.source_connector]["exactly.once.support"] == "required"
    assert "producer.override.enable.idempotence" not in once[batch.source_connector]


def test_sasl_for_java() -> None:
    assert java(SASL) == {
        "bootstrap.servers": "a:1,b:2",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.jaas.config": "org.apache.kafka.common.security.scram.ScramLoginModule required "
        'username="me" password="pass\\"wo\\\\rd";',
    }


def test_tls_for_java(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("CA")
    config = {
        **PLAIN,
        "security.protocol": "SSL",
        "ssl.ca.location": str(tmp_path / "ca.pem"),
        "ssl.certificate.pem": "CERT",
        "ssl.key.pem": "KEY",
        "ssl.key.password": "key-password",
        "ssl.endpoint.identification.algorithm": "none",
    }
    assert java(config) == {
        **PLAIN,
        "security.protocol": "SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.certificates": "CA",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.certificate.chain": "CERT",
        "ssl.keystore.key": "KEY",
        "ssl.key.password": "key-password",
        "ssl.endpoint.identification.algorithm": "",
    }
    with pytest.raises(UsageError, match=r"ssl\.ca\.location: .*nothing cannot be read"):
        java({**config, "ssl.ca.location": str(tmp_path / "nothing")})


def test_what_only_java_knows_wins_there_and_is_kept_from_librdkafka() -> None:
    config = {**SASL, "sasl.jaas.config": "${file:/run/secrets:jaas}", "ssl.truststore.location": "/at/connect"}
    assert java(config)["sasl.jaas.config"] == "${file:/run/secrets:jaas}"
    assert java(config)["ssl.truststore.location"] == "/at/connect"
    assert librdkafka(config) == SASL


def test_a_mechanism_that_cannot_be_translated() -> None:
    config = {**SASL, "sasl.mechanisms": "OAUTHBEARER"}
    with pytest.raises(UsageError, match=r"OAUTHBEARER .* add sasl\.jaas\.config"):
        java(config)
    assert java({**config, "sasl.jaas.config": "x"})["sasl.mechanism"] == "OAUTHBEARER"


def test_progress_rows() -> None:
    committed = {("t", 0): 10, ("t", 1): 10, ("t", 2): 10, ("t", 3): 0, ("t", 4): 0, ("t", 5): 10}
    checkpoints = {
        ("t", 0): Checkpoint("g", "t", 0, 10, 12),
        ("t", 1): Checkpoint("g", "t", 1, 9, 11),
        ("t", 2): Checkpoint("g", "t", 2, 10, 12),
        ("t", 5): Checkpoint("g", "t", 5, 10, 12),
    }
    target = {("t", 0): 12, ("t", 1): 11, ("t", 2): 3}
    rows = group_progress(committed, target, checkpoints, {("t", 3): 0, ("t", 4): 5})
    # Same; checkpoint of an older commit; target behind; never used; not consumed but used; not on the target.
    assert [row.synchronised for row in rows] == [True, False, False, True, False, False]


class Answers(http.server.ThreadingHTTPServer):
    """A Connect that gives these answers, the last one again and again."""

    def __init__(self, *answers: tuple[int, object]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers = list(answers)
        self.asked: list[str] = []


class Handler(http.server.BaseHTTPRequestHandler):
    server: Answers

    def answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.asked.append(f"{self.command} {self.path}")
        code, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        content = json.dumps(body).encode() if not isinstance(body, bytes) else body
        self.send_response(code)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_PUT = do_DELETE = do_PATCH = answer  # noqa: N815 - the base's names

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture
def connect(request: pytest.FixtureRequest) -> Iterator[tuple[Connect, Answers]]:
    server = Answers(*request.param)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    client = Connect(f"http://user:hidden@127.0.0.1:{server.server_port}", patience_s=1)
    yield client, server
    client.close()
    server.shutdown()
    server.server_close()


def answers(*each: tuple[int, object]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("connect", [each], indirect=True)


@answers((409, {"message": "rebalance"}), (500, b"not json"), (503, {}), (204, b""))
def test_what_passes_is_retried(connect: tuple[Connect, Answers]) -> None:
    connect[0].set_state("c", "pause")
    assert connect[1].asked == ["PUT /connectors/c/pause"] * 4


GET, PUT = "GET /connectors/c/config", "PUT /connectors/c/config"


@answers((404, {}), (404, {}), (404, {}), (409, {"message": "rebalance"}), (200, {"a": "old"}), (201, {"name": "c"}))
def test_a_configuration_is_read_before_each_time_that_it_is_sent(connect: tuple[Connect, Answers]) -> None:
    connect[0].put_config("c", {"a": "b"})
    assert connect[1].asked == [GET, PUT] * 3


@answers((404, {}), (500, {"message": "Request timed out"}), (200, {"a": "b", "name": "c"}))
def test_a_configuration_that_was_taken_over_late_is_not_sent_again(connect: tuple[Connect, Answers]) -> None:
    connect[0].put_config("c", {"a": "b"})
    assert connect[1].asked == [GET, PUT, GET]


@answers((200, {"a": "b", "name": "c"}))
def test_a_configuration_that_is_there_is_not_sent(connect: tuple[Connect, Answers]) -> None:
    connect[0].put_config("c", {"a": "b"})
    assert connect[1].asked == [GET]


@answers((200, {"a": "b", "name": "c"}))
def test_a_request_that_changes_something_gets_as_long_as_connect_takes(
    connect: tuple[Connect, Answers], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[Any] = []
    answer = httpx.Client.request

    def record(self: httpx.Client, method: str, url: str, **options: Any) -> httpx.Response:
        given.append((method, options["timeout"].read))
        return answer(self, method, url, **options)

    monkeypatch.setattr(httpx.Client, "request", record)
    connect[0].put_config("c", {"a": "new"})
    assert [read > 90 for method, read in given if method == "PUT"] == [True]
    assert all(read <= 5 for method, read in given if method == "GET")


REFUSAL = f"""Connector configuration is invalid and contains the following 1 error(s):
Invalid value {SECRET} for configuration x
You can also find the above list of errors at the endpoint"""


@answers((404, {}), (400, {"message": REFUSAL}))
def test_a_refusal_is_reported_whole_in_one_line_without_secrets(connect: tuple[Connect, Answers]) -> None:
    says = (
        r"answered 400 \(.* following 1 error\(s\): Invalid value \*\*\* for configuration x You can .* endpoint\) to"
    )
    with pytest.raises(MirrorError, match=says) as caught:
        connect[0].put_config("c", {"password": SECRET})
    assert len(connect[1].asked) == 2
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "hidden" not in str(caught.value)


@answers((500, {"message": "request timed out"}))
def test_patience_ends(connect: tuple[Connect, Answers]) -> None:
    with pytest.raises(MirrorError, match=r"answered 500 \(request timed out\)"):
        connect[0].set_state("c", "pause")
    assert len(connect[1].asked) > 3


@answers((404, {"error_code": 404}))
def test_what_is_missing(connect: tuple[Connect, Answers]) -> None:
    assert connect[0].status("c") is None
    assert connect[0].offsets("c") == []
    connect[0].delete("c")


TRACE = "Error: callback failed\n\tat x\nCaused by: TooLarge: 900000 bytes\n\tat y\n\t... 3 more\n"


@answers(
    (
        200,
        {
            "connector": {"state": "RUNNING"},
            "tasks": [{"id": 0, "state": "FAILED", "trace": TRACE}, {"id": 1, "state": "RUNNING"}],
        },
    )
)
def test_a_failed_task_shows_its_reason(connect: tuple[Connect, Answers]) -> None:
    status = connect[0].status("c")
    assert status is not None
    assert (status.connector, status.tasks) == ("RUNNING", ("FAILED", "RUNNING"))
    assert status.failure == "Error: callback failed: caused by TooLarge: 900000 bytes"


def test_secrets_are_the_sensitive_values_and_the_passwords_in_a_login() -> None:
    jaas = java(SASL)["sasl.jaas.config"]
    found = secrets_of([{"target.cluster.sasl.jaas.config": jaas, "topics": "orders", "ssl.key.password": "abc"}])
    assert {SECRET, jaas} <= found
    assert not {"orders", "abc"} & found
    assert one_line(f"x {jaas}\ny {SECRET}", found) == "x *** y ***"
