"""S3 as AutoMQ needs it: a store that is given or an embedded one, and two buckets that are the testbed's own."""

from __future__ import annotations

import configparser
import functools
import secrets
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cutover_harness.errors import UsageError
from cutover_harness.inputs import read_text_input

EXTRA = "pip install 'kafka-cutover[automq]'"
# In this order; the first pair is AutoMQ's own.
_VARIABLES = (("KAFKA_S3_ACCESS_KEY", "KAFKA_S3_SECRET_KEY"), ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))
_TIMEOUT_S = 10
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_BATCH = 1000  # what one DeleteObjects takes


@dataclass(frozen=True)
class S3Store:
    """The address of a store, and credentials for it."""

    endpoint: str
    region: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)

    def client(self, **options: Any) -> Any:
        """Return a client of the store, which needs boto3. options: further ones of `boto3.client`."""
        import boto3  # noqa: PLC0415 - no other testbed needs it

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            **options,
        )


def given_store(endpoint: str, region: str, credentials: Path | None, env: Mapping[str, str]) -> S3Store:
    """Return the store at `endpoint`, with the credentials of a file or of the environment.

    Raises UsageError for an invalid address, and if no credentials are found.
    """
    parts = urllib.parse.urlsplit(endpoint)
    where = f"--s3-endpoint {parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()}"
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.path.strip("/"):
        raise UsageError(f"{where}: expected http://HOST:PORT or https://HOST, without a bucket")
    if parts.username is not None:
        raise UsageError(f"{where}: contains credentials; put them into --s3-credentials or the environment")
    keys = _from_file(credentials) if credentials is not None else _from_environment(env)
    return S3Store(endpoint.rstrip("/"), region, *keys)


def embedded_store(port: int) -> S3Store:
    """Return the store that `s3_server` serves on this port, with credentials made up for it."""
    return S3Store(f"http://127.0.0.1:{port}", "us-east-1", secrets.token_hex(10), secrets.token_hex(20))


def _from_file(file: Path) -> tuple[str, str]:
    where = f"--s3-credentials {file}"
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read_string(read_text_input(file, "--s3-credentials"))
        section = parser["default"]
        return section["aws_access_key_id"], section["aws_secret_access_key"]
    except (configparser.Error, KeyError):
        # Without the cause: it may hold a line of the file.
        raise UsageError(f"{where}: expected [default] with aws_access_key_id and aws_secret_access_key") from None


def _from_environment(env: Mapping[str, str]) -> tuple[str, str]:
    for access, secret in _VARIABLES:
        if env.get(access) and env.get(secret):
            return env[access], env[secret]
    pairs = " or ".join(f"{access} and {secret}" for access, secret in _VARIABLES)
    raise UsageError(f"--s3-endpoint: no credentials; set {pairs}, or name a file with --s3-credentials")


class Buckets:
    """Two new buckets, for data and for operations, with unique names.

    Every method raises UsageError with the store's own reason if it refuses or does not answer.
    """

    def __init__(self, store: S3Store) -> None:
        self._store = store
        name = f"kafka-cutover-{secrets.token_hex(5)}"
        self.data, self.ops = f"{name}-data", f"{name}-ops"
        self._made: list[str] = []

    @property
    def made(self) -> tuple[str, ...]:
        """The names of those that exist because of this object."""
        return tuple(self._made)

    def create(self) -> None:
        """Create both."""
        where = {} if self._store.region == "us-east-1" else {"LocationConstraint": self._store.region}
        options = {"CreateBucketConfiguration": where} if where else {}
        for name in (self.data, self.ops):
            self._made.append(name)  # before, so that an interruption leaves none behind
            try:
                self._call("create_bucket", Bucket=name, **options)
            except UsageError:
                self._made.pop()
                raise

    def remove(self) -> None:
        """Delete what was created, with all that is in there."""
        while self._made:
            name = self._made[-1]
            if not self._exists(name):
                self._made.pop()
                continue
            while keys := [o["Key"] for o in self._call("list_objects_v2", Bucket=name).get("Contents", ())]:
                doomed = [{"Key": key} for key in keys[:_BATCH]]
                answer = self._call("delete_objects", Bucket=name, Delete={"Objects": doomed, "Quiet": True})
                if refused := answer.get("Errors"):
                    why = f"{refused[0].get('Key')}: {refused[0].get('Code')}"
                    raise UsageError(f"S3 store {self._store.endpoint}: bucket {name} cannot be emptied: {why}")
            self._call("delete_bucket", Bucket=name)
            self._made.pop()

    def _exists(self, name: str) -> bool:
        try:
            self._call("head_bucket", Bucket=name)
        except UsageError as why:
            if getattr(why.__cause__, "response", {}).get("Error", {}).get("Code") in {"404", "NoSuchBucket"}:
                return False
            raise
        return True

    @functools.cached_property
    def _client(self) -> Any:
        store = self._store
        try:
            from botocore.config import Config  # noqa: PLC0415 - no other testbed needs it

            return store.client(
                config=Config(
                    connect_timeout=_TIMEOUT_S,
                    read_timeout=_TIMEOUT_S,
                    retries={"max_attempts": 2},
                    s3={"addressing_style": "path"},
                    # Loopback needs no proxy, whatever the environment contains.
                    proxies={} if urllib.parse.urlsplit(store.endpoint).hostname in _LOOPBACK else None,
                )
            )
        except ImportError as why:
            raise UsageError(f"--testbed automq needs {why.name}, which is not installed: {EXTRA}") from why

    def _call(self, what: str, **arguments: Any) -> Any:
        client = self._client
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        try:
            return getattr(client, what)(**arguments)
        except (BotoCoreError, ClientError) as why:
            where = f"S3 store {self._store.endpoint}: {what} of bucket {arguments['Bucket']}"
            raise UsageError(f"{where} failed: {why}") from why
