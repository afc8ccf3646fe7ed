"""The status socket: what happens in the mail process, told to whoever connects, and the verbs it obeys.

Newline-delimited JSON on a Unix socket that the owner's group may use (0660). A client gets the snapshot at once; then
each event as it happens, a snapshot soon after one that changed it, and a snapshot every 5 s as a sign of life. A client
that does not read is dropped: nobody makes the mail wait. Verbs are answered by one `Answer` line:
  snapshot · follow (types: which lines to send) · event (publish what another process did) · what `verbs` adds
Whoever may open the socket may do all of this; keeping strangers out is the file's mode.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from . import lines
from .board import Board
from .bus import Bus
from .client import ANSWER_WITHIN_S, StatusClient
from .events import Event
from .lines import Answer, LineFault, Told

__all__ = ["AsyncStatusClient", "StatusClient", "StatusServer", "VerbHandler", "VerbRefused"]

log = logging.getLogger("merpati.status")

HEARTBEAT_S = 5.0
GATHER_S = 0.1  # a burst of events makes one snapshot line, not many
BEHIND_MOST_OCTETS = 256 * 1024  # what may wait for a client that reads slowly
CLIENTS_MOST = 64

VerbHandler = Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any] | None]]
"""Is given the whole question, returns what the answer carries. Raises VerbRefused."""


class VerbRefused(Exception):
    """str() is the sentence that the asker reads."""


@dataclass(slots=True, eq=False)
class _Follower:
    writer: asyncio.StreamWriter
    types: frozenset[str] = frozenset()

    def wants(self, type_name: str) -> bool:
        return not self.types or type_name in self.types


class StatusServer:
    """A component: start, stop, health."""

    def __init__(self, path: Path, bus: Bus, board: Board, verbs: Mapping[str, VerbHandler]) -> None:
        """board: subscribed to the same bus before this server is started; verbs: name → handler."""
        self._path = path
        self._bus = bus
        self._board = board
        self._verbs: dict[str, VerbHandler] = {"snapshot": self._tell_snapshot, "event": self._publish, **verbs}
        self._followers: set[_Follower] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._heart: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[], None] | None = None
        self._soon: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Raises OSError when the path cannot be used, or another mail process answers on it."""
        self._server = await asyncio.start_unix_server(
            self._serve, sock=listen(self._path), limit=lines.LINE_MOST_OCTETS
        )
        self._unsubscribe = self._bus.subscribe(self._hear)
        self._heart = asyncio.create_task(self._beat())

    async def stop(self) -> None:
        if self._unsubscribe:
            self._unsubscribe()
        if self._soon:
            self._soon.cancel()
            self._snapshot_now()  # the last words, such as "stopping"
        if self._server:
            self._server.close()
        ending = [task for task in (self._heart, *self._tasks) if task]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)
        if self._server:
            self._path.unlink(missing_ok=True)
        self._unsubscribe = self._soon = self._server = self._heart = None

    def health(self) -> str | None:
        if self._heart is None or self._heart.done():
            return "the status socket is closed"
        return None

    # -- what is told

    def _hear(self, event: Event) -> None:
        if not self._followers:
            return
        self._tell(type(event).__name__, event)
        if self._soon is None:
            self._soon = asyncio.get_running_loop().call_later(GATHER_S, self._snapshot_now)

    def _snapshot_now(self) -> None:
        self._soon = None
        self._tell("Snapshot", self._board.snapshot)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_S)
            self._tell("Snapshot", self._board.snapshot)

    def _tell(self, type_name: str, value: Event | msgspec.Struct) -> None:
        wanting = [follower for follower in self._followers if follower.wants(type_name)]
        if not wanting:
            return
        line = lines.encode(value)  # type: ignore[arg-type]
        for follower in wanting:
            self._write(follower, line)

    def _write(self, follower: _Follower, line: bytes) -> None:
        transport = follower.writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > BEHIND_MOST_OCTETS:
            log.warning("a reader of the status socket fell behind and was dropped")
            self._followers.discard(follower)
            transport.abort()
            return
        follower.writer.write(line)

    # -- what is asked

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._followers) >= CLIENTS_MOST:
            log.warning("more than %d clients on the status socket: one was turned away", CLIENTS_MOST)
            writer.close()
            return
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        follower = _Follower(writer)
        self._followers.add(follower)
        try:
            self._write(follower, lines.encode(self._board.snapshot))
            while line := await reader.readuntil(b"\n"):
                self._write(follower, lines.encode(await self._answer(follower, line)))
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ConnectionError, asyncio.CancelledError):
            pass  # it left, it talks nonsense, or we are stopping
        finally:
            self._followers.discard(follower)
            with contextlib.suppress(ConnectionError, RuntimeError):
                writer.close()

    async def _answer(self, follower: _Follower, line: bytes) -> Answer:
        try:
            question = lines.decode_question(line)
            verb = question["verb"]
            if verb == "follow":
                follower.types = _types(question)
                return Answer(ok=True)
            handler = self._verbs.get(verb)
            if handler is None:
                raise VerbRefused(
                    f"there is no verb {verb!r}; there are: {', '.join(sorted([*self._verbs, 'follow']))}"
                )
            return Answer(ok=True, result=dict(await handler(question) or {}))
        except (LineFault, VerbRefused) as refusal:
            return Answer(ok=False, error=str(refusal))
        except Exception:
            log.exception("the status socket could not do %r", line[:200])
            return Answer(ok=False, error="something went wrong here; the log says what")

    async def _tell_snapshot(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"snapshot": msgspec.to_builtins(self._board.snapshot)}

    async def _publish(self, question: Mapping[str, Any]) -> None:
        self._bus.publish(lines.event_of(question.get("event")))


