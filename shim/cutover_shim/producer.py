"""The drop-in for confluent_kafka.Producer."""

from __future__ import annotations

import threading
import time
from collections import deque
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.cimpl import Producer as RawProducer

from cutover_shim import config, status, watch
from cutover_shim.cutover_file import Cluster, CutoverFile
from cutover_shim.gate import Callback, Limits
from cutover_shim.lane import CHUNK_S, Lane, Letter

_CALLBACKS = ("error_cb", "stats_cb", "throttle_cb")
_IDLE_S = 0.005


def build_client(raw: Any, conf: dict[str, Any], cluster: Cluster | None) -> Any:
    """Construct a raw client; what it says of a refused property never holds a secret value."""
    try:
        return raw(conf)
    except KafkaException as error:
        if cluster is None or cluster.redact(str(error)) == str(error):
            raise
        cause = error.args[0]
        raise KafkaException(KafkaError(cause.code(), cluster.redact(cause.str()))) from None


class Producer(RawProducer):
    """Producer with the interface of confluent_kafka's, whose cluster can be changed under it.

    Additional properties: `cutover.file`, `cutover.status`, `cutover.instance`, `cutover.route` (docs/shim.md).
    Without a cutover file it is confluent_kafka's Producer, method for method.
    Raises, beside what the client raises, CutoverFileError if the file cannot be used at start-up.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:  # noqa: D102
        if cls is Producer and config.cutover_path(args, kwargs) is None:
            return super().__new__(_PlainProducer)
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        # The base is never initialised: every method is overridden, and this object holds real clients instead.
        chosen = config.settings(args, kwargs)
        self._shim_conf = chosen
        self._shim_lanes: dict[str | None, Lane] = {}
        self._shim_topics: dict[str, Lane] = {}
        self._shim_single: RawProducer | None = None
        self._shim_mail: deque[Letter] = deque()
        self._shim_news = threading.Event()
        self._shim_lock = threading.RLock()
        self._shim_single_lock = threading.Lock()
        self._shim_local = threading.local()
        self._shim_closed = False
        self._shim_file: CutoverFile | None = None
        self._shim_watch: watch.Watch | None = None
        self._shim_status: status.StatusFile | None = None
        self._shim_dirty, self._shim_written = True, 0.0
        self._shim_limits = Limits(chosen.conf)
        self._shim_spare: tuple[str, Any] | None = None
        if chosen.file is None:
            lane = self._shim_new_lane(None)
            lane.adopt("source", self._shim_build("source", None, lane))
            self._shim_refresh()
            return
        self._shim_watch = watch.watcher.follow(chosen.file)
        self._shim_file = self._shim_watch.first()
        if chosen.status:
            self._shim_status = status.StatusFile(chosen.status, chosen.instance)
        self._shim_begin(self._shim_file)
        watch.watcher.attach(self._shim_watch, self)

    # -- building ----------------------------------------------------------------------------------------------------

    def _shim_begin(self, file: CutoverFile) -> None:
        """Open the first lane: of the only route there is, or of the one that is named; else wait for a topic."""
        route = self._shim_conf.route or (next(iter(file.routes)) if len(file.routes) == 1 else None)
        if route is not None and route not in file.routes:
            raise KafkaException(
                KafkaError(KafkaError._INVALID_ARG, f"cutover.route: the cutover file has no route {route!r}")  # noqa: SLF001
            )
        lane = self._shim_open(route)
        if lane.steady is None:
            # Held from the start: the application's mistakes in its configuration are to surface here all the same.
            self._shim_build("source", file, lane).close()

    def _shim_new_lane(self, route: str | None) -> Lane:
        conf = self._shim_conf.conf
        lane = Lane(
            route,
            self._shim_limits,
            self._shim_build,
            self._shim_mail,
            self._shim_changed,
            default=conf.get("on_delivery") or conf.get("dr_cb"),
        )
        self._shim_lanes[route] = lane
        return lane

    def _shim_open(self, route: str | None) -> Lane:
        with self._shim_lock:
            lane = self._shim_lanes.get(route)
            if lane is None:
                lane = self._shim_new_lane(route)
                try:
                    if self._shim_file is not None:
                        lane.start(self._shim_file)
                except BaseException:
                    del self._shim_lanes[route]
                    raise
                self._shim_changed()
            return lane

    def _shim_build(self, cluster: str, file: CutoverFile | None, lane: Lane) -> Any:
        conf, where = self._shim_conf.conf, None
        if file is not None:
            where = file.clusters[cluster]
            conf = config.for_cluster(conf, where)
        conf = dict(conf)
        for name in _CALLBACKS:
            if callable(conf.get(name)):
                conf[name] = lane.defer(conf[name])
        for name in ("on_delivery", "dr_cb"):
            if callable(conf.get(name)):
                conf[name] = lane.wrap(conf[name])
        return build_client(RawProducer, conf, where)

    # -- what the watcher calls --------------------------------------------------------------------------------------

    def _shim_apply(self, file: CutoverFile) -> None:
        with self._shim_lock:
            if self._shim_file is not None and file.generation < self._shim_file.generation:
                return
            self._shim_file = file
            lanes = list(self._shim_lanes.values())
        for lane in lanes:
            lane.want(file)
        self._shim_changed()

    def _shim_tick(self, now: float) -> None:
        for lane in list(self._shim_lanes.values()):
            lane.expire(now)
        if self._shim_status is not None and (self._shim_dirty or now - self._shim_written >= watch.STATUS_EVERY_S):
            self._shim_dirty, self._shim_written = False, now
            self._shim_status.write(self._shim_document())

    def _shim_document(self) -> dict[str, Any]:
        watched = self._shim_watch
        return status.document(
            instance=self._shim_conf.instance,
            role="producer",
            group=None,
            seen_generation=self._shim_file.generation if self._shim_file is not None else -1,
            rejected=watched.rejected if watched is not None else None,
            routes={r: lane.report() for r, lane in list(self._shim_lanes.items()) if r is not None},
            unrouted=sum(1 for lane in list(self._shim_topics.values()) if lane.route is None),
            closed=self._shim_closed,
        )

    def _shim_changed(self) -> None:
        """A lane has changed: which handle may be polled without further ado is decided anew, and the status told."""
        self._shim_refresh()
        self._shim_dirty = True
        self._shim_news.set()
        if self._shim_status is not None:
            watch.watcher.wake()

    def _shim_refresh(self) -> None:
        with self._shim_single_lock:  # reading the lanes and writing the answer is one act: the last change wins
            lanes = list(self._shim_lanes.values())
            self._shim_single = lanes[0].steady if len(lanes) == 1 and not self._shim_mail else None

    # -- producing ---------------------------------------------------------------------------------------------------

    def produce(
        self,
        topic: str,
        value: str | bytes | None = None,
        key: str | bytes | None = None,
        partition: int = -1,
        callback: Callback | None = None,
        on_delivery: Callback | None = None,
        timestamp: int = 0,
        headers: Any = None,
    ) -> None:
        """Produce a message, as the client does; while its route is held it waits in the shim."""
        try:
            lane = self._shim_topics[topic]
            if callback is None:
                callback = on_delivery
            if callback is not None:
                pair = lane.pair
                if pair[0] is not callback:
                    pair = lane.pair = (callback, lane.wrap(callback))
                lane.handle.produce(topic, value, key, partition, pair[1], None, timestamp, headers)
            else:
                lane.handle.produce(topic, value, key, partition, None, None, timestamp, headers)
        except KeyError:
            self._shim_resolve(topic)
            self.produce(topic, value, key, partition, callback, on_delivery, timestamp, headers)
        except RuntimeError:
            # The handle was closed between reading and calling it: it is being switched. Or this producer is closed.
            self._shim_check_open()
            lane = self._shim_topics[topic]
            lane.put(topic, value, key, partition, lane.wrap(callback), timestamp, headers)

    def _shim_resolve(self, topic: Any) -> Lane:
        """Find the lane of a topic that was not produced to before."""
        self._shim_check_open()
        if not isinstance(topic, str):
            raise TypeError(f"argument 1 must be str, not {type(topic).__name__}")
        with self._shim_lock:
            file = self._shim_file
            lane = self._shim_open(file.route_of_topic(topic) if file is not None else None)
            lane.topics.add(topic)
            self._shim_topics[topic] = lane
            return lane

    def _shim_check_open(self) -> None:
        if self._shim_closed:
            raise RuntimeError("Producer has been closed")

    def produce_batch(
        self,
        topic: str,
        messages: list[dict[str, Any]],
        partition: int = -1,
        callback: Callback | None = None,
        on_delivery: Callback | None = None,
    ) -> int:
        """Produce several messages, as the client does; returns how many were taken."""
        if not isinstance(messages, list):
            raise TypeError("messages must be a list")
        lane = self._shim_topics.get(topic) or self._shim_resolve(topic)
        callback = callback if callback is not None else on_delivery
        copies = [
            {**m, "callback": lane.wrap(m["callback"])} if isinstance(m, dict) and m.get("callback") is not None else m
            for m in messages
        ]
        handle = lane.steady
        try:
            if handle is not None:
                taken: int = handle.produce_batch(topic, copies, partition=partition, callback=lane.wrap(callback))
                for mine, theirs in zip(copies, messages, strict=True):
                    if mine is not theirs and "_error" in mine:
                        theirs["_error"] = mine["_error"]
                return taken
        except RuntimeError:
            self._shim_check_open()
        taken = 0
        for message in messages:
            if not isinstance(message, dict):
                raise TypeError("Each message must be a dict")
            try:
                self.produce(
                    topic,
                    message.get("value"),
                    message.get("key"),
                    message.get("partition", partition),
                    message.get("callback", callback),
                    None,
                    message.get("timestamp", 0),
                )
                taken += 1
            except BufferError:
                message["_error"] = KafkaError(KafkaError._QUEUE_FULL)  # noqa: SLF001
            except KafkaException as error:
                message["_error"] = error.args[0]
        return taken

    # -- serving callbacks -------------------------------------------------------------------------------------------

    def poll(self, timeout: float = -1) -> int:
        """Serve callbacks and return how many, as the client does."""
        if timeout == 0:
            single = self._shim_single
            if single is not None:
                try:
                    return single.poll(0)
                except RuntimeError:
                    pass  # closed in between by a switch, or by the application: found out below
        return self._shim_poll(timeout)

    def _shim_poll(self, timeout: float) -> int:
        self._shim_check_open()
        deadline = _deadline(timeout)
        while True:
            self._shim_news.clear()
            served = self._shim_serve_mail()
            handles = [h for h in (lane.steady for lane in self._shim_all()) if h is not None]
            left = _left(deadline)
            for position, handle in enumerate(handles):
                last = position == len(handles) - 1 and not served
                chunk = 0.0 if not last or left == 0 else min(left, CHUNK_S if len(handles) == 1 else _IDLE_S)
                try:
                    served += handle.poll(chunk)
                except RuntimeError:
                    self._shim_check_open()
            if served or _left(deadline) == 0:
                return served
            if not handles:
                self._shim_news.wait(min(_left(deadline), CHUNK_S))
            self._shim_check_open()

    def _shim_all(self) -> list[Lane]:
        return list(self._shim_lanes.values())

    def _shim_serve_mail(self) -> int:
        served = 0
        local = self._shim_local
        while self._shim_mail:
            try:
                letter = self._shim_mail.popleft()
            except IndexError:
                break
            served += 1
            local.cluster = letter.cluster
            local.reading = True
            try:
                letter.call(*letter.args)
            finally:
                local.reading = False
        if served or self._shim_single is None:
            self._shim_refresh()
        return served

    def flush(self, timeout: float = -1) -> int:
        """Wait until everything is delivered and return what is left, as the client does; held messages count."""
        self._shim_check_open()
        deadline = _deadline(timeout)
        while True:
            self._shim_news.clear()
            served = self._shim_serve_mail()
            idle = True
            for lane in self._shim_all():
                with lane.serving:
                    handle = lane.steady
                    if handle is not None and len(handle):
                        idle = False
                        handle.flush(min(_left(deadline), CHUNK_S))
            if not len(self) or _left(deadline) == 0:
                self._shim_serve_mail()
                return len(self)
            if idle and not served:
                self._shim_news.wait(min(_left(deadline), CHUNK_S))
            self._shim_check_open()

    def purge(self, in_queue: bool = True, in_flight: bool = True, blocking: bool = True) -> None:
        """Purge messages, as the client does; those that wait in the shim are in its queue."""
        self._shim_check_open()
        for lane in self._shim_all():
            for handle in (lane.old, lane.steady):
                if handle is not None:
                    handle.purge(in_queue=in_queue, in_flight=in_flight, blocking=blocking)
            if in_queue:
                lane.purge()

    def __len__(self) -> int:
        return sum(map(len, self._shim_all())) + len(self._shim_mail)

    def __bool__(self) -> bool:
        return True

    def cutover_cluster(self, topic: str | None = None) -> str | None:
        """Tell which cluster a topic's messages go to now: "source", "target", or None while they are held.

        Inside a delivery callback: the cluster that this report came from. Without a topic: the cluster of all, if it
        is one.
        """
        if getattr(self._shim_local, "reading", False):
            found: str | None = self._shim_local.cluster
            return found
        if topic is not None:
            lane = self._shim_topics.get(topic) or self._shim_resolve(topic)
            return lane.cluster
        clusters = {lane.cluster for lane in self._shim_all()}
        return clusters.pop() if len(clusters) == 1 else None

    # -- asking the cluster ------------------------------------------------------------------------------------------

    def _shim_any(self, timeout: float) -> Any:
        """Wait for a handle of any lane, as one waits for a cluster that does not answer."""
        deadline = _deadline(timeout)
        while True:
            if self._shim_closed:
                raise RuntimeError("Handle has been closed")
            for lane in self._shim_all():
                handle = lane.steady or lane.old
                if handle is not None:
                    return handle
            if _left(deadline) == 0:
                raise KafkaException(KafkaError(KafkaError._TIMED_OUT, "the route is held: no cluster to ask"))  # noqa: SLF001
            time.sleep(min(_left(deadline), CHUNK_S))

    def list_topics(self, topic: str | None = None, timeout: float = -1) -> Any:
        """Ask for metadata of the cluster in use, as the client does."""
        handle = self._shim_any(timeout)
        return handle.list_topics(timeout=timeout) if topic is None else handle.list_topics(topic, timeout)

    def cluster_id(self, timeout: float = -1) -> str:
        """Ask for the id of the cluster in use, as the client does."""
        found: str = self._shim_any(timeout).cluster_id(timeout)
        return found

    def set_sasl_credentials(self, username: str, password: str) -> None:
        """Set the credentials of the handles in use, as the client does."""
        if self._shim_closed:
            raise RuntimeError("Handle has been closed")
        for lane in self._shim_all():
            for handle in (lane.old, lane.steady):
                if handle is not None:
                    handle.set_sasl_credentials(username, password)

    # -- closing -----------------------------------------------------------------------------------------------------

    def close(self) -> bool:
        """Deliver what is outstanding and close, as the client does.

        Held messages are waited for until their route is released or their delivery timeout has passed: nothing is
        dropped in silence.
        """
        with self._shim_lock:
            if self._shim_closed:
                return True
        self.flush()
        self._shim_closed = True
        for lane in self._shim_all():
            lane.close()
        self._shim_serve_mail()
        self._shim_single = None
        if self._shim_watch is not None:
            watch.watcher.detach(self._shim_watch, self)
        if self._shim_status is not None:
            self._shim_status.write(self._shim_document())
            self._shim_status.close()
        return True

    def __enter__(self) -> Any:
        return self

    def __exit__(self, exc_type: Any, exc_value: Any, exc_traceback: Any) -> bool | None:
        self.close()
        return None


class _PlainProducer(Producer):
    """What `Producer` makes without a cutover file: the client's own methods, with nothing in between."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        args, kwargs = config.plain(args, kwargs)
        RawProducer.__init__(self, *args, **kwargs)

    def cutover_cluster(self, topic: str | None = None) -> str | None:  # noqa: ARG002
        """There is no cutover: the only cluster counts as the source."""
        return "source"


for _name, _method in vars(RawProducer).items():
    if _name not in {"__new__", "__init__", "__doc__"}:
        setattr(_PlainProducer, _name, _method)
_PlainProducer.__name__ = _PlainProducer.__qualname__ = "Producer"


def _deadline(timeout: float) -> float:
    if not isinstance(timeout, int | float):
        raise TypeError(f"must be real number, not {type(timeout).__name__}")
    return float("inf") if timeout < 0 else time.monotonic() + timeout


def _left(deadline: float) -> float:
    return max(0.0, deadline - time.monotonic())
