"""What the owner's pages say, from the state of the appliance. Pure.

Sentences are English with `%(name)s` for what they name; the templates translate them. `N_` marks them for the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from appliance.config import Config
from appliance.leds.signals import SILENT_AFTER_S
from appliance.status.card import Card, Day
from appliance.status.card_words import lifetime, troubles
from appliance.status.events import Phase, Severity
from appliance.status.problems import WORDS as PROBLEM_WORDS
from appliance.status.snapshot import Problem, Snapshot
from appliance.store.queue_rows import QueuedMessage, QueuedRecipient, State


def N_(sentence: str) -> str:
    return sentence


class Tone(StrEnum):
    GOOD = "good"
    BUSY = "busy"
    NEEDS = "needs"
    DANGER = "danger"


@dataclass(slots=True, frozen=True)
class Said:
    """One sentence, what to do about it if anything, and what both name."""

    tone: Tone
    sentence: str
    do: str = ""
    named: Mapping[str, str] = field(default_factory=dict)


def fresh(snapshot: Snapshot | None, now: float) -> Snapshot | None:
    """What cannot be proved is not shown: a state that is too old is none."""
    return snapshot if snapshot is not None and now - snapshot.at <= SILENT_AFTER_S else None


def verdict(snapshot: Snapshot | None, config: Config) -> Said:
    """Is everything well? One sentence."""
    if snapshot is None:
        return Said(
            Tone.DANGER,
            N_("The mail service does not answer."),
            N_("Wait a minute: it starts again by itself. If it stays silent, restart the server."),
        )
    match snapshot.phase:
        case Phase.STARTING | Phase.UNCLAIMED:
            return Said(Tone.BUSY, N_("The mail service is starting."))
        case Phase.UPDATING:
            return Said(Tone.BUSY, N_("The server is being updated. Leave the power on."))
        case Phase.STOPPING:
            return Said(Tone.BUSY, N_("The server is shutting down. Leave the power on until it is done."))
        case Phase.RUNNING:
            pass
    count = str(len(snapshot.problems))
    if any(problem.severity is Severity.DANGER for problem in snapshot.problems):
        return Said(Tone.DANGER, N_("Your mail is at risk. Please act now."))
    if snapshot.queue.stuck:
        return Said(
            Tone.NEEDS,
            N_("Mail is waiting to go out, and nothing has left for half an hour."),
            N_("Open the queue: it says what the other servers answered."),
        )
    if snapshot.problems:
        return Said(Tone.NEEDS, N_("Mail works, but something needs you."), named={"count": count})
    if snapshot.queue.deferred:
        return Said(Tone.GOOD, N_("All is well. A destination is not answering; its mail is tried again by itself."))
    if config.outbound.mode == "off":
        return Said(Tone.GOOD, N_("All is well. Mail comes in; mail to elsewhere waits, as you chose."))
    return Said(Tone.GOOD, N_("All is well: mail comes in and goes out."))


# What each light says with each rhythm, as in the table of the LEDs.
LIGHT_WORDS: dict[str, dict[str, str]] = {
    "power": {
        "off": N_("No power, or no answer."),
        "steady": N_("Running."),
        "slow": N_("Starting, waiting to be set up, or being updated."),
        "fast": N_("Shutting down: wait."),
        "flash": N_("Running."),
    },
    "queue": {
        "off": N_("Nothing is waiting."),
        "steady": N_("Mail is waiting to go out."),
        "slow": N_("A destination is not answering; it is tried again."),
        "fast": N_("Stuck: nothing has left for half an hour."),
        "flash": N_("Mail is waiting to go out."),
    },
    "mail": {
        "off": N_("Winks once for each message delivered."),
        "steady": N_("There is unread mail."),
        "slow": N_("There is unread mail."),
        "fast": N_("There is unread mail."),
        "flash": N_("A message was delivered just now."),
    },
    "alert": {
        "off": N_("Nothing needs you."),
        "steady": N_("Something needs you."),
        "slow": N_("Something needs you: see below."),
        "fast": N_("Data is at risk: act now."),
        "flash": N_("Something needs you."),
    },
}
LIGHT_NAMES = {"power": N_("Power"), "queue": N_("Queue"), "mail": N_("Mail"), "alert": N_("Attention")}
RHYTHM_NAMES = {
    "off": N_("off"),
    "steady": N_("steady"),
    "slow": N_("blinks slowly"),
    "fast": N_("blinks fast"),
    "flash": N_("winks"),
}


# The reasons that setup/records.py gives, for the catalogue.
RECORD_REASONS = (
    N_("Tells the world where this server is. AAAA does it for IPv6."),
    N_("Tells other servers where to bring your mail."),
    N_("Says which servers may send mail of this domain (SPF)."),
    N_("Lets others check the signature on your mail (DKIM)."),
    N_("Says what others should do with mail that only pretends to be yours (DMARC)."),
    N_("your public IPv4 address"),
)


@dataclass(slots=True, frozen=True)
class Waiting:
    """One recipient of a queued message. why: in plain words; reply: the other server's own."""

    address: str
    why: Said
    reply: str
    host: str
    attempts: int
    next_attempt_at: float | None
    held: bool


