"""Why something was refused, put off or done: a stable id with its parameters, and the words for it.

One place turns a reason into sentences, so that the peer, the log, the trace and the page cannot drift apart:
`for_peer` is what the other side of the wire reads (short, nothing about our configuration), `for_owner` what the
owner reads (what happened and what to do). The words are English; `web/` translates them by id.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(slots=True, frozen=True)
class Wording:
    peer: str
    owner: str


@dataclass(slots=True, frozen=True)
class Reason:
    """id: a key of WORDINGS; params: what its sentences name."""

    id: str
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def for_peer(self) -> str:
        return _fill(WORDINGS[self.id].peer, self.params)

    @property
    def for_owner(self) -> str:
        return _fill(WORDINGS[self.id].owner, self.params)


def because(id: str, **params: object) -> Reason:
    """`because("no-such-address", address=a)`. Raises KeyError for an id that has no wording."""
    _ = WORDINGS[id]
    return Reason(id, {name: str(value) for name, value in params.items()})


def _fill(sentence: str, params: Mapping[str, str]) -> str:
    """The peer's words may end up in a parameter: no control characters, so that none can end our line."""
    clean = {name: "".join(c if c.isprintable() else "?" for c in value) for name, value in params.items()}
    return sentence.format_map(clean)


# One block per room that refuses or reports; keep them in the order of docs/architecture.md.
WORDINGS: dict[str, Wording] = {
    # intake and route
    "accepted": Wording("Accepted as {id}", "The message is safely stored as {id}."),
    "ok": Wording("OK", "All is well."),
    "no-such-address": Wording(
        "There is no such address here",
        "Somebody wrote to {address}, which is neither an account nor an alias here. Add it under Accounts if it should exist.",
    ),
    "relay-denied": Wording(
        "Relaying denied: sign in to send mail elsewhere",
        "{ip} tried to send mail through this server to {address} without signing in. Nothing to do: it was refused.",
    ),
    "not-your-address": Wording(
        "That sender address does not belong to the account you signed in with",
        "{account} tried to send as {address}. Add that address as an alias of the account if it should be allowed.",
    ),
    "sign-in-first": Wording(
        "Sign in first", "A program tried to send mail without signing in. Switch on sign-in in its settings."
    ),
    "too-large": Wording(
        "The message is larger than {limit} octets, the most accepted here",
        "A message larger than {limit} octets was refused. Raise limits.message_size if such mail is wanted.",
    ),
    "too-many-recipients": Wording(
        "Too many recipients, send the rest in another transaction",
        "A message had more than {limit} recipients at once.",
    ),
    "loop": Wording(
        "The message has passed too many servers: a mail loop",
        "A message came round more than {limit} times. An alias or a forward here or elsewhere points back to itself.",
    ),
    "alias-loop": Wording(
        "The address leads back to itself", "The alias {address} leads back to itself. Change it under Accounts."
    ),
    "storage-low": Wording(
        "Not enough storage, try again later",
        "The card is nearly full, so new mail is asked to come later. Delete mail or use a larger card.",
    ),
    "our-fault": Wording(
        "Something went wrong here, try again later",
        "A fault of this server's own: {what}. The sender was asked to try again; nothing was lost.",
    ),
    "outbound-off": Wording(
        "This server does not send mail elsewhere",
        "Mail for {address} cannot leave: sending is switched off. Choose how mail leaves under System, or outbound.mode.",
    ),
    # store
    "no-such-mailbox": Wording(
        "There is no mailbox called {mailbox}", "A mail program asked for the mailbox {mailbox}, which does not exist."
    ),
    "mailbox-exists": Wording("There is a mailbox called {mailbox} already", "The mailbox {mailbox} exists already."),
    "mailbox-fixed": Wording(
        "{mailbox} cannot be deleted or moved there",
        "A mail program tried to delete {mailbox} or to move it into itself.",
    ),
    "no-such-account": Wording("There is no account {address}", "There is no account or alias {address}."),
    "address-taken": Wording("{address} is taken", "The address {address} is an account or an alias already."),
    "no-such-message": Wording("That message is gone", "A program asked for a message that is gone ({what})."),
    "storage-failed": Wording(
        "Storage failed, try again later",
        "The card did not keep what was written to it: {what}. Make a backup now and replace the card.",
    ),
    "content-damaged": Wording(
        "That message is damaged and cannot be read",
        "Message content {blob} does not read back as it was written: the card is failing. Make a backup now.",
    ),
    # accounts
    "sign-in-wrong": Wording(
        "The name or the password is wrong",
        "Somebody tried to sign in with a wrong name or password. If it was you: the name is the full address.",
    ),
    "sign-in-wait": Wording(
        "Too many wrong passwords, try again in {seconds} seconds",
        "After several wrong passwords the next try has to wait {seconds} seconds. Other networks are not affected.",
    ),
    "password-short": Wording(
        "The password is too short", "Choose a password of at least {least} characters; a short sentence is good."
    ),
    "password-long": Wording("The password is too long", "Choose a password of at most {most} octets."),
    "password-plain": Wording(
        "The password is too plain", "Choose a password of more than a few different characters."
    ),
    "not-an-address": Wording("That is not a mail address", "{address} is not a mail address: {why}."),
    "not-our-domain": Wording(
        "That domain does not live here", "{address} is not in a domain of this server. Its domains are: {domains}."
    ),
    "alias-empty": Wording("An alias needs somewhere to lead to", "Say where {address} should lead to."),
    # setup
    "set-up-already": Wording("Set up already", "This server has been set up already. Sign in to change it."),
    "not-a-domain": Wording("That is not a domain name", "{domain} is not a domain name: {why}."),
    "configuration": Wording("The configuration is not valid", "{what}"),
}
