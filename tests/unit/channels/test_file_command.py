"""`kafka-cutover file` on files: what it writes, what it refuses, and that nothing it meets ends in a traceback."""

from __future__ import annotations

import json
import os
import stat
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cutover_harness.channels.lease_file import LeaseFile
from cutover_harness.channels.leases import Holder, Lease
from cutover_harness.locks import FileLock
from cutover_shim.cutover_file import parse
from cutover_shim.signature import verify

from tests.unit.conductor.run_folder import Cli, command_line, contents, made

KEY, OTHER = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Cli]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CUTOVER_KEY", raising=False)
    (tmp_path / "s.properties").write_text("bootstrap.servers=a:1\nsasl.password=${PW_OF_APPS}\n", encoding="utf-8")
    (tmp_path / "t.properties").write_text("bootstrap.servers=b:1\nacks=all\n", encoding="utf-8")
    for name, key in (("key", KEY), ("other", OTHER)):
        (tmp_path / name).write_text(key, encoding="utf-8")
    with command_line(monkeypatch, capsys) as call:
        yield call


INIT = (
    "--source",
    "s.properties",
    "--target",
    "t.properties",
    "--topic",
    "orders,orders.*",
    "--group",
    "billing",
    "--yes",
)


def new(cli: Cli, *channels: str, key: str | None = None) -> None:
    more = () if key is None else ("--key", f"${{file:{key}}}")
    code, _, err = cli("file", "init", *(channels or ("cutover.toml",)), *INIT, *more)
    assert (code, err) == (0, "")


def refused(cli: Cli, *arguments: str) -> str:
    """Run a command that has to be refused in one line, and to change nothing; return the line."""
    before = contents(Path())
    code, out, err = cli("file", *arguments)
    assert code == 2, (out, err)
    assert len(err.splitlines()) == 1, err
    assert err.startswith("kafka-cutover: ")
    assert "Traceback" not in err + out
    assert contents(Path()) == before
    return err


def test_init_writes_what_applications_accept(cli: Cli) -> None:
    code, out, err = cli("file", "init", "cutover.toml", "second.toml", *INIT)
    assert (code, err) == (0, "")
    assert out == "file:cutover.toml: generation 1\nfile:second.toml: generation 1\n"
    text = Path("cutover.toml").read_text(encoding="utf-8")
    assert Path("second.toml").read_text(encoding="utf-8") == text
    file = parse(text, {"PW_OF_APPS": "x"})
    assert (file.generation, list(file.routes)) == (1, ["all"])
    route = file.routes["all"]
    assert (route.topics, route.groups) == (("orders", "orders.*"), ("billing",))
    assert (route.producers, route.consumers) == ("source", "source")
    assert "${PW_OF_APPS}" in text
    assert stat.S_IMODE(Path("cutover.toml").stat().st_mode) == 0o600
    assert cli("file", "init", "cutover.toml", "second.toml", *INIT)[0] == 0, "the very same: as after an interruption"


def test_init_with_several_routes(cli: Cli) -> None:
    routes = ("--route", "one", "--route", "two", "--topic", "one=a,b", "--topic", "two=c", "--group", "two=g=h")
    code, _, err = cli("file", "init", "c.toml", *INIT[:4], *routes, "--yes")
    assert (code, err) == (0, "")
    found = tomllib.loads(Path("c.toml").read_text(encoding="utf-8"))["routes"]
    assert {name: (route["topics"], route["groups"]) for name, route in found.items()} == {
        "one": (["a", "b"], []), "two": (["c"], ["g=h"]),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (
            ("x.toml", *INIT[:4], "--route", "a", "--route", "b", "--topic", "t"),
            "--topic t: names no route: write --topic",
        ),
        (("x.toml", *INIT[:4], "--topic", "a=t"), "--topic a=t: no topic has = in its name: add --route a"),
        (("x.toml", *INIT[:4], "--topic", "a,,b"), "--topic a,,b: has an empty name"),
        (
            ("x.toml", *INIT[:4], "--route", "a", "--route", "b", "--topic", "a=t"),
            "routes.b.topics: at least one",
        ),
        (("x.toml", "x.toml", *INIT), "channel file:x.toml: is named twice"),
        (("x.toml", *INIT, "--source", "none"), "properties none: cannot be read: No such file"),
        (("x.toml", *INIT, "--source", "secret"), "sasl.password is a secret itself"),
        (("x.toml", *INIT, "--key", KEY), "cutover.key: not one or two references"),
        (("x.toml", *INIT, "--key", "${file:none}"), "cutover.key: none does not exist"),
        (("x.toml", *INIT, "--key", "${file:short}"), "has 5 bytes: a key has at least 16"),
        (("kafka:ctl", *INIT), "s.properties, line 2: the environment has no variable PW_OF_APPS"),
        (("kafka:ctl@target", *INIT, "--cluster", "target=t.properties"), "kafka:ctl@target: needs --key"),
        (("kafka:ctl", *INIT, "--cluster", "source=a", "--cluster", "source=b"), "properties a: cannot be read"),
        (("nowhere/x.toml", *INIT), "nowhere/.x.toml.lock: the lock cannot be opened: No such file or directory"),
        (("empty.toml", *INIT), "file:empty.toml: is empty already: change it with"),
    ],
)
def test_init_refuses(cli: Cli, arguments: tuple[str, ...], why: str) -> None:
    Path("secret").write_text("bootstrap.servers=a:1\nsasl.password=hunter-two\n", encoding="utf-8")
    Path("short").write_text("short", encoding="utf-8")
    Path("empty.toml").touch()
    err = refused(cli, "init", *arguments)
    assert why in err
    assert "hunter-two" not in err
    assert KEY not in err


