"""The queue against real servers: what is sent, put off, given up and reported, and what survives."""

from __future__ import annotations

import asyncio
import sys
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import pytest

from appliance.mail.address import Address
from appliance.queue.concurrency import Limits
from appliance.queue.retry_schedule import Schedule
from appliance.queue.verbs import Verb, apply_now
from appliance.status.events import Attempted, Bounced, Filed, Outcome, QueueChanged
from appliance.store import queue_rows
from appliance.store.changes import queue as changes
from appliance.store.changes.delivery import DeliveryPlan
from appliance.store.interface import Store
from appliance.store.queue_rows import State
from appliance.store.refusals import StorageFailed
from appliance.store.transaction import Tx
from appliance.transport.interpret import RecipientOutcome
from appliance.transport.transaction import Job
from tests.support.remote_mta import HANG_UP, STALL, RemoteMta

from .conftest import CONTENT, DAY_S, PostOffice

NO_SUCH_USER = "550 5.1.1 no such user"


def parsed(message: bytes) -> EmailMessage:
    found = BytesParser(policy=policy.default).parsebytes(message)
    assert isinstance(found, EmailMessage)
    return found


async def test_a_message_leaves_and_its_queue_rows_with_it(post: PostOffice) -> None:
    with RemoteMta() as mta:
        await post.run(mta.port)
        trace_id = await post.send("bob@them.test")
        await post.until_attempted(1)
        (attempted,) = post.of(Attempted)
        assert (attempted.trace_id, attempted.recipient) == (trace_id, "bob@them.test")
        assert (attempted.outcome, attempted.host) == (Outcome.DELIVERED, "mx.them.test")
        assert attempted.reply == "250 2.0.0 taken as 42"
        assert mta.messages[0].content.endswith(CONTENT)
        assert mta.messages[0].content.startswith(b"Received: ")
        assert await post.queued() == []
        assert await post.messages() == []
        assert await post.store.read(lambda c: c.execute("SELECT count(*) FROM blobs WHERE refs > 0").fetchone()) == (
            0,
        )
        assert post.of(QueueChanged)[-1].waiting == 0
        assert await post.inbox() == []


async def test_recipients_of_one_destination_share_a_transaction(post: PostOffice) -> None:
    with RemoteMta() as them, RemoteMta(host="127.0.0.2", port=them.port) as other:
        await post.run(them.port)
        await post.send("a@them.test", "b@them.test", "c@other.test")
        await post.until_attempted(3)
        assert [len(message.recipients) for message in them.messages] == [2]
        assert [len(message.recipients) for message in other.messages] == [1]


async def test_several_messages_for_one_host_share_a_connection(post: PostOffice) -> None:
    for _ in range(4):
        await post.send("bob@them.test")
    with RemoteMta() as mta:
        await post.run(mta.port)
        await post.until_attempted(4)
        assert len(mta.messages) == 4
        assert mta.connections == 1
        await post.stop()


async def test_a_host_that_is_down_makes_mail_wait_for_its_next_time(post: PostOffice) -> None:
    waits_s = Schedule().steps_s
    with RemoteMta() as mta:
        port = mta.port
    await post.run(port)
    trace_id = await post.send("bob@them.test")
    for tries in range(1, 4):
        await post.until_attempted(tries)
        (row,) = await post.queued()
        assert (row.attempts, row.state) == (tries, State.WAITING)
        assert row.next_attempt_at - post.clock() == pytest.approx(waits_s[tries - 1], abs=5)
        assert row.last_host == "mx.them.test"
        assert "refused" in row.last_reply
        attempted = post.of(Attempted)[-1]
        assert attempted.outcome is Outcome.DEFERRED
        assert attempted.next_attempt_at == row.next_attempt_at
        post.pass_time(waits_s[tries - 1])
    await post.until_attempted(4)
    assert post.of(QueueChanged)[-1].deferred == 1
    with RemoteMta(port=port) as mta:
        post.pass_time(3600)
        await post.until_attempted(5)
        assert post.of(Attempted)[-1].outcome is Outcome.DELIVERED
        assert post.of(Attempted)[-1].trace_id == trace_id
        assert len(mta.messages) == 1
        await post.stop()