@dataclass(slots=True, frozen=True)
class QueuedLine:
    """reverse_path: '' where nobody is to be told."""

    id: int
    trace_id: str
    reverse_path: str
    subject: str
    accepted_at: float
    size_octets: int
    recipients: tuple[Waiting, ...]

    @property
    def held(self) -> bool:
        return all(recipient.held for recipient in self.recipients)


def queue_lines(
    messages: Sequence[QueuedMessage], recipients: Sequence[QueuedRecipient], config: Config
) -> list[QueuedLine]:
    """Oldest first."""
    by_message: dict[int, list[Waiting]] = {}
    for each in recipients:
        by_message.setdefault(each.message_id, []).append(
            Waiting(
                each.address,
                why_waiting(each, config),
                each.last_reply,
                each.last_host,
                each.attempts,
                each.next_attempt_at if each.state is State.WAITING and config.outbound.mode != "off" else None,
                each.state is State.HELD,
            )
        )
    return [
        QueuedLine(
            m.id, m.trace_id, m.reverse_path, m.subject, m.accepted_at, m.size_octets, tuple(by_message.get(m.id, ()))
        )
        for m in messages
    ]


def why_waiting(recipient: QueuedRecipient, config: Config) -> Said:
    relay = config.outbound.smarthost if config.outbound.mode == "smarthost" else None
    named = {"server": relay.host if relay else recipient.domain}
    if recipient.state is State.HELD:
        return Said(Tone.BUSY, N_("You are holding it. Release it and it goes on."))
    if config.outbound.mode == "off":
        return Said(Tone.BUSY, N_("Sending to elsewhere is switched off for now."))
    if not recipient.attempts:
        return Said(Tone.BUSY, N_("It is about to be sent."))
    if not recipient.last_reply:
        return Said(Tone.BUSY, N_("It is being sent, or the last try was cut short and is made again."))
    if re.match(r"4\d\d\b", recipient.last_reply):
        if recipient.last_reply.startswith("421"):
            return Said(
                Tone.NEEDS, N_("The mail server of %(server)s is busy. It is tried again by itself."), "", named
            )
        return Said(
            Tone.NEEDS,
            N_("The mail server of %(server)s asked to try again later; many do so with mail from a new server."),
            "",
            named,
        )
    return Said(
        Tone.NEEDS, N_("The mail server of %(server)s could not be reached. It is tried again by itself."), "", named
    )


@dataclass(slots=True, frozen=True)
class CardPanel:
    """What the card takes. days: newest first, today's is the first; numbers are None where they cannot be told."""

    lasts: Said
    today: Day | None
    per_day: Day | None
    days: tuple[Day, ...]


def card_panel(card: Card) -> CardPanel:
    sentence, named = lifetime(card)
    wrong = {PROBLEM_WORDS[id].severity for id in troubles(card)}
    tone = Tone.GOOD if card.life or card.health.life_used_percent else Tone.BUSY
    if wrong:
        tone = Tone.DANGER if Severity.DANGER in wrong else Tone.NEEDS
    return CardPanel(
        lasts=Said(tone, sentence, named=named),
        today=card.days[0] if card.days else None,
        per_day=card.per_day,
        days=card.days,
    )


