"""Rules about the clients of applications, by their own properties; values that may be secret are never printed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cutover_harness.preflight.clusters import CLOUD, MEASURED
from cutover_harness.preflight.model import Client, Finding, Group, Inventory, Severity, number
from cutover_harness.words import listed

ADVICE = "AutoMQ's advice on clients"
# Time without acknowledgements while the only broker of a cluster is killed and restarted.
OUTAGE_MS = 25_000
_AMPLE_MS = 60_000
UNKNOWN_PRODUCER_S = 120
COMMIT_MS = 250
TRANSACTION_MS = 1_250
_CLOUD_FETCH = 55 * 1024 * 1024
_MIB = 1 << 20

_ACKS = ("acks", "request.required.acks")
_UNSAFE, _SAFE = ("0", "1"), ("all", "-1")
_DELIVERY = ("delivery.timeout.ms", "message.timeout.ms")
_IN_FLIGHT = ("max.in.flight.requests.per.connection", "max.in.flight")
_LINGER = ("linger.ms", "queue.buffering.max.ms")
_FETCH = ("max.partition.fetch.bytes", "fetch.message.max.bytes")
_REQUEST = ("max.request.size", "message.max.bytes")
_DEFAULT_REQUEST = 1_000_000
"""librdkafka's limit of a record before compression; the Java client's is 5 % higher."""
_MALFORMED_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_FROM_THE_START = frozenset({"earliest", "smallest", "beginning"})
_FAILS = frozenset({"none", "error"})
_METADATA = ("metadata.max.age.ms", "topic.metadata.refresh.interval.ms")


def acknowledgements(inventory: Inventory) -> Iterator[Finding]:
    """Find producers that do not wait for the upload of the log."""
    of_file = inventory.plan.target_acks
    if of_file in _UNSAFE:
        yield _unsafe("cutover file", of_file, 'set "acks" = "all" under [clusters.target]')
    for file, client in inventory.clients.items():
        acks = client.get(*_ACKS)
        if acks in _UNSAFE and of_file in _SAFE:
            yield Finding(
                "acks",
                Severity.NOTE,
                f"client {file}",
                f"has acks={acks}, and the cutover file sets acks={of_file} for the target",
                MEASURED,
                "make sure that this client uses the shim: the cutover file does not affect others",
            )
        elif acks in _UNSAFE:
            yield _unsafe(
                f"client {file}",
                acks,
                'set acks=all, or set it in the cutover file ("acks" = "all" under [clusters.target]) and name that '
                "file with --cutover-file",
            )
        elif acks is None and client.properties.keys() & {"key.serializer", "value.serializer"}:
            yield Finding(
                "acks",
                Severity.NOTE,
                f"client {file}",
                "leaves acks to the client, which is 1 in Java clients before 3.0",
                "KIP-679",
                "set acks=all",
            )


def _unsafe(subject: str, acks: str | None, remedy: str) -> Finding:
    return Finding(
        "acks",
        Severity.BLOCKER,
        subject,
        f"has acks={acks}: AutoMQ acknowledges before it uploads its log, so a broker that dies loses acknowledged "
        "records (182 of 2,561 when one was killed; with acks=all 0 of 1,608)",
        MEASURED,
        remedy,
    )


def delivery_timeout(inventory: Inventory) -> Iterator[Finding]:
    """Compare a producer's delivery timeout with the outage of a killed single broker."""
    for file, client in inventory.clients.items():
        timeout = client.number(*_DELIVERY)
        if timeout is not None and 0 < timeout < _AMPLE_MS:
            short = timeout <= OUTAGE_MS
            yield Finding(
                "delivery-timeout",
                Severity.WARNING if short else Severity.NOTE,
                f"client {file}",
                f"fails a record after {timeout / 1000:g} s: when an AutoMQ broker was killed and restarted, nothing "
                "was acknowledged for about 25 s (no record was lost)"
                + ("" if short else ", plus the hold during the switch"),
                MEASURED,
                f"set delivery.timeout.ms to {_AMPLE_MS} or more, plus the longest hold",
            )