async def test_a_refusal_is_reported_at_once_to_the_reverse_path(post: PostOffice) -> None:
    with RemoteMta({"RCPT": [NO_SUCH_USER]}) as mta:
        await post.run(mta.port)
        trace_id = await post.send("bob@them.test", "carl@them.test", envid="E 1")
        await post.until(lambda: bool(post.of(Bounced)))
        assert {a.recipient: a.outcome for a in post.of(Attempted)} == {
            "bob@them.test": Outcome.FAILED,
            "carl@them.test": Outcome.DELIVERED,
        }
        (bounced,) = post.of(Bounced)
        assert (bounced.trace_id, bounced.recipient) == (trace_id, "bob@them.test")
        (filed,) = post.of(Filed)
        assert filed.trace_id == bounced.report_trace_id
        assert await post.queued() == []
        (report,) = await post.inbox()
        found = parsed(report)
        assert found["To"] == "ana@example.org"
        assert found["Subject"] == "Not delivered: hello"
        assert found.get_param("report-type") == "delivery-status"
        assert b"Final-Recipient: rfc822; bob@them.test\r\nAction: failed\r\nStatus: 5.1.1\r\n" in report
        assert b"Diagnostic-Code: smtp; 550 5.1.1 no such user\r\n" in report
        assert b"Original-Envelope-Id: E 1\r\n" in report
        assert b"carl@them.test" not in report
        returned = list(found.iter_parts())[2]
        assert returned.get_content_type() == "text/rfc822-headers"
        assert "Message-ID: <1@example.org>" in str(returned.get_payload())
        assert b"\r\nhello\r\n" not in report
        assert mta.messages[0].recipients == ["<carl@them.test>"]


async def test_the_whole_message_comes_back_where_it_is_wanted(post: PostOffice) -> None:
    with RemoteMta({"RCPT": NO_SUCH_USER}) as mta:
        await post.run(mta.port)
        await post.send("bob@them.test", ret="FULL")
        await post.until(lambda: bool(post.of(Bounced)))
        (report,) = await post.inbox()
        assert b"Content-Type: message/rfc822\r\n" in report
        assert CONTENT in report


async def test_a_domain_that_takes_no_mail_is_reported_without_calling_anybody(post: PostOffice) -> None:
    await post.run()
    await post.send("bob@nomail.test")
    await post.until(lambda: bool(post.of(Bounced)))
    (report,) = await post.inbox()
    assert b"Status: 5.1.10\r\n" in report
    assert b"nomail.test says that it takes no mail" in report
    assert b"Diagnostic-Code" not in report


async def test_a_report_for_somebody_elsewhere_is_sent_with_the_null_reverse_path(post: PostOffice) -> None:
    with RemoteMta({"RCPT": [NO_SUCH_USER]}) as mta:
        await post.run(mta.port)
        await post.send("bob@them.test", reverse_path="carl@them.test")
        await post.until(lambda: len(post.of(Attempted)) == 2)
        (report,) = mta.messages
        assert report.reverse_path.startswith("<> ")
        assert report.recipients == ["<carl@them.test>"]
        assert b"report-type=delivery-status" in report.content


async def test_a_bounce_never_bounces(post: PostOffice) -> None:
    with RemoteMta({"RCPT": NO_SUCH_USER}) as mta:
        await post.run(mta.port)
        await post.send("bob@them.test", reverse_path="carl@them.test")  # the report to carl is refused too
        await post.until(lambda: len(post.of(Attempted)) == 2)
        assert [a.outcome for a in post.of(Attempted)] == [Outcome.FAILED, Outcome.FAILED]
        assert len(post.of(Bounced)) == 1
        assert await post.queued() == []


async def test_nobody_is_told_who_did_not_want_to_be(post: PostOffice) -> None:
    with RemoteMta({"RCPT": NO_SUCH_USER}) as mta:
        await post.run(mta.port)
        await post.send("bob@them.test", notify="NEVER")
        await post.until_attempted(1)
        assert post.of(Attempted)[0].outcome is Outcome.FAILED
        assert await post.queued() == []
        assert await post.inbox() == []


@pytest.mark.parametrize(("extensions", "reports"), [(("DSN",), 0), ((), 1)])
async def test_success_is_told_when_the_other_server_will_not_tell(
    post: PostOffice, extensions: tuple[str, ...], reports: int
) -> None:
    with RemoteMta(extensions=extensions) as mta:
        await post.run(mta.port)
        await post.send("bob@them.test", notify="SUCCESS,FAILURE")
        await post.until_attempted(1)
        found = await post.inbox()
        assert len(found) == reports
        assert all(b"Action: relayed\r\n" in report for report in found)
        assert post.of(Bounced) == []


