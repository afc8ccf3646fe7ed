"""What can need the owner, in words: what is wrong, and what to do about it.

One table for log, page, command line and LEDs. A room that finds trouble publishes `found(…)`, and `ProblemSolved` when
it is over; the page translates by `id` and `params`. Sentences name the thing, the effect and the next step, no blame.
"""

from __future__ import annotations

from dataclasses import dataclass

from .events import ProblemFound, Severity


@dataclass(slots=True, frozen=True)
class Words:
    what: str
    do: str
    severity: Severity = Severity.NEEDS_YOU


WORDS: dict[str, Words] = {
    "bounced": Words(
        "Mail to {recipient} could not be delivered and went back to where it came from.",
        "Read in the trace what the other server said; most often the address is misspelt.",
    ),
    "storage-low": Words(
        "The card is filling up: {free} left.",
        "Delete mail that is not needed, or move to a larger card.",
    ),
    "storage-full": Words(
        "The card is full: {free} left. New mail is asked to come later.",
        "Delete mail now. What is stored is safe, and deleting still works.",
        Severity.DANGER,
    ),
    "storage-failed": Words(
        "The card did not keep what was written to it ({what}).",
        "Make a backup now and replace the card.",
        Severity.DANGER,
    ),
    "card-errors": Words(
        "The file system on the card has noted errors: {count} so far.",
        "Make a backup now and restart, so that the card is checked. If errors come back, replace it.",
        Severity.DANGER,
    ),
    "card-failing": Words(
        "The disk says of itself that it is failing.",
        "Make a backup now and replace the disk.",
        Severity.DANGER,
    ),
    "card-worn": Words(
        "The card is nearly worn out: it says that {used} percent of its life is used, or more.",
        "Make a backup and move to a new card soon.",
    ),
    "card-spare": Words(
        "The card has used up most of its spare blocks.",
        "Make a backup and move to a new card soon.",
    ),
    "card-ending": Words(
        "The card may be worn out within half a year: {per_day} a day are written to it.",
        "Have a new card and a backup ready. If you know what the card endures, set `limits.card_endurance`.",
    ),
    "store-damaged": Words(
        "A part of the mail store cannot be read ({what}). All other mail is kept and delivered as before.",
        "Stop the server and run `merpati doctor --repair`: it saves what can still be read and says what cannot.",
        Severity.DANGER,
    ),
    "store-not-written": Words(
        "The mail store is damaged ({what}), so nothing more is written to it. New mail is asked to come later.",
        "Stop the server and run `merpati doctor --repair`: it saves what can still be read and says what cannot.",
        Severity.DANGER,
    ),
    "store-unusable": Words(
        "The mail store cannot be opened ({what}). New mail is asked to come later.",
        "Stop the server and run `merpati doctor --repair`: it saves what can still be read and says what cannot.",
        Severity.DANGER,
    ),
    "content-damaged": Words(
        "Stored mail does not read back as it was written ({what}).",
        "Stop the server and run `merpati doctor --repair`: it saves what can still be read and says what cannot.",
        Severity.DANGER,
    ),
    "certificate": Words(
        "The certificate cannot be used ({what}), so nobody can sign in safely.",
        "Check tls.certificate and tls.key in merpati.yaml, or remove both to have one made.",
    ),
    "listener": Words(
        "The port for {name} ({port}) could not be opened: {detail}.",
        "Stop the other program that uses the port, or choose another port in merpati.yaml.",
    ),
}


def found(id: str, at: float, *, key: str = "", until: float | None = None, **params: object) -> ProblemFound:
    """A problem with its words filled in. `key` tells apart several of one kind, such as two closed ports.

    Raises: KeyError for an id that has no words.
    """
    words = WORDS[id]
    texts = {name: str(value) for name, value in params.items()}
    return ProblemFound(
        at=at,
        id=f"{id}:{key}" if key else id,
        what=words.what.format_map(texts),
        do=words.do.format_map(texts),
        severity=words.severity,
        params=texts,
        until=until,
    )


def in_words(size_octets: int) -> str:
    """A size as people say it: 1.5 GB, 12 MB, 0 MB."""
    if size_octets >= 1_000_000_000:
        return f"{size_octets / 1_000_000_000:.1f} GB"
    return f"{size_octets // 1_000_000} MB"