def first_look(config: Config, snapshot: Snapshot | None, *, self_signed: bool) -> list[Said]:
    """After the set-up: what works now, and what is still missing."""
    said = []
    if snapshot is not None and snapshot.phase is Phase.RUNNING:
        said.append(Said(Tone.GOOD, N_("Mail between the mailboxes here works now.")))
    else:
        said.append(verdict(snapshot, config))
    match config.outbound.mode:
        case "smarthost":
            relay = config.outbound.smarthost
            said.append(
                Said(
                    Tone.GOOD,
                    N_("Mail to elsewhere leaves through %(host)s."),
                    named={"host": relay.host if relay else ""},
                )
            )
        case "direct":
            said.append(
                Said(
                    Tone.BUSY,
                    N_("Mail to elsewhere leaves directly."),
                    N_(
                        "If it stays in the queue, your provider keeps port 25 closed, as many do: use a smarthost then."
                    ),
                )
            )
        case "off":
            said.append(
                Said(
                    Tone.BUSY,
                    N_("Mail to elsewhere waits in the queue, as you chose."),
                    N_("Choose a way under System when you are ready."),
                )
            )
    said.append(
        Said(
            Tone.NEEDS,
            N_("Others cannot write to you yet: the world does not know your server."),
            N_("Publish the DNS records below at the provider of %(domain)s."),
            {"domain": config.domains[0] if config.domains else ""},
        )
    )
    smtp = listening_port(config, snapshot, "smtp")
    if smtp != 25:
        said.append(
            Said(
                Tone.NEEDS,
                N_("Other servers knock at port 25; this one listens at port %(port)s."),
                N_("In your router, let port 25 lead to port %(port)s of this machine."),
                {"port": str(smtp)},
            )
        )
    else:
        said.append(
            Said(
                Tone.BUSY,
                N_("Other servers knock at port 25."),
                N_("In your router, let port 25 lead to this machine. Some providers do not allow it; that is normal."),
            )
        )
    if config.listen.address in ("127.0.0.1", "::1"):
        said.append(
            Said(
                Tone.NEEDS,
                N_("So far only programs on this machine itself reach it."),
                N_("`merpati config set listen.address 0.0.0.0` opens it to the network."),
            )
        )
    if self_signed:
        said.append(
            Said(
                Tone.BUSY,
                N_("The certificate is one of the server’s own making, so mail programs ask once whether to trust it."),
                N_("Compare the fingerprint below with what they show, and say yes if it is the same."),
            )
        )
    return said


def listening_port(config: Config, snapshot: Snapshot | None, name: str) -> int | None:
    """Where a service is open, as the mail process says, else as it is configured; None when it is off."""
    for listener in snapshot.listeners if snapshot else ():
        if listener.name == name and listener.ok:
            return listener.port
    port = getattr(config.listen, name)
    return None if port == "off" else int(port)


@dataclass(slots=True, frozen=True)
class ProgramSetting:
    """A line of what to type into a mail program. way: how it is encrypted."""

    use: str
    port: int
    way: str


_SETTINGS = (
    (N_("Reading (IMAP)"), "imaps", N_("TLS from the start")),
    (N_("Reading (IMAP)"), "imap", "STARTTLS"),
    (N_("Fetching (POP3)"), "pop3s", N_("TLS from the start")),
    (N_("Sending (SMTP)"), "submissions", N_("TLS from the start")),
    (N_("Sending (SMTP)"), "submission", "STARTTLS"),
)


def program_settings(config: Config, snapshot: Snapshot | None) -> list[ProgramSetting]:
    found = [(use, listening_port(config, snapshot, name), way) for use, name, way in _SETTINGS]
    return [ProgramSetting(use, port, way) for use, port, way in found if port is not None]


def worst_first(problems: Sequence[Problem]) -> list[Problem]:
    return sorted(problems, key=lambda problem: (problem.severity is not Severity.DANGER, -problem.since))
