"""The embedded S3 store with real calls: what AutoMQ's storage asks of one, and the testbed's own buckets."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from botocore.config import Config
from cutover_harness.errors import UsageError
from cutover_harness.processes import Process, spawn
from cutover_harness.testbed import s3
from cutover_harness.testbed.automq.testbed import _await_store
from cutover_harness.testbed.ports import Ports
from cutover_harness.testbed.s3 import Buckets, S3Store, embedded_store

from tests.embedded_store import started_store


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Store]:
    with started_store(tmp_path_factory.mktemp("s3") / "log") as found:
        yield found


@pytest.fixture
def bucket(store: S3Store) -> Iterator[tuple[Any, str]]:
    """A client and the name of a new bucket."""
    buckets = Buckets(store)
    buckets.create()
    client = store.client(config=Config(s3={"addressing_style": "path"}, proxies={}))
    yield client, buckets.data
    buckets.remove()


def test_ranges_of_a_written_object_are_read(bucket: tuple[Any, str]) -> None:
    client, name = bucket
    client.put_object(Bucket=name, Key="a/b", Body=b"0123456789", Tagging="cluster=c")
    for asked, expected in (("bytes=2-4", b"234"), ("bytes=7-", b"789"), ("bytes=0-0", b"0")):
        assert client.get_object(Bucket=name, Key="a/b", Range=asked)["Body"].read() == expected
    with pytest.raises(client.exceptions.NoSuchKey):
        client.get_object(Bucket=name, Key="none")
    with pytest.raises(client.exceptions.ClientError, match="InvalidRange"):
        client.get_object(Bucket=name, Key="a/b", Range="bytes=20-30")


def test_an_object_is_composed_of_parts_and_copied_ranges(bucket: tuple[Any, str]) -> None:
    """AutoMQ's compaction copies ranges of old objects into parts of new ones."""
    client, name = bucket
    client.put_object(Bucket=name, Key="old", Body=b"abcdefgh")
    upload = {
        "Bucket": name,
        "Key": "new",
        "UploadId": client.create_multipart_upload(Bucket=name, Key="new")["UploadId"],
    }
    first = client.upload_part(**upload, PartNumber=1, Body=b"x" * (5 << 20))
    source = {"Bucket": name, "Key": "old"}
    second = client.upload_part_copy(**upload, PartNumber=2, CopySource=source, CopySourceRange="bytes=2-4")
    parts = [
        {"PartNumber": 1, "ETag": first["ETag"]},
        {"PartNumber": 2, "ETag": second["CopyPartResult"]["ETag"]},
    ]
    client.complete_multipart_upload(**upload, MultipartUpload={"Parts": parts})
    assert client.head_object(Bucket=name, Key="new")["ContentLength"] == (5 << 20) + 3
    assert client.get_object(Bucket=name, Key="new", Range=f"bytes={(5 << 20) - 1}-")["Body"].read() == b"xcde"


def test_many_objects_are_listed_in_pages_and_deleted_together(bucket: tuple[Any, str]) -> None:
    client, name = bucket
    for number in range(25):
        client.put_object(Bucket=name, Key=f"wal/{number:05}", Body=b"x")
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=name, Prefix="wal/", MaxKeys=10)
    found = [[entry["Key"] for entry in page["Contents"]] for page in pages]
    assert [len(page) for page in found] == [10, 10, 5]
    keys = [key for page in found for key in page]
    assert keys == [f"wal/{number:05}" for number in range(25)]
    # One that does not exist counts as deleted, as in S3.
    doomed = [{"Key": key} for key in [*keys[:19], "none"]]
    answer = client.delete_objects(Bucket=name, Delete={"Objects": doomed})
    assert (len(answer["Deleted"]), answer.get("Errors")) == (20, None)
    assert client.list_objects_v2(Bucket=name, Prefix="wal/")["KeyCount"] == 6


def test_a_body_is_requested_once(store: S3Store) -> None:
    """AWS's Java client sends `Expect: 100-continue`, and takes a second answer of that kind for the response."""
    port = int(store.endpoint.rpartition(":")[2])
    head = "PUT /kafka-cutover-x HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(head.encode())
        said = connection.recv(1000)
        connection.sendall(b"  ")
        connection.shutdown(socket.SHUT_WR)
        while more := connection.recv(1000):
            said += more
    assert said.count(b"100 Continue") == 1
    assert said.count(b"HTTP/1.1 ") == 2


def test_buckets_are_new_and_removed_with_their_objects(store: S3Store, bucket: tuple[Any, str]) -> None:
    client, _ = bucket
    mine, others = Buckets(store), Buckets(store)
    mine.create()
    assert not {mine.data, mine.ops} & {others.data, others.ops}
    for number in range(3):
        client.put_object(Bucket=mine.data, Key=str(number), Body=b"x")
    others.remove()
    assert {mine.data, mine.ops} <= {b["Name"] for b in client.list_buckets()["Buckets"]}
    mine.remove()
    assert not {mine.data, mine.ops} & {b["Name"] for b in client.list_buckets()["Buckets"]}
    assert mine.made == ()


def test_buckets_are_created_in_any_region(store: S3Store, bucket: tuple[Any, str]) -> None:
    client, _ = bucket
    there = Buckets(replace(store, region="eu-west-1"))
    there.create()
    assert client.get_bucket_location(Bucket=there.data)["LocationConstraint"] == "eu-west-1"
    there.remove()


def test_interrupted_uploads_and_missing_objects_are_no_error(store: S3Store) -> None:
    buckets = Buckets(store)
    buckets.create()
    buckets._client.delete_bucket(Bucket=buckets.ops)
    buckets.remove()
    assert buckets.made == ()


def test_a_store_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3, "_TIMEOUT_S", 1)
    ports = Ports()
    gone = embedded_store(ports.take())
    with pytest.raises(UsageError, match=rf"S3 store {gone.endpoint}: create_bucket of bucket kafka-cutover-") as wrong:
        Buckets(gone).create()
    ports.release()
    assert gone.secret_key not in str(wrong.value)
    assert "\n" not in str(wrong.value)


def test_a_store_that_does_not_start_reports_the_reason(tmp_path: Path) -> None:
    process: Process = spawn([sys.executable, "-c", "raise SystemExit('no such luck')"], stdout=tmp_path / "log")
    ports = Ports()
    with pytest.raises(UsageError, match="embedded S3 store does not serve: no such luck"):
        _await_store(process, embedded_store(ports.take()))
    ports.release()


def test_a_missing_package_is_named_with_the_command_that_installs_it(tmp_path: Path) -> None:
    process = spawn([sys.executable, "-c", "import no_such_moto"], stdout=tmp_path / "log")
    ports = Ports()
    with pytest.raises(UsageError, match=r"No module named 'no_such_moto' \(pip install 'kafka-cutover\[automq\]'\)"):
        _await_store(process, embedded_store(ports.take()))
    ports.release()