def test_init_refuses_to_overwrite(cli: Cli) -> None:
    new(cli)
    code, _, err = cli("file", "init", "other.toml", "cutover.toml", *INIT, "--group", "more")
    assert code == 2
    assert "file:cutover.toml: has a document already: change it with kafka-cutover file set, or remove it" in err
    assert not Path("other.toml").exists()


def test_set_writes_the_next_generation_and_shows_the_difference(cli: Cli) -> None:
    new(cli, "cutover.toml", "second.toml")
    Path("cutover.toml").chmod(0o644)
    code, out, err = cli("file", "set", "--yes", "cutover.toml", "second.toml", "all.consumers=hold")
    assert (code, err) == (0, "")
    assert [line for line in out.splitlines() if line[0] in "+-"] == [
        "--- generation 1", "+++ generation 2", "-generation = 1", "+generation = 2",
        '-consumers = "source"', '+consumers = "hold"',
    ]  # fmt: skip
    assert out.endswith("file:cutover.toml: generation 2\nfile:second.toml: generation 2\n")
    assert Path("cutover.toml").read_bytes() == Path("second.toml").read_bytes()
    assert parse(Path("cutover.toml").read_text(encoding="utf-8"), {"PW_OF_APPS": "x"}).generation == 2
    assert stat.S_IMODE(Path("cutover.toml").stat().st_mode) == 0o644, "applications may still read it"


def test_set_without_a_change_brings_all_channels_to_the_highest_generation(cli: Cli) -> None:
    new(cli, "cutover.toml", "second.toml")
    old = Path("second.toml").read_bytes()
    assert cli("file", "set", "--yes", "cutover.toml", "second.toml", "all.consumers=hold")[0] == 0
    Path("second.toml").write_bytes(old)
    out = cli("file", "check", "--env-less", "cutover.toml", "second.toml")[1]
    assert "file:second.toml: has generation 1, and file:cutover.toml has 2" in out
    code, out, _ = cli("file", "set", "cutover.toml", "second.toml")
    assert (code, out) == (0, "file:cutover.toml: generation 2\nfile:second.toml: generation 2\n")
    assert Path("cutover.toml").read_bytes() == Path("second.toml").read_bytes()
    code, out, _ = cli("file", "set", "cutover.toml", "all.consumers=hold")
    assert (code, out) == (0, "nothing to change\nfile:cutover.toml: generation 2\n")


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("all.consumers=hold",), "set: names no channel"),
        (("cutover.toml", "all.consumers=hold"), "no terminal to confirm the change: give --yes; nothing was changed"),
        (("cutover.toml", "--yes", "all.consumers=hodl"), "one of source, hold, target is possible"),
        (("cutover.toml", "--yes", "all.groups-=billing"), "group 'billing' would be in no route, and topic 'orders'"),
        (("cutover.toml", "--yes", "all.topics-=orders"), "group 'billing' would be in route all, and topic 'orders'"),
        (
            ("cutover.toml", "--yes", "n.topics+=orders.eu"),
            "group 'billing' would be in route all, and topic",
        ),
        (("cutover.toml", "--yes", "all.topics+=x", "n.topics+=x"), "routes.topics: 'x' is in the routes all, n"),
        (("cutover.toml", "--yes", "clusters.source.bootstrap.servers="), '"bootstrap.servers" is required'),
        (("cutover.toml", "--yes", "clusters.source.sasl.password=hunter-two"), "holds a secret"),
        (("none.toml", "--yes", "all.consumers=hold"), "file:none.toml: cannot be read: No such file or directory"),
        (("cutover.toml", "kafka:ctl", "all.consumers=hold"), "the environment variable 'PW_OF_APPS' is not set"),
        (("cutover.toml", "kafka:a b", "all.consumers=hold"), "is no name of a topic"),
    ],
)
def test_set_refuses(cli: Cli, arguments: tuple[str, ...], why: str) -> None:
    new(cli)
    code, out, err = cli("file", "set", *arguments)
    assert code == 2, (out, err)
    assert why in err
    assert "hunter-two" not in err + out
    assert len(err.splitlines()) == 1
    assert tomllib.loads(Path("cutover.toml").read_text(encoding="utf-8"))["generation"] == 1


