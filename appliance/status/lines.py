"""What goes over the status socket: one JSON value a line, each with its `type`. Pure.

Server to client: `Snapshot`, any event, and `Answer` to what the client asked. Client to server: an object with a `verb`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import msgspec

from .events import AnyEvent, Event
from .snapshot import Snapshot

LINE_MOST_OCTETS = 256 * 1024

Told = AnyEvent | Snapshot
"""What a follower hears."""


class Answer(msgspec.Struct, frozen=True, tag=True, tag_field="type", kw_only=True):
    """To one verb. `error` is a sentence when it is not ok; `result` is the verb's own."""

    ok: bool
    error: str = ""
    result: dict[str, Any] = {}


class LineFault(Exception):
    """The other side sent what is no line of ours."""


_heard: msgspec.json.Decoder[Told | Answer] = msgspec.json.Decoder(Told | Answer)
_encoder = msgspec.json.Encoder()
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)  # RecursionError: lists in lists in lists


def encode(value: Event | Snapshot | Answer | Mapping[str, Any]) -> bytes:
    return to_json(value) + b"\n"


def to_json(value: object) -> bytes:
    """Never fails over a text. Half a surrogate pair is in none of ours, but one that slipped through must not take what
    is told beside it along; it becomes `?`."""
    try:
        return _encoder.encode(value)
    except UnicodeEncodeError:
        return json.dumps(msgspec.to_builtins(value), ensure_ascii=False).encode("utf-8", "replace")


def decode(line: bytes) -> Told | Answer | None:
    """None for a type this version does not know: a newer server may tell more. Raises LineFault."""
    try:
        return _heard.decode(line)
    except msgspec.ValidationError as fault:
        if _type_of(_value(line)) not in KNOWN_TYPES:
            return None
        raise LineFault(str(fault)) from None
    except _UNREADABLE as fault:
        raise LineFault(str(fault)) from None


def decode_question(line: bytes) -> dict[str, Any]:
    """What a client asks. Raises LineFault."""
    question = _value(line)
    if not isinstance(question, dict) or not isinstance(question.get("verb"), str):
        raise LineFault('an object with a "verb" is expected')
    return question


def event_of(value: object) -> Event:
    """The event that another process sent as JSON. Raises LineFault."""
    try:
        event: Event = msgspec.convert(value, AnyEvent)
    except msgspec.ValidationError as fault:
        raise LineFault(f"this is not an event: {fault}") from None
    return event


KNOWN_TYPES = frozenset({"Snapshot", "Answer", *(kind.__name__ for kind in AnyEvent.__args__)})


def _type_of(value: object) -> str | None:
    found = value.get("type") if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def _value(line: bytes) -> Any:
    try:
        return msgspec.json.decode(line)
    except _UNREADABLE as fault:
        raise LineFault(f"this is not JSON: {fault}") from None
