"""The commands of SMTP, each one method. RFC 5321, RFC 6409, and what EHLO announces.

Promises: every command gets exactly one reply; nothing is announced that does not work whole. Leaves the wire to
`connection.py`, the grammar to `parameters.py`, who may do what to `relay_policy.py`, and the meaning to `handler.py`.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable
from typing import Any, NoReturn

from aiosmtpd.smtp import syntax

from ..mail.reason import because
from ..mail.reply import Reply
from ..sasl import offered
from ..tls.channel_bindings import channel_bindings
from . import relay_policy, replies
from .arrival import Arrival
from .chunking import ChunkScanner, parse_bdat
from .connection import Connection, Ended, HangUp
from .data_scanner import DataScanner
from .doors import Finished, SignIn, Sleep, TlsContext
from .handler import Handler
from .limits import Budget, too_slow
from .parameters import MAIL_SYNTAX, RCPT_SYNTAX, parse_mail, parse_rcpt
from .sasl_exchange import exchange
from .settings import Listener, SmtpSettings
from .starttls import usable_context

log = logging.getLogger("merpati.smtp")

# Lenient (RFC 5321 4.1.4: a server must not refuse for a name that does not fit the peer): any printable word.
_HELO_NAME = re.compile(r"[!-~\u00a1-\U0010ffff]{1,255}")


class SmtpSession(Connection):
    def __init__(
        self,
        handler: Handler[Any],
        *,
        settings: SmtpSettings,
        listener: Listener,
        tls: TlsContext,
        sign_in: SignIn,
        admit: Callable[[str], Reply | None],
        begun: Callable[[Connection, asyncio.Task[None]], None],
        sleep: Sleep,
        loop: asyncio.AbstractEventLoop,
    ) -> None:
        self._handler = handler
        self._sign_in = sign_in
        self._sleep = sleep
        self._failed_sign_ins = Budget(settings.failed_sign_ins_most)
        self._refused_recipients = Budget(settings.refused_recipients_most)
        super().__init__(handler, settings=settings, listener=listener, tls=tls, admit=admit, begun=begun, loop=loop)

    @property
    def _standing(self) -> relay_policy.Standing:
        return relay_policy.Standing(
            listener=self.listener,
            tls=self.tls is not None,
            signed_in=self.account is not None,
            plaintext_allowed=self.settings.allow_plaintext_loopback
            and bool(self.ip)
            and relay_policy.is_loopback(self.ip),
        )

    @property
    def bindings(self) -> dict[str, bytes]:
        """What binds a sign-in to this connection."""
        return channel_bindings(self.transport.get_extra_info("ssl_object")) if self.transport is not None else {}

    # ── hello and small talk

    @syntax("HELO hostname")
    async def smtp_HELO(self, hostname: str | None) -> None:
        if self._meet(hostname, extended=False):
            self.say_lines(250, [self.hostname])

    @syntax("EHLO hostname")
    async def smtp_EHLO(self, hostname: str | None) -> None:
        if self._meet(hostname, extended=True):
            self.say_lines(250, [self.hostname, *self._extensions()])

    def _meet(self, hostname: str | None, *, extended: bool) -> bool:
        # Octets that are not UTF-8 are no text: nothing could write them into a log or a trace.
        name = (hostname or "").split(" ")[0].encode("utf-8", "replace").decode()
        if not _HELO_NAME.fullmatch(name):
            self.bad(replies.syntax("EHLO hostname" if extended else "HELO hostname"))
            return False
        self._set_rset_state()
        self.greeted.host_name = name
        self.greeted.extended_smtp = extended
        return True

    def _extensions(self) -> list[str]:
        announced = [
            "PIPELINING",
            f"SIZE {self.settings.message_size_octets}",
            "8BITMIME",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            "CHUNKING",
            f"LIMITS RCPTMAX={self.settings.recipients_most}",
        ]
        if self.settings.dsn:
            announced.append("DSN")
        if self.tls is None and usable_context(self._tls_context) is not None:
            announced.append("STARTTLS")
        if relay_policy.offers_sign_in(self._standing):
            announced.append("AUTH " + " ".join(offered(self.bindings)))
        return announced

    @syntax("NOOP")
    async def smtp_NOOP(self, arg: str | None) -> None:
        self.say(replies.OK)

    @syntax("RSET")
    async def smtp_RSET(self, arg: str | None) -> None:
        self._set_rset_state()
        self.say(replies.OK)

    @syntax("QUIT")
    async def smtp_QUIT(self, arg: str | None) -> None:
        self.say(replies.GOODBYE)
        raise HangUp(heard=not self.something_came)

    @syntax("VRFY address")
    async def smtp_VRFY(self, arg: str | None) -> None:
        self.say(replies.VERIFY_BY_SENDING if arg else replies.syntax("VRFY address"))

    async def smtp_EXPN(self, arg: str | None) -> None:
        self.bad(replies.COMMAND_NOT_DONE)

    @syntax("HELP")
    async def smtp_HELP(self, arg: str | None) -> None:
        names = sorted(
            name for name, method in self.commands.items() if hasattr(getattr(self, method), "__smtp_syntax__")
        )
        self.say_lines(214, ["2.0.0 Commands: " + " ".join(names)])

    # ── TLS and sign-in

    @syntax("STARTTLS")
    async def smtp_STARTTLS(self, arg: str | None) -> None:
        if self.tls is not None:
            self.bad(replies.TLS_ALREADY)
        elif arg:
            self.bad(replies.syntax("STARTTLS"))
        elif usable_context(self._tls_context) is None:
            self.say(replies.TLS_MISSING)
        else:
            self.say_lines(220, ["2.0.0 Ready to start TLS"])
            await self.flush()
            await self.start_tls()

    @syntax("AUTH mechanism [initial-response]")
    async def smtp_AUTH(self, arg: str | None) -> None:
        refusal = relay_policy.before_sign_in(self._standing)
        if refusal is None and not self.extended:
            refusal = replies.order("EHLO")
        if refusal is None and self.transaction.mail is not None:
            refusal = replies.MAIL_TWICE
        if refusal is None and not arg:
            refusal = replies.syntax("AUTH mechanism [initial-response]")
        if refusal is not None:
            self.bad(refusal)
            return
        assert arg is not None and self.session is not None
        outcome = await exchange(arg, self, self._sign_in, self.ip)
        if not isinstance(outcome, Reply):
            self.account = outcome
            self.session.authenticated = True
            self.say(Reply(235, "7.0", because("signed-in", account=outcome.address)))
            return
        if self._failed_sign_ins.spend():
            await self._sleep(self.settings.failed_sign_in_delay_s)
            self._refuse_and_hang_up(Reply(421, "7.0", because("sign-in-too-often", ip=self.ip)))
        if outcome.code == 535:
            await self._sleep(self.settings.failed_sign_in_delay_s)
        self.say(outcome)

    # ── the envelope

    @syntax(MAIL_SYNTAX)
    async def smtp_MAIL(self, arg: str | None) -> None:
        refusal = relay_policy.before_mail(self._standing)
        if refusal is not None:
            self._handler.refused(self, refusal)  # a camera or a printer that was set up wrongly: the owner should know
        elif not self.helo:
            refusal = replies.order("EHLO")
        elif self.transaction.mail is not None:
            refusal = replies.MAIL_TWICE
        if refusal is not None:
            self.bad(refusal)
            return
        self._set_rset_state()
        command = parse_mail(arg or "", extended=self.extended, dsn=self.settings.dsn)
        if isinstance(command, Reply):
            self.bad(command)
            return
        if command.size_octets is not None and command.size_octets > self.settings.message_size_octets:
            refusal = replies.too_large(self.settings.message_size_octets)
        else:
            refusal = await self._handler.handle_MAIL(self, self.greeted, self.transaction, command)
        if refusal is None:
            self.transaction.mail = command
            self.say(replies.MAIL_OK)
        else:
            self._handler.refused(self, refusal)
            self.transaction.refused = True
            self.say(refusal)

    @syntax(RCPT_SYNTAX)
    async def smtp_RCPT(self, arg: str | None) -> None:
        transaction = self.transaction
        if transaction.mail is None or transaction.chunks is not None:
            self._out_of_order("MAIL" if transaction.mail is None else "RSET")
            return
        recipient = parse_rcpt(
            arg or "",
            extended=self.extended,
            dsn=self.settings.dsn,
            smtputf8=transaction.mail.smtputf8,
            postmaster_domain=self.settings.postmaster_domain or self.settings.hostname,
        )
        if isinstance(recipient, Reply):
            self.bad(recipient)
            return
        refusal: Reply | None
        if len(transaction.recipients) >= self.settings.recipients_most:
            refusal = replies.too_many_recipients(self.settings.recipients_most)
        else:
            refusal = await self._handler.handle_RCPT(self, self.greeted, transaction, recipient)
        if refusal is None:
            transaction.recipients.append(recipient)
            self.say(replies.RECIPIENT_OK)
            return
        transaction.refused = True
        self._handler.refused(self, refusal, recipient=str(recipient.address))
        if not refusal.temporary and self._refused_recipients.spend():
            self.last_word(Reply(421, "7.0", because("too-many-refused-recipients", ip=self.ip)))
        self.say(refusal)

    # ── the content

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        missing = self._missing_before_content()
        if missing is None and self.transaction.chunks is not None:
            missing = "RSET"  # RFC 3030 2: DATA and BDAT do not mix
        if missing is not None:
            self._out_of_order(missing)
            return
        if arg:
            self.bad(replies.syntax("DATA"))
            return
        arrival = self.transaction.arrival = self._open_arrival()
        self.say_lines(354, ["End data with <CR><LF>.<CR><LF>"])
        await self._read_content(arrival, DataScanner())
        await self._end_of_content(arrival)

    @syntax("BDAT size [LAST]")
    async def smtp_BDAT(self, arg: str | None) -> None:
        """RFC 3030 2. The octets of the chunk follow whatever we think of it, so they are always read."""
        chunk = parse_bdat(arg or "")
        if chunk is None:
            # Where the next command begins cannot be known.
            self.last_word(replies.syntax("BDAT size [LAST]"))
        missing = "RSET" if self.transaction.chunks_refused else self._missing_before_content()
        if missing is not None:
            scanner = ChunkScanner()
            arrival: Arrival[Any] = Arrival(
                None, self.settings.message_size_octets, self.loop.time(), replies.CHUNK_UNWANTED
            )
        else:
            scanner = self.transaction.chunks = self.transaction.chunks or ChunkScanner()
            arrival = self.transaction.arrival = self.transaction.arrival or self._open_arrival()
        scanner.open(chunk)
        await self._read_content(arrival, scanner)
        if missing is not None:
            self._out_of_order(missing)
        elif chunk.last:
            await self._end_of_content(arrival)
        elif arrival.refusal is not None:
            self._handler.refused(self, arrival.refusal)
            self._set_rset_state()
            self.transaction.chunks_refused = self.transaction.refused = True
            self.say(arrival.refusal)
        else:
            self.say(replies.CHUNK_OK)

    def _missing_before_content(self) -> str | None:
        if self.transaction.mail is None:
            return "MAIL"
        return None if self.transaction.recipients else "RCPT"

    def _out_of_order(self, missing: str) -> None:
        """A peer that pipelines could not know that we would refuse what came before: then it is no mistake."""
        reply = replies.order(missing)
        if self.transaction.refused:
            self.say(reply)
        else:
            self.bad(reply)

    def _open_arrival(self) -> Arrival[Any]:
        limit_octets, now = self.settings.message_size_octets, self.loop.time()
        try:
            return Arrival(self._handler.open_spool(), limit_octets, now)
        except Exception as error:
            log.exception("no spool could be opened")
            return Arrival(None, limit_octets, now, replies.our_fault(repr(error)))

    async def _read_content(self, arrival: Arrival[Any], scanner: DataScanner | ChunkScanner) -> None:
        """Reads up to the end of the content and not one octet more. Raises HangUp when the peer sends far too much or
        far too slowly, and when we fail in the middle: what follows must not be taken for commands."""
        data = self.take_content()
        try:
            while True:
                await arrival.write(scanner.feed(data), scanner.fault)
                if arrival.too_much:
                    assert arrival.refusal is not None
                    self._refuse_and_hang_up(arrival.refusal)
                if too_slow(arrival.arrived_octets, self.loop.time() - arrival.begun_at):
                    self._refuse_and_hang_up(Reply(421, "4.2", because("peer-slow", ip=self.ip)))
                if scanner.done:
                    break
                data = await self.receive_content()
        except Ended:
            raise
        except Exception as error:
            log.exception("a message could not be read")
            self.last_word(replies.our_fault(repr(error)))
        self.put_back(scanner.rest)

    def _refuse_and_hang_up(self, reply: Reply) -> NoReturn:
        self._handler.refused(self, reply)
        self.last_word(reply)

    async def _end_of_content(self, arrival: Arrival[Finished]) -> None:
        content = await arrival.finish()
        if isinstance(content, Reply):
            reply = content
        elif self.access_ended:
            self._refuse_and_hang_up(replies.ACCESS_ENDED)
        else:
            self.transaction.arrival = None  # from here on the spool is the handler's
            assert arrival.spool is not None
            reply = await self._handler.handle_DATA(self, self.greeted, self.transaction, content, arrival.spool)
        if reply.ok:
            self._bad_commands.renew()
        else:
            self._handler.refused(self, reply)
        self._set_rset_state()
        self.say(reply)