def test_set_warns_of_producers_ahead_of_consumers(cli: Cli) -> None:
    new(cli)
    code, out, _ = cli("file", "set", "--yes", "cutover.toml", "all.producers=target")
    assert code == 0
    assert "warning: route all: producers go to the target while consumers are on source" in out
    code, out, _ = cli("file", "set", "--yes", "cutover.toml", "all.consumers=target")
    assert (code, "warning" in out) == (0, False)


def test_comments_survive_a_change(cli: Cli) -> None:
    new(cli)
    text = "# ours\n" + Path("cutover.toml").read_text(encoding="utf-8")
    Path("cutover.toml").write_text(text, encoding="utf-8")
    assert cli("file", "set", "--yes", "cutover.toml", "all.consumers=hold")[0] == 0
    assert Path("cutover.toml").read_text(encoding="utf-8").startswith("# ours\ngeneration = 2\n")


def test_an_edit_without_a_higher_generation_is_named(cli: Cli) -> None:
    new(cli)
    text = Path("cutover.toml").read_text(encoding="utf-8")
    Path("cutover.toml").write_text(text.replace('producers = "source"', 'producers = "hold"'), encoding="utf-8")
    code, out, _ = cli("file", "set", "--yes", "cutover.toml", "all.consumers=hold")
    assert code == 0
    assert "note: the cutover file was changed since generation 1 was written" in out
    assert "note" not in cli("file", "set", "--yes", "cutover.toml", "all.consumers=source")[1]


def test_with_a_key_documents_are_signed_and_foreign_ones_refused(cli: Cli) -> None:
    new(cli, key="key")
    assert b"generation = 1" in verify(Path("cutover.toml").read_bytes(), [KEY.encode()])
    assert "signed, not checked without a key" in cli("file", "show", "cutover.toml")[1]
    good = "file:cutover.toml: generation 1, good\n"
    note = "file:cutover.toml: note: the signature was not checked: give --key\n"
    assert cli("file", "check", "--env-less", "cutover.toml")[:2] == (0, good + note)
    assert cli("file", "check", "--env-less", "cutover.toml", "--key", "${file:key}")[:2] == (0, good)
    assert ": generation 1, signed\n" in cli("file", "show", "cutover.toml", "--key", "${file:key}")[1]
    both = "${file:other} ${file:key}"
    assert "signed with the second key" in cli("file", "show", "cutover.toml", "--key", both)[1]
    code, out, _ = cli("file", "check", "--env-less", "cutover.toml", "--key", "${file:other}")
    assert (code, out) == (2, "file:cutover.toml: its signature does not fit: altered, or signed with another key\n")
    err = refused(cli, "set", "--yes", "cutover.toml", "all.consumers=hold", "--key", "${file:other}")
    assert "file:cutover.toml: its signature does not fit" in err
    code, _, _ = cli("file", "set", "--yes", "cutover.toml", "all.consumers=hold", "--key", both)
    assert code == 0
    assert b"generation = 2" in verify(Path("cutover.toml").read_bytes(), [OTHER.encode()])
    Path("cutover.toml").write_bytes(Path("cutover.toml").read_bytes().replace(b'"hold"', b'"target"'))
    assert "altered" in cli("file", "check", "--env-less", "cutover.toml", "--key", both)[1]