def giving_up(inventory: Inventory) -> Iterator[Finding]:
    """Find other limits that make a producer fail before its delivery timeout."""
    for file, client in inventory.clients.items():
        retries = client.number("retries", "message.send.max.retries")
        block = client.number("max.block.ms")
        request = client.number("request.timeout.ms")
        wrong = []
        if retries is not None and retries < 10:
            wrong.append(f"retries={retries}")
        if block is not None and block <= OUTAGE_MS:
            wrong.append(f"max.block.ms={block}")
        if request is not None and request <= 1000:
            wrong.append(f"request.timeout.ms={request} (one write takes {COMMIT_MS} ms without any load)")
        if wrong:
            yield Finding(
                "gives-up-early",
                Severity.WARNING,
                f"client {file}",
                f"has {', '.join(wrong)}: it fails within the 25 s that the restart of a killed broker takes",
                MEASURED,
                "leave retries, max.block.ms and request.timeout.ms at their defaults, and limit the time with "
                "delivery.timeout.ms alone",
            )


def unknown_producer(inventory: Inventory) -> Iterator[Finding]:
    """Find idempotent producers, whose next write may be refused after a partition was opened."""
    for file, client in inventory.clients.items():
        if (client.get("enable.idempotence") or "").lower() == "true" or client.get("transactional.id"):
            yield Finding(
                "unknown-producer",
                Severity.WARNING,
                f"client {file}",
                f"is idempotent: for {UNKNOWN_PRODUCER_S} s after a partition was opened (a restart, or a move by the "
                "balancer) AutoMQ answers OUT_OF_ORDER_SEQUENCE to a producer that it does not know and that is not at "
                "sequence 0, which can be fatal to a librdkafka client",
                "AutoMQ issues 509 and 584, librdkafka issue 3584",
                "restart the client at a fatal error (a supervisor, or the application itself), and rehearse a target "
                "broker that is killed",
            )


def one_at_a_time(inventory: Inventory) -> Iterator[Finding]:
    """Find clients that wait for each write: they are as slow as the write-ahead log."""
    for file, client in inventory.clients.items():
        if client.number(*_IN_FLIGHT) == 1:
            yield Finding(
                "one-in-flight",
                Severity.WARNING,
                f"client {file}",
                f"has one request in flight: with {COMMIT_MS} ms per write that is 4 requests/s per connection",
                MEASURED,
                "set enable.idempotence=true and max.in.flight.requests.per.connection=5, which keeps the order too",
            )
        if (client.get("enable.auto.commit") or "").lower() == "false":
            yield Finding(
                "sync-commit",
                Severity.WARNING,
                f"client {file}",
                f"commits by itself: each synchronous commit takes {COMMIT_MS} ms, so a commit after every "
                "record allows 4 records per second",
                MEASURED,
                "commit asynchronously, or per batch; measure it in a rehearsal with the application's own commits",
            )


def transactions(inventory: Inventory) -> Iterator[Finding]:
    """Find transactional producers: small transactions take more than a second."""
    for file, client in inventory.clients.items():
        if client.get("transactional.id"):
            timeout = client.number("transaction.timeout.ms")
            short = timeout is not None and timeout <= OUTAGE_MS
            yield Finding(
                "transactions",
                Severity.WARNING,
                f"client {file}",
                f"is transactional: a small transaction takes {TRANSACTION_MS / 1000:g} s, init_transactions 1.2 s"
                + (f", and transaction.timeout.ms={timeout} expires before a killed broker is back" if short else ""),
                MEASURED,
                "put more records into a transaction"
                + (f", and set transaction.timeout.ms to {_AMPLE_MS}" if short else ""),
            )


def recommended(inventory: Inventory) -> Iterator[Finding]:
    """Compare clients with AutoMQ's recommended settings."""
    for file, client in inventory.clients.items():
        advice = [
            *(_of_producers(client) if client.produces else ()),
            *(_of_consumers(client) if client.consumes else ()),
        ]
        age = client.number(*_METADATA)
        if (client.produces or client.consumes) and (age is None or age > 60_000):
            advice.append("metadata.max.age.ms=60000 (partitions move by themselves)")
        if advice:
            yield Finding(
                "client-settings",
                Severity.NOTE,
                f"client {file}",
                "is not set as AutoMQ recommends: its writes are batched for 250 ms, so larger batches cost nothing",
                ADVICE,
                f"consider {', '.join(advice)}",
            )


def _of_producers(client: Client) -> Iterator[str]:
    if (client.number(*_LINGER) or 0) < 100:
        yield "linger.ms=100"
    if (client.number("batch.size") or 0) < _MIB:
        yield f"batch.size={_MIB}"
    if (client.number(*_REQUEST) or 0) < 16 * _MIB:
        yield f"max.request.size={16 * _MIB}"


