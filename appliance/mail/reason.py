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
        return fill(WORDINGS[self.id].peer, self.params)

    @property
    def for_owner(self) -> str:
        return fill(WORDINGS[self.id].owner, self.params)


def because(id: str, /, **params: object) -> Reason:
    """`because("no-such-address", address=a)`. Raises KeyError for an id that has no wording."""
    _ = WORDINGS[id]
    return Reason(id, {name: str(value) for name, value in params.items()})


def fill(sentence: str, params: Mapping[str, str]) -> str:
    """The peer's words may end up in a parameter: no control characters, so that none can end our line."""
    clean = {
        name: value if value.isprintable() else "".join(c if c.isprintable() else "?" for c in value)
        for name, value in params.items()
    }
    return sentence.format_map(clean)


# One block per room that refuses or reports; keep them in the order of docs/architecture.md.
WORDINGS: dict[str, Wording] = {
    # intake and route
    "accepted": Wording("Accepted as {id}", "The message is safely stored as {id}."),
    "delivered": Wording("It is in the mailbox", "The message is in the mailbox."),
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
    "over-quota": Wording(
        "The mailbox is full, try again later",
        "{address} has reached its quota. Delete mail, or give it more with `merpati account quota`.",
    ),
    "larger-than-quota": Wording(
        "The message is larger than the mailbox may ever hold",
        "The message is larger than all that {address} may keep. `merpati account quota` changes that.",
    ),
    "too-many-annotations": Wording(
        "No more than {most} notes fit on one mailbox",
        "A mail program wanted to note more than {most} things on one mailbox.",
    ),
    "not-an-amount": Wording(
        "That is no amount",
        "{text} is no amount: say a number such as 500M or 2G, none for no limit, or default.",
    ),
    "owners-rights": Wording(
        "The owner of a mailbox always has all rights on it",
        "The owner of {mailbox} always has all rights on it; they cannot be given or taken.",
    ),
    "no-such-mailbox": Wording(
        "There is no mailbox called {mailbox}", "A mail program asked for the mailbox {mailbox}, which does not exist."
    ),
    "mailbox-exists": Wording("There is a mailbox called {mailbox} already", "The mailbox {mailbox} exists already."),
    "mailbox-fixed": Wording(
        "{mailbox} cannot be deleted or moved there",
        "A mail program tried to delete {mailbox} or to move it into itself.",
    ),
    "bad-mailbox-name": Wording(
        "A mailbox cannot be called that",
        "A mail program asked for a mailbox called {mailbox}, which is no possible name.",
    ),
    "no-such-account": Wording("There is no account {address}", "There is no account or alias {address}."),
    "address-taken": Wording("{address} is taken", "The address {address} is an account or an alias already."),
    "no-such-message": Wording("That message is gone", "A program asked for a message that is gone ({what})."),
    "storage-failed": Wording(
        "Storage failed, try again later",
        "The card did not keep what was written to it: {what}. Make a backup now and replace the card.",
    ),
    "store-damaged": Wording(
        "A part of the mail store cannot be read, try again later",
        "A part of the mail store cannot be read ({what}). Stop the server and run `merpati doctor --repair`.",
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
    # web
    "answer-missing": Wording("Something is missing", "Please fill this in."),
    "passwords-differ": Wording("The passwords differ", "The two passwords are not the same. Type both again."),
    "password-again": Wording(
        "The password is needed again",
        "Please type this password again: it is not kept on the card before the set-up is done.",
    ),
    "choose-one": Wording("Nothing was chosen", "Choose one of these."),
    "port-number": Wording("That is not a port number", "A port is a number from 1 to 65535, such as 465 or 587."),
    "hostname-is-domain": Wording(
        "The server needs a name of its own",
        "Give the server a name of its own inside the domain, such as mail.{domain}.",
    ),
    "name-too-long": Wording("The name is too long", "That name is too long; at most {most} characters."),
    "mailbox-in-domain": Wording(
        "The mailbox has to be in the domain", "The first mailbox is in {domain}: write only the part before the @."
    ),
    # smtp
    "goodbye": Wording("Goodbye", "The other side said goodbye."),
    "chunk-ok": Wording("The chunk has arrived", "A piece of a message has arrived."),
    "verify-by-sending": Wording(
        "Send the message and see", "Somebody asked whether an address exists; this server does not tell."
    ),
    "shutting-down": Wording("Shutting down, try again later", "This server was being stopped."),
    "peer-quiet": Wording("Nothing was heard for too long", "The other side said nothing for too long."),
    "peer-slow": Wording("The message came too slowly", "A message from {ip} came so slowly that it was broken off."),
    "connections-full": Wording(
        "Too many connections, try again later",
        "{ip} was asked to come later: there were too many connections at once. See limits.connections.",
    ),
    "too-many-mistakes": Wording(
        "Too many mistakes", "{ip} made so many mistakes that the connection was closed. Nothing to do."
    ),
    "too-many-refused-recipients": Wording(
        "Too many refused recipients",
        "{ip} named so many addresses that do not exist here that the connection was closed. Nothing to do.",
    ),
    "command-too-long": Wording("The line is too long", "A command was longer than this server takes."),
    "command-malformed": Wording(
        "A line ends with CR LF and holds no other CR, LF or NUL", "A command held control characters."
    ),
    "command-unknown": Wording("Unknown command", "Unknown command."),
    "command-not-done": Wording("That command is not available here", "A command that is not available was asked for."),
    "command-syntax": Wording("Syntax: {syntax}", "A command was malformed."),
    "command-order": Wording("{first} first", "A command came too early."),
    "mail-twice": Wording("A message is under way already", "A command came too early."),
    "parameter-unknown": Wording("The parameter {parameter} is not known here", "A program asked for {parameter}."),
    "parameter-wrong": Wording("The value of {parameter} is wrong", "A program sent a wrong value for {parameter}."),
    "address-malformed": Wording("The address is malformed: {why}", "A program sent a malformed address: {why}."),
    "smtputf8-needed": Wording(
        "An address that is not ASCII needs SMTPUTF8", "A program sent an international address without saying so."
    ),
    "line-ends-broken": Wording(
        "The message holds a CR or an LF that stands alone; lines end with CR LF",
        "A message held a bare CR or LF, which can hide a second message inside it, so it was refused.",
    ),
    "nul-in-message": Wording(
        "The message holds a NUL octet", "A message held a NUL octet, which no mail program could be given."
    ),
    "chunk-unwanted": Wording(
        "The message was refused, its chunks are thrown away", "A message that had been refused was still sent on."
    ),
    "starttls-first": Wording(
        "Say STARTTLS first", "A program did not switch to TLS. Choose STARTTLS in its settings."
    ),
    "tls-missing": Wording("TLS is not available now", "There is no certificate that could be used. See TLS."),
    "tls-already": Wording("TLS is in use already", "A program asked for TLS twice."),
    "encrypt-first": Wording(
        "Sign in over TLS only", "A program tried to sign in without TLS. Choose STARTTLS or TLS in its settings."
    ),
    "signed-in": Wording("Signed in", "{account} has signed in."),
    "signed-in-already": Wording("Signed in already", "A program signed in twice."),
    "mechanism-unknown": Wording("That way to sign in is not known here", "A program tried an unknown way to sign in."),
    "sign-in-cancelled": Wording("Sign-in cancelled", "A program broke off signing in."),
    "sign-in-malformed": Wording("The answer is malformed", "A program sent a malformed answer while signing in."),
    "access-ended": Wording(
        "The password was changed or the account removed, sign in again",
        "A program was signed in to an account that was removed or got another password, and was cut off.",
    ),
    "sign-in-too-often": Wording(
        "Too many failed sign-ins", "{ip} failed to sign in several times, so the connection was closed."
    ),
    # status: the steps of a message's story
    "trace-received": Wording("Received", "Mail from {reverse_path} for {recipients} came in."),
    "trace-report-received": Wording("Received", "A report for {recipients} came in."),
    "trace-sent": Wording("Received", "{account} sent mail to {recipients}."),
    "trace-filed": Wording("Filed", "It was filed for {recipient} in the mailbox {mailbox} of {account}."),
    "trace-queued": Wording("Queued", "It was put into the queue for {recipient}."),
    "trace-delivered": Wording("Delivered", "It was delivered to {recipient}: {host} took it."),
    "trace-deferred": Wording("Deferred", "It could not be delivered to {recipient} yet. {sentence}"),
    "trace-failed": Wording("Failed", "It cannot be delivered to {recipient}. {sentence}"),
    "trace-bounced": Wording("Bounced", "{reverse_path} was told that it did not reach {recipient}."),
    "trace-refused": Wording("Refused", "It was refused. {sentence}"),
    "trace-hold": Wording("Held", "You held it back in the queue."),
    "trace-release": Wording("Released", "You let it go on."),
    "trace-flush": Wording("Flushed", "You had it tried again at once."),
    "trace-remove": Wording("Removed", "You removed it from the queue."),
    # pop3
    "language-unknown": Wording(
        "That language is not spoken here", "A program asked for a language that is not spoken."
    ),
    "maildrop-in-use": Wording(
        "Another program is fetching this mail now, try again later",
        "Two programs wanted to fetch the same mail over POP3 at once; the second one has to come later.",
    ),
    "no-such-number": Wording(
        "There is no message of that number", "A mail program asked for a message number that does not exist."
    ),
    "not-removed": Wording(
        "Some messages were not removed, try again later",
        "A mail program's wish to remove messages could not be carried out: {what}. They are still there.",
    ),
    # transport
    "host-accepted": Wording("{host} took the message", "{host} took the message: {reply}"),
    "host-put-off": Wording(
        "{host} asks to try again later: {reply}",
        "{host} asks to try again later: {reply}. Nothing to do: it will be tried again by itself.",
    ),
    "host-refused": Wording("{host} refused the message: {reply}", "{host} refused the message: {reply}"),
    "host-broke-off": Wording(
        "The connection to {host} broke off: {why}",
        "The connection to {host} broke off: {why}. It will be tried again by itself.",
    ),
    "host-unreachable": Wording(
        "{host} cannot be reached: {why}",
        "{host} ({ip}) cannot be reached: {why}. It will be tried again by itself. If no mail leaves at all, your"
        " provider may block port 25: choose a smarthost under System.",
    ),
    "host-not-safe": Wording(
        "{host} cannot be reached over a safe connection: {why}",
        "{host} cannot be reached over a safe connection: {why}. Mail waits until it can.",
    ),
    "host-not-international": Wording(
        "{host} does not take international addresses or headers (SMTPUTF8)",
        "{host} does not take international addresses or headers (SMTPUTF8), and the message has some.",
    ),
    "too-large-for-host": Wording(
        "The message is larger than {limit} octets, the most that {host} accepts",
        "The message is larger than {limit} octets, the most that {host} accepts.",
    ),
    "no-such-domain": Wording("There is no domain {domain}", "There is no domain {domain}. Is it spelt right?"),
    "null-mx": Wording(
        "{domain} says that it takes no mail", "{domain} says in its DNS records that it takes no mail."
    ),
    "no-host": Wording(
        "No mail server of {domain} could be found",
        "{domain} names {hosts} as its mail server, which has no address.",
    ),
    "leads-back": Wording(
        "Mail for {domain} leads back to this server, which does not serve it",
        "The DNS records of {domain} name this server, but it is not among its domains. Add it, or change the records.",
    ),
    "names-unanswered": Wording(
        "The name servers could not be asked about {domain}: {why}",
        "The name servers could not be asked about {domain}: {why}. Is this machine connected to the internet?",
    ),
    "smarthost-sign-in": Wording(
        "This server could not sign in to the one that takes its mail",
        "{host} did not let this server sign in: {why}. Check user name and password of the smarthost under System.",
    ),
    "smarthost-password": Wording(
        "This server could not sign in to the one that takes its mail",
        "The password for {host} cannot be used: {why}. Set it again under System.",
    ),
    "bare-line-end": Wording(
        "The message holds a CR or an LF that stands alone",
        "A message held a bare CR or LF, which can hide a second message inside it, so it was not sent.",
    ),
    # queue
    "gave-up": Wording(
        "It was tried for {days} days. The last time: {why}",
        "It was tried for {days} days and given up. The last time: {why}",
    ),
    "content-lost": Wording(
        "The message could not be read from the storage of this server",
        "A queued message cannot be read back: the card is failing. Make a backup now. ({what})",
    ),
}