def test_the_key_may_be_in_the_environment(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUTOVER_KEY", "${KEY_ITSELF}")
    monkeypatch.setenv("KEY_ITSELF", KEY)
    new(cli)
    assert verify(Path("cutover.toml").read_bytes(), [KEY.encode()])


def test_check_reports_all_problems_of_all_channels(cli: Cli) -> None:
    new(cli, "good.toml")
    Path("bad.toml").write_text("generation = 1\nx = 2\n[routes.r]\ntopics = []\n", encoding="utf-8")
    code, out, err = cli("file", "check", "good.toml", "bad.toml", "none.toml")
    assert (code, err) == (2, "")
    for line in (
        "file:good.toml: clusters.source.'sasl.password': the environment variable 'PW_OF_APPS' is not set",
        "file:bad.toml: the file: unknown key 'x'",
        "file:bad.toml: the file: the table 'clusters' is required",
        "file:bad.toml: routes.r: 'groups' is missing",
        "file:bad.toml: routes.r.topics: at least one topic",
        "file:none.toml: has no document",
    ):
        assert line in out
    code, out, _ = cli("file", "check", "--env-less", "good.toml")
    assert (code, out) == (0, "file:good.toml: generation 1, good\n")
    code, out, _ = cli("file", "check", "--env-less", "--json", "good.toml", "bad.toml")
    found = json.loads(out)
    assert code == 2
    assert [each["channel"] for each in found["channels"]] == ["file:good.toml", "file:bad.toml"]
    assert (found["channels"][0]["problems"], found["channels"][0]["generation"]) == ([], 1)
    assert len(found["channels"][1]["problems"]) >= 4


def test_check_finds_channels_that_differ_and_secrets(cli: Cli) -> None:
    new(cli, "a.toml", "b.toml")
    text = Path("b.toml").read_text(encoding="utf-8").replace("${PW_OF_APPS}", "hunter-two")
    Path("b.toml").write_text(text, encoding="utf-8")
    code, out, _ = cli("file", "check", "--env-less", "a.toml", "b.toml")
    assert code == 2
    assert "file:b.toml: has generation 1 with other content than file:a.toml" in out
    assert "file:b.toml: note: clusters.source.'sasl.password': is a secret itself" in out
    assert "hunter-two" not in out


def test_show_and_diff_hide_secrets(cli: Cli) -> None:
    new(cli, "a.toml", "b.toml")
    for name, secret in (("a.toml", "hunter-two"), ("b.toml", "hunter-three")):
        text = Path(name).read_text(encoding="utf-8").replace("${PW_OF_APPS}", secret)
        Path(name).write_text(text, encoding="utf-8")
    for arguments in (("show", "a.toml"), ("show", "--json", "a.toml", "b.toml"), ("diff", "a.toml", "b.toml")):
        code, out, err = cli("file", *arguments)
        assert "hunter" not in out + err
    assert (code, out) == (1, "the documents differ in secrets only\n")
    found = json.loads(cli("file", "show", "--json", "a.toml")[1])[0]
    assert found["document"]["clusters"]["source"] == {"bootstrap.servers": "a:1", "sasl.password": "***"}
    assert (found["generation"], found["signature"], found["channel"]) == (1, "not signed", "file:a.toml")


def test_diff(cli: Cli) -> None:
    new(cli, "a.toml")
    Path("b.toml").write_bytes(Path("a.toml").read_bytes())
    assert cli("file", "diff", "a.toml", "b.toml") == (0, "", "")
    assert cli("file", "set", "--yes", "b.toml", "all.consumers=hold")[0] == 0
    code, out, _ = cli("file", "diff", "a.toml", "b.toml")
    assert code == 1
    assert out.startswith("--- file:a.toml\n+++ file:b.toml\n")
    assert '+consumers = "hold"' in out
    assert "file:none: has no document" in refused(cli, "diff", "a.toml", "none")


def fifo(path: Path) -> None:
    os.mkfifo(path)


HARMS: dict[str, Callable[[Path], object]] = {
    "fifo": fifo,
    "folder": lambda path: path.mkdir(),
    "binary": lambda path: path.write_bytes(bytes(range(256)) * 20),
    "huge": lambda path: path.write_bytes(b"x = 1\n" * (10 << 20)),
    "10 MB": lambda path: path.write_bytes(b"#" * (10 << 20)),
    "toml": lambda path: path.write_text("generation = [", encoding="utf-8"),
    "deep": lambda path: path.write_text("a = " + "[" * 50_000, encoding="utf-8"),
    "empty": lambda path: path.touch(),
    "forbidden": lambda path: path.touch(0),
    "missing": lambda _path: None,
    "list": lambda path: path.write_text("routes = []\nclusters = 1\ngeneration = 'x'\n", encoding="utf-8"),
}


@pytest.mark.parametrize("command", ["check", "show", "set", "diff"])
@pytest.mark.parametrize("harm", HARMS)
def test_nothing_ends_in_a_traceback(cli: Cli, harm: str, command: str) -> None:
    HARMS[harm](Path("bad"))
    if harm == "forbidden" and os.access("bad", os.R_OK):
        pytest.skip("this user may read any file")
    new(cli, "good.toml")
    arguments = {"set": ("--yes", "bad", "all.consumers=hold"), "diff": ("good.toml", "bad")}.get(command, ("bad",))
    code, out, err = cli("file", command, *arguments)
    assert code == 2, (out, err)
    assert "Traceback" not in out + err
    assert "file:bad" in out + err
    assert len((out + err).splitlines()) < 10
    if command != "check":
        assert (out, len(err.splitlines())) == ("", 1)


def test_a_name_with_a_null_character_is_one_line(cli: Cli) -> None:
    assert "is no name of a file" in refused(cli, "check", "a\0b")


def test_a_folder_that_cannot_be_written_and_a_full_disk_are_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    new(cli)

    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        err = refused(cli, "set", "--yes", "cutover.toml", "all.consumers=hold")
    assert err == "kafka-cutover: file:cutover.toml: cannot be written: No space left on device\n"


def test_two_commands_at_once_do_not_both_win(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one asks for confirmation, another one writes."""
    new(cli)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    asked = threading.Event()

    def confirm(_question: str) -> bool:
        text = Path("cutover.toml").read_text(encoding="utf-8").replace("generation = 1", "generation = 2")
        Path("cutover.toml").write_text(text.replace('consumers = "source"', 'consumers = "target"'), encoding="utf-8")
        asked.set()
        return True

    monkeypatch.setattr("typer.confirm", confirm)
    code, _, err = cli("file", "set", "cutover.toml", "all.consumers=hold")
    assert asked.is_set()
    assert code == 2
    assert (
        "file:cutover.toml: generation 2 is there, and this writer's last one is 1: another writer has written it"
        in err
    )
    assert 'consumers = "target"' in Path("cutover.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("answer", [True, False])
def test_the_change_is_confirmed(cli: Cli, monkeypatch: pytest.MonkeyPatch, answer: bool) -> None:
    new(cli)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    questions: list[str] = []

    def confirm(question: str) -> bool:
        questions.append(question)
        return answer

    monkeypatch.setattr("typer.confirm", confirm)
    code, _, err = cli("file", "set", "cutover.toml", "all.consumers=hold")
    assert questions == ["Write generation 2 to file:cutover.toml?"]
    assert code == (0 if answer else 2)
    assert ("not confirmed; nothing was changed" in err) == (not answer)


def test_a_file_that_another_process_is_writing_is_waited_for_and_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    new(cli)
    monkeypatch.setattr("cutover_harness.channels.file.LOCK_WAIT_S", 0.05)
    with FileLock(Path(".cutover.toml.lock")):
        code, _, err = cli("file", "set", "--yes", "cutover.toml", "all.consumers=hold")
    assert code == 2
    assert f".cutover.toml.lock: is held by process {os.getpid()}" in err


def test_the_file_of_a_running_conductor_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    made(tmp_path / "run")
    file = tmp_path / "run" / "cutover.toml"
    before = file.read_bytes()
    with FileLock(tmp_path / "run" / "conductor.lock"):
        code, _, err = cli("file", "set", "--yes", str(file), "r.consumers=source")
    assert code == 2
    assert f"file:{file}: a conductor is writing to it, process {os.getpid()}" in err
    assert file.read_bytes() == before
    assert cli("file", "set", "--yes", str(file), "r.consumers=source")[0] == 0


def test_a_link_stays_a_link(cli: Cli) -> None:
    Path("real").mkdir()
    new(cli, "real/cutover.toml")
    Path("link.toml").symlink_to("real/cutover.toml")
    assert cli("file", "set", "--yes", "link.toml", "all.consumers=hold")[0] == 0
    assert Path("link.toml").is_symlink()
    assert "generation = 2" in Path("real/cutover.toml").read_text(encoding="utf-8")


def test_a_document_that_never_was_is_created_with_init(cli: Cli) -> None:
    err = refused(cli, "set", "--yes", "none.toml", "all.consumers=hold")
    assert "put the last one back, or write the first one with kafka-cutover file init" in err
    Path("bad.toml").write_text("generation =", encoding="utf-8")
    err = refused(cli, "set", "--yes", "bad.toml", "all.consumers=hold")
    assert ("put the last one back" in err, "file init" in err) == (True, False), "init would refuse it"


def test_a_channel_that_fails_is_shown_and_can_be_repeated(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("there").mkdir()
    new(cli, "cutover.toml", "there/cutover.toml")
    monkeypatch.setattr("cutover_harness.channels.file.LOCK_WAIT_S", 0.01)
    arguments = ("file", "set", "--yes", "--deadline", "0.1", "cutover.toml", "there/cutover.toml")
    with FileLock(Path("there/.cutover.toml.lock")):
        code, out, _ = cli(*arguments, "all.consumers=hold")
    assert code == 1
    assert "file:cutover.toml: generation 2\nlacks generation 2: file:there/cutover.toml: there/" in out
    assert "repeat `kafka-cutover file set` with these channels, without a change" in out
    code, out, _ = cli(*arguments[:3], *arguments[5:])
    assert (code, out) == (0, "file:cutover.toml: generation 2\nfile:there/cutover.toml: generation 2\n")


@pytest.mark.parametrize("change", [("all.consumers=hold",), ("all.consumers=hold", "--unsigned")])
def test_a_signed_document_is_not_replaced_by_an_unsigned_one(cli: Cli, change: tuple[str, ...]) -> None:
    new(cli, key="key")
    err = refused(cli, "set", "--yes", "cutover.toml", *change)
    assert "file:cutover.toml: the present document is signed, and applications with a key refuse an unsigned" in err
    assert "give --key" in err
    text = Path("cutover.toml").read_text(encoding="utf-8")
    Path("cutover.toml").write_text(text.replace("hmac-sha256", "hmac-sha999"), encoding="utf-8")
    assert "the present document is signed" in refused(cli, "set", "--yes", "cutover.toml", *change), "and malformed"
    Path("cutover.toml").write_text(text, encoding="utf-8")
    assert cli("file", "set", "--yes", "cutover.toml", "all.consumers=hold", "--key", "${file:key}")[0] == 0


def test_a_signed_document_of_any_channel_and_of_the_copy_stays_signed(cli: Cli) -> None:
    new(cli, "signed.toml", key="key")
    new(cli, "cutover.toml")
    assert cli("file", "set", "--yes", "cutover.toml", "all.consumers=hold")[0] == 0, "no document here is signed"
    for more in ((), ("all.consumers=source",)):
        err = refused(cli, "set", "--yes", "cutover.toml", "signed.toml", *more)
        assert "file:signed.toml: the present document is signed" in err
    Path("signed.toml").unlink()  # its copy is still there
    assert "the present document is signed" in refused(cli, "set", "--yes", "signed.toml", "all.consumers=hold")


def test_a_signed_document_is_copied_as_it_is_without_its_key(cli: Cli) -> None:
    new(cli, "a.toml", "b.toml", key="key")
    old = Path("b.toml").read_bytes()
    assert cli("file", "set", "--yes", "a.toml", "all.consumers=hold", "--key", "${file:key}")[0] == 0
    assert Path("b.toml").read_bytes() == old
    assert cli("file", "set", "a.toml", "b.toml")[0] == 0
    assert b"generation = 2" in verify(Path("b.toml").read_bytes(), [KEY.encode()])


def test_with_another_key_the_key_is_to_be_checked(cli: Cli) -> None:
    new(cli, "signed.toml", key="key")
    new(cli, "unsigned.toml")
    change = ("--yes", "all.consumers=hold", "--key", "${file:other}")
    err = refused(cli, "set", "signed.toml", *change)
    assert "with another key: check the key: file:signed.toml has a document that it does not verify\n" in err
    err = refused(cli, "set", "signed.toml", "unsigned.toml", *change)
    assert err.endswith(
        "check the key: file:signed.toml and file:unsigned.toml have documents that it does not verify\n"
    )
    Path("empty.toml").touch()
    err = refused(cli, "set", "empty.toml", *change)
    assert "check the key" not in err
    assert "put the last one back" in err


def test_init_asks_as_set_does(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    assert INIT[-1] == "--yes"
    err = refused(cli, "init", "cutover.toml", "second.toml", *INIT[:-1])
    assert "file:cutover.toml, file:second.toml: no terminal to confirm the change: give --yes; nothing was" in err
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    questions: list[str] = []

    def confirm(question: str) -> bool:
        questions.append(question)
        return len(questions) > 1

    monkeypatch.setattr("typer.confirm", confirm)
    assert "not confirmed; nothing was changed" in refused(cli, "init", "cutover.toml", *INIT[:-1])
    assert cli("file", "init", "cutover.toml", *INIT[:-1])[0] == 0
    assert questions == ["Write generation 1 to file:cutover.toml?"] * 2


def test_a_fleet_without_signatures_gets_its_first_one(cli: Cli) -> None:
    new(cli)
    before = parse(Path("cutover.toml").read_text(), {"PW_OF_APPS": "x"})
    code, out, err = cli("file", "sign", "cutover.toml", "--key", "${file:key}", "--yes")
    assert (code, err) == (0, ""), out
    body = verify(Path("cutover.toml").read_bytes(), [KEY.encode()]).decode()
    after = parse(body, {"PW_OF_APPS": "x"})
    assert (before.generation, after.generation) == (1, 2)
    assert after.routes == before.routes
    code, _, err = cli("file", "set", "cutover.toml", "all.producers=hold", "--key", "${file:key}", "--yes")
    assert (code, err) == (0, "")


@pytest.mark.parametrize("change", ["all.consumers=hold", None])
def test_what_another_writer_does_before_the_answer_is_not_overwritten(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, change: str | None
) -> None:
    new(cli)
    document = Path("cutover.toml").read_text(encoding="utf-8")

    def confirm(_question: str) -> bool:
        if change is not None:
            assert cli("file", "set", "--yes", "cutover.toml", change)[0] == 0
        else:
            Path("cutover.toml").write_text(document.replace("generation = 1", "generation = 9"), encoding="utf-8")
        return True

    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("typer.confirm", confirm)
    code, _, err = cli("file", "sign", "cutover.toml", "--key", "${file:key}")
    assert (code, "changed the document in the meantime" in err) == (2, True)
    assert f"generation = {9 if change is None else 2}" in Path("cutover.toml").read_text(encoding="utf-8")
    assert "cutover-signature" not in Path("cutover.toml").read_text(encoding="utf-8")


def test_what_cannot_be_signed_is_refused(cli: Cli) -> None:
    new(cli)
    assert "needs --key" in refused(cli, "sign", "cutover.toml", "--yes")
    assert "no terminal" in refused(cli, "sign", "cutover.toml", "--key", "${file:key}")
    assert "No such file" in refused(cli, "sign", "missing.toml", "--key", "${file:key}", "--yes")
    new(cli, "signed.toml", key="key")
    assert "is signed already" in refused(cli, "sign", "signed.toml", "--key", "${file:other}", "--yes")


def test_a_lease_of_somebody_else_refuses_a_change_until_it_has_expired(cli: Cli, tmp_path: Path) -> None:
    new(cli)
    now = time.time()
    holder = Holder("bob@ops2", 22, "run", "shop", "/home/bob/shop.run", "another machine", 5)
    file = LeaseFile(tmp_path / ".cutover.toml.lease")
    held = Lease("a", 1, holder, now, now + 600, 600)
    file.offer(held)
    route = next(iter(tomllib.loads(Path("cutover.toml").read_text())["routes"]))
    change = ("set", "cutover.toml", f"{route}.consumers=hold", "--yes")
    said = refused(cli, *change)
    assert "bob@ops2 (kafka-cutover run, process 22, batch shop, run /home/bob/shop.run) holds the lease" in said
    file.offer(held.renewed(now - 900))  # expired
    assert cli("file", *change)[0] == 0