def _types(question: Mapping[str, Any]) -> frozenset[str]:
    types = question.get("types", [])
    if not isinstance(types, list) or not all(isinstance(name, str) for name in types):
        raise LineFault('"types" is a list of names')
    if unknown := set(types) - lines.KNOWN_TYPES:
        raise VerbRefused(f"there is no type {sorted(unknown)[0]!r}")
    return frozenset(types)


def listen(path: Path) -> socket.socket:
    """A listening Unix socket with mode 0660. What a dead process left behind is replaced; a living one is left alone."""
    path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    if _answers(path):
        raise FileExistsError(f"another mail process answers on {path}")
    # The name appears with its mode already right: bound beside it, then moved there.
    beside = path.with_name(path.name + "~")
    beside.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(beside))
        os.chmod(beside, 0o660)
        listener.listen(CLIENTS_MOST)
        os.replace(beside, path)
    except OSError:
        listener.close()
        raise
    return listener


def _answers(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        return True


class AsyncStatusClient:
    """The same as `StatusClient`, for programs with an event loop."""

    def __init__(self, path: Path | str) -> None:
        self._path = str(path)

    async def ask(self, question: Mapping[str, Any] | str, **fields: Any) -> dict[str, Any] | None:
        return await asyncio.to_thread(StatusClient(self._path, ANSWER_WITHIN_S).ask, question, **fields)

    async def events(self, types: tuple[str, ...] = ()) -> AsyncIterator[Told]:
        """Snapshots and events as they happen, a snapshot first. Ends when the line breaks or nobody listens."""
        try:
            reader, writer = await asyncio.open_unix_connection(self._path, limit=lines.LINE_MOST_OCTETS)
        except OSError:
            return
        try:
            if types:
                writer.write(lines.encode({"verb": "follow", "types": list(types)}))
            while line := await reader.readline():
                heard = lines.decode(line)
                if heard is not None and not isinstance(heard, Answer):
                    yield heard
        except (OSError, ValueError, LineFault):
            return
        finally:
            writer.close()