def _of_consumers(client: Client) -> Iterator[str]:
    if (client.number(*_FETCH) or 0) < 8 * _MIB:
        yield f"max.partition.fetch.bytes={8 * _MIB}"


def client_id(inventory: Inventory) -> Iterator[Finding]:
    """Find client ids that AutoMQ cannot decode: it decodes an id with = like a query string."""
    for file, client in inventory.clients.items():
        given = client.get("client.id") or ""
        if "=" in given and _MALFORMED_ESCAPE.search(given):
            yield Finding(
                "client-id",
                Severity.BLOCKER,
                f"client {file}",
                f"has client.id={given}, with = and a % that is not followed by two hexadecimal digits: AutoMQ drops "
                "every request of this client",
                MEASURED,
                "choose a client.id without %, or without =",
            )


def offset_reset(inventory: Inventory) -> Iterator[Finding]:
    """Find consumers that start at the end of partitions without an offset."""
    for file, client in inventory.clients.items():
        group = client.get("group.id")
        reset = (client.get("auto.offset.reset") or "").lower()
        if not group or reset in _FROM_THE_START:
            continue
        found = f"auto.offset.reset={reset}" if reset else "no auto.offset.reset, which means latest"
        known = inventory.source.groups.get(group)
        missing = [] if known is None else _never_committed(known, inventory)
        if missing:
            where = f"in {listed(missing)}, which group {group} has never committed,"
        elif known is None or not known.offsets:
            where = f"in each partition that group {group} has never committed"
        else:
            where = "in partitions that are added later"
        if reset in _FAILS:
            happens = f"{where.rstrip(',')} it fails on the target"
        else:
            happens = f"{where} it starts at the end on the target and skips the records before"
        yield Finding(
            "offset-reset",
            Severity.NOTE if known is not None and known.offsets and not missing else Severity.WARNING,
            f"client {file}",
            f"has {found}: {happens}, as MirrorMaker 2 translates only committed offsets",
            "Kafka's auto.offset.reset",
            "set auto.offset.reset=earliest until the group has committed on the target, or commit the group's "
            "position in every partition on the source before it is switched",
        )


def _never_committed(group: Group, inventory: Inventory) -> list[str]:
    return [
        f"{name}-{partition}"
        for name in group.topics
        if (topic := inventory.source.topics.get(name)) is not None
        for partition in range(topic.partitions)
        if (name, partition) not in group.offsets
    ]


def only_compressed(inventory: Inventory) -> Iterator[Finding]:
    """Find producers whose records may fit into their topics only if compressed."""
    for file, client in inventory.clients.items():
        codec = (client.get("compression.type", "compression.codec") or "none").lower()
        limit = client.number(*_REQUEST) or _DEFAULT_REQUEST
        found = [
            f"{name} ({most})"
            for name, topic in sorted(inventory.source.topics.items())
            if (most := number(topic.config.get("max.message.bytes"))) is not None and most < limit
        ]
        if codec != "none" and client.produces and found:
            yield Finding(
                "only-compressed",
                Severity.WARNING,
                f"client {file}",
                f"compresses with {codec} and may send records of {limit} bytes, more than max.message.bytes of topics "
                f"{listed(found)}: they fit only compressed, and MirrorMaker 2 by itself writes uncompressed and stops "
                "at the first one that does not fit",
                "Kafka's max.message.bytes, which limits the compressed batch",
                "mirror with kafka-cutover, which compresses as strongly as the topics need, or raise "
                "max.message.bytes of these topics on the target",
            )


def fetch_limit(inventory: Inventory) -> Iterator[Finding]:
    """Find consumers whose fetches exceed AutoMQ Cloud's limit."""
    for file, client in inventory.clients.items():
        most = client.number("fetch.max.bytes")
        if most is not None and most > _CLOUD_FETCH:
            yield Finding(
                "cloud-fetch",
                Severity.NOTE,
                f"client {file}",
                f"has fetch.max.bytes={most}, above AutoMQ Cloud's 55 MB",
                CLOUD,
                "nothing for self-hosted AutoMQ; expect smaller answers from AutoMQ Cloud",
            )


RULES = (
    acknowledgements,
    delivery_timeout,
    giving_up,
    unknown_producer,
    one_at_a_time,
    transactions,
    recommended,
    client_id,
    offset_reset,
    only_compressed,
    fetch_limit,
)