async def test_a_delay_is_told_once_after_some_hours_and_the_end_after_five_days(post: PostOffice) -> None:
    with RemoteMta({"RCPT": "451 4.7.1 come later"}) as mta:
        await post.run(mta.port)
        await post.send("bob@them.test")
        tries, told_at_s = 0, None
        passed_s = 0.0
        while True:
            tries += 1
            await post.until_attempted(tries)
            rows = await post.queued()
            if not rows:
                break
            if told_at_s is None and await post.inbox():
                told_at_s = passed_s
            wait_s = rows[0].next_attempt_at - post.clock()
            passed_s += wait_s
            post.pass_time(wait_s)
        delay, end = await post.inbox()
        assert told_at_s is not None
        assert 3.5 * 3600 < told_at_s < 5 * 3600
        assert b"Action: delayed\r\n" in delay
        assert b"Will-Retry-Until: " in delay
        assert b"Subject: Not delivered yet: hello\r\n" in delay
        assert b"Action: failed\r\nStatus: 5.4.7\r\n" in end
        assert "It was tried for 5 days." in " ".join(end.decode().split())
        assert 5 * DAY_S <= passed_s < 5.3 * DAY_S
        assert 30 < tries < 45


async def test_sending_that_is_off_makes_mail_wait_and_says_why(post: PostOffice) -> None:
    await post.run(deliverer=post.deliverer(25, mode="off"))
    await post.send("bob@them.test")
    await post.until_attempted(1)
    (attempted,) = post.of(Attempted)
    assert attempted.outcome is Outcome.DEFERRED
    assert "switched off" in attempted.sentence


async def test_held_mail_stays_and_released_mail_goes(post: PostOffice) -> None:
    await post.send("bob@them.test")
    (message,) = await post.messages()
    assert await post.store.write(changes.hold(message.id)) == 1
    with RemoteMta() as mta:
        await post.run(mta.port)
        await post.send("carl@them.test")
        await post.until_attempted(1)
        assert [row.address for row in await post.queued()] == ["bob@them.test"]
        await post.store.write(changes.release(message.id))
        await post.until_attempted(2)
        assert {a.recipient for a in post.of(Attempted)} == {"bob@them.test", "carl@them.test"}
        assert len(mta.messages) == 2


async def test_what_is_flushed_goes_now(post: PostOffice) -> None:
    with RemoteMta({"MAIL": ["451 4.3.0 later"]}) as mta:
        await post.run(mta.port, limits=Limits(rest_s=600))
        await post.send("bob@them.test")
        await post.until_attempted(1)
        await post.store.write(changes.flush())
        await post.until_attempted(2)
        assert post.of(Attempted)[-1].outcome is Outcome.DELIVERED


async def test_a_change_of_another_process_is_seen_when_told_to_look(post: PostOffice) -> None:
    with RemoteMta({"MAIL": ["451 4.3.0 later"]}) as mta:
        runner = await post.run(mta.port)
        await post.send("bob@them.test")
        await post.until_attempted(1)

        def elsewhere() -> None:
            other = Store(post.home / "store")
            try:
                assert apply_now(other, Verb.FLUSH, None) == 1
            finally:
                other.close()

        await asyncio.to_thread(elsewhere)
        runner.kick()
        await post.until_attempted(2)


async def test_a_removed_message_is_not_sent_and_not_reported(post: PostOffice) -> None:
    await post.send("bob@them.test")
    (message,) = await post.messages()
    await post.store.write(changes.remove(message.id))
    with RemoteMta() as mta:
        await post.run(mta.port)
        await post.send("carl@them.test")
        await post.until_attempted(1)
        assert [m.recipients for m in mta.messages] == [["<carl@them.test>"]]
        assert await post.inbox() == []


async def test_the_try_is_in_the_store_before_anybody_is_called(post: PostOffice) -> None:
    seen: list[tuple[int, bool]] = []

    class Watching:
        def destination(self, domain: str) -> str:
            return domain

        async def deliver(self, job: Job) -> list[RecipientOutcome]:
            (row,) = await post.queued()
            seen.append((row.attempts, row.next_attempt_at > post.clock() + 50))
            raise RuntimeError("a fault of ours in the middle")

        async def close(self) -> None:
            pass

    await post.run(deliverer=Watching())
    await post.send("bob@them.test")
    await post.until_attempted(1)
    assert seen == [(1, True)]
    assert post.of(Attempted)[0].outcome is Outcome.DEFERRED
    (row,) = await post.queued()
    assert row.attempts == 1


class Hanging:
    """Never comes to an end by itself."""

    def __init__(self) -> None:
        self.called = asyncio.Event()

    def destination(self, domain: str) -> str:
        return domain

    async def deliver(self, job: Job) -> list[RecipientOutcome]:
        self.called.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def close(self) -> None:
        pass


async def test_stopping_in_the_middle_keeps_the_message(post: PostOffice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.queue.runner.GRACE_S", 0.05)
    hanging = Hanging()
    await post.run(deliverer=hanging)
    await post.send("bob@them.test")
    await hanging.called.wait()
    await post.stop()
    (row,) = await post.queued()
    assert (row.attempts, row.state) == (1, State.WAITING)
    with RemoteMta() as mta:
        await post.run(mta.port)
        post.pass_time(61)
        await post.until_attempted(1)
        assert len(mta.messages) == 1
        assert await post.queued() == []


async def test_stopping_waits_for_what_is_nearly_done(post: PostOffice) -> None:
    with RemoteMta() as mta:
        await post.run(mta.port)
        await post.send("bob@them.test")
        await asyncio.to_thread(lambda: mta.wait_for(lambda m: bool(m.messages)))
        await post.stop()
        assert await post.queued() == []
        assert len(mta.messages) == 1


async def test_a_line_that_breaks_after_the_dot_is_tried_again(post: PostOffice) -> None:
    with RemoteMta({"DOT": [HANG_UP]}) as mta:
        await post.run(mta.port)
        await post.send("bob@them.test")
        await post.until_attempted(1)
        assert len(await post.queued()) == 1
        post.pass_time(61)
        await post.until_attempted(2)
        assert [m.accepted for m in mta.messages] == [False, True]


async def test_what_was_delivered_is_not_sent_again_while_it_cannot_be_written_down(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.queue.runner.WRITE_AGAIN_S", 0.01)
    write, refused = post.store.write, 0

    async def failing(change: object, *, durable: bool = True) -> object:
        nonlocal refused
        if durable and "settle" in getattr(change, "__qualname__", "") and refused < 3:
            refused += 1
            raise StorageFailed("no space left on device")
        return await write(change, durable=durable)  # type: ignore[arg-type]

    with RemoteMta() as mta:
        await post.send("bob@them.test")
        monkeypatch.setattr(post.store, "write", failing)
        runner = await post.run(mta.port)
        await post.until_attempted(1)
        assert refused == 3
        assert len(mta.messages) == 1
        assert await post.queued() == []
        async with asyncio.timeout(20):
            while runner.health() is not None:  # noqa: ASYNC110 – it tells nobody
                await asyncio.sleep(0.01)


async def test_content_that_cannot_be_read_is_reported(post: PostOffice) -> None:
    await post.send("bob@them.test")

    def damage(tx: Tx) -> None:
        tx.connection.execute("UPDATE blobs SET data = substr(data, 1, 12)")

    await post.store.write(damage)
    with RemoteMta() as mta:
        await post.run(mta.port)
        await post.until(lambda: bool(post.of(Bounced)))
        assert mta.messages == []
        (report,) = await post.inbox()
        assert b"Status: 5.3.0\r\n" in report
        assert b"could not be read" in report


async def test_a_report_that_leads_nowhere_is_dropped(post: PostOffice) -> None:
    with RemoteMta({"RCPT": NO_SUCH_USER}) as mta:
        await post.run(mta.port)
        await post.send("bob@them.test", reverse_path="nobody@example.org", account=False)
        await post.until_attempted(1)
        assert await post.queued() == []
        assert post.of(Bounced) == []


async def test_health_tells_of_a_queue_that_cannot_be_read(
    post: PostOffice, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    runner = await post.run()
    assert runner.health() is None
    failed = asyncio.Event()

    async def broken(query: object) -> object:
        failed.set()
        raise OSError("the card is gone")

    with monkeypatch.context() as patch:
        patch.setattr(post.store, "read", broken)
        runner.kick()
        await failed.wait()
        assert "cannot be read" in str(runner.health())
    await post.send("bob@nomail.test")
    await post.until_attempted(1)
    assert runner.health() is None
    assert "the queue could not be looked at" in caplog.text


async def test_only_what_is_due_is_looked_at_and_the_next_time_is_known(post: PostOffice) -> None:
    for _ in range(4):
        await post.send("bob@them.test")
    ids = [row.id for row in await post.queued()]
    now, longest_s = post.clock(), Schedule().longest_wait_s

    def times(tx: Tx) -> None:
        for id, at in zip(ids, (0.0, now + 30, now + 20, now + 400 * DAY_S), strict=True):
            tx.connection.execute("UPDATE queue_recipients SET next_attempt_at = ? WHERE id = ?", (at, id))
        tx.connection.execute("UPDATE queue_recipients SET state = 'held' WHERE id = ?", (ids[2],))

    await post.store.write(times)
    due = await post.store.read(lambda c: queue_rows.due_recipients(c, now, longest_s))
    assert [row.id for row in due] == [ids[0], ids[3]], "a year ahead is a clock that was wrong"
    assert await post.store.read(lambda c: queue_rows.next_due_at(c, now)) == pytest.approx(now + 30)
    assert await post.store.read(lambda c: queue_rows.next_due_at(c, now + 500 * DAY_S)) is None


KILLED = """
import asyncio, sys
from pathlib import Path
from appliance.config.schema import OutboundConfig
from appliance.dns.resolver import Resolver
from appliance.queue.runner import QueueRunner
from appliance.status.bus import Bus
from appliance.store.changes.delivery import DeliveryPlan
from appliance.store.interface import Store
from appliance.transport.deliver import Deliverer

async def main():
    home, mx_port, dns_port = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    bus = Bus()
    store = Store(home, bus=bus, scratch=home)
    deliverer = Deliverer(OutboundConfig(mode="direct", mx_port=mx_port), Resolver([("127.0.0.1", dns_port)]),
                          hostname="mx.example.org", home=home)
    async def nowhere(report, to):
        return None
    await QueueRunner(store, deliverer, nowhere, bus=bus, hostname="mx.example.org").start()
    await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.mark.parametrize("step", ["GREETING", "MAIL", "DATA", "DOT"])
async def test_a_process_that_is_killed_in_the_middle_loses_nothing(post: PostOffice, step: str) -> None:
    await post.send("bob@them.test")
    with RemoteMta({step: STALL}) as mta:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, str(post.home / "store"), str(mta.port), str(post.dns_port)
        )
        reached = "" if step == "GREETING" else step
        await asyncio.to_thread(
            lambda: mta.wait_for(
                lambda m: bool(m.messages) if step == "DOT" else bool(m.connections) and _was_said(m, reached), 20
            )
        )
        process.kill()
        await process.wait()
    (row,) = await post.queued()
    assert (row.attempts, row.state) == (1, State.WAITING)
    assert row.next_attempt_at > post.clock() + 30, "the next try was set before the first was made"
    with RemoteMta() as mta:
        await post.run(mta.port)
        post.pass_time(90)
        await post.until_attempted(1)
        assert len(mta.messages) == 1
        assert await post.queued() == []


def _was_said(mta: RemoteMta, verb: str) -> bool:
    return any(command.startswith(verb) for command in mta.commands) or not verb


async def test_a_report_that_cannot_be_made_keeps_who_is_owed_it_and_repeats_nothing(
    post: PostOffice, caplog: pytest.LogCaptureFixture
) -> None:
    broken = True

    async def plan_report(report: bytes, to: Address) -> DeliveryPlan | None:
        if broken:
            raise RuntimeError("a fault of ours")
        return await post.intake.plan_report(report, to)

    with RemoteMta({"RCPT": lambda argument: "250 ok" if "carl" in argument else NO_SUCH_USER}) as mta:
        await post.run(mta.port, plan_report=plan_report)
        await post.send("bob@them.test", "carl@them.test")
        await post.until_attempted(2)
        assert [row.address for row in await post.queued()] == ["bob@them.test"]
        broken = False
        post.pass_time(1000)
        await post.until(lambda: bool(post.of(Bounced)))
        assert await post.queued() == []
        assert len(await post.inbox()) == 1
        assert [m.recipients for m in mta.messages] == [["<carl@them.test>"]]
    assert "nobody could be told" in caplog.text
