"""The queue's rows: tried before dialling, settled with their reports in one change, held, released, removed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.status.bus import Bus
from appliance.status.events import Filed, MailboxChanged, QueueChanged, Queued, QueueVerb
from appliance.store.accounts import find_account
from appliance.store.changes.accounts import remove_account
from appliance.store.changes.delivery import DeliveryPlan, Dispatch, Filing, Forwarding, deliver
from appliance.store.changes.mailboxes import create_mailbox
from appliance.store.changes.queue import PutOff, flush, hold, note_attempt, release, remove, settle
from appliance.store.interface import Store
from appliance.store.queue_rows import State, all_messages, all_recipients, counts, message, recipients_of
from appliance.store.refusals import NoSuchAccount
from tests.support.stores import INTERNAL_DATE, mailbox_of, new_account, octets_of, open_store, recorded, uids_of

FAR = ("a@one.example", "b@one.example", "c@two.example")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "home", bus=Bus()) as store:
        new_account(store)
        yield store


def plan(
    store: Store,
    octets: bytes = b"Subject: x\r\n\r\nx",
    *,
    far: tuple[str, ...] = FAR,
    near: tuple[Filing, ...] = (),
    trace_id: str = "t1",
) -> DeliveryPlan:
    forwardings = tuple(Forwarding(a, a.split("@")[1], orcpt=f"rfc822;{a}", notify="DELAY,FAILURE") for a in far)
    dispatch = Dispatch(
        reverse_path="bob@example.org",
        recipients=forwardings,
        prefix=b"Received: ours\r\n",
        account_id=1,
        eight_bit=True,
        smtputf8=True,
        ret="HDRS",
        envid="e1",
        message_id_header="<1@example.org>",
        subject="x",
    )
    return DeliveryPlan(
        trace_id=trace_id,
        content=store.spool_bytes(octets),
        prefix=b"Return-Path: <bob@example.org>\r\n",
        internal_date=INTERNAL_DATE,
        filings=near,
        dispatches=(dispatch,) if far else (),
    )


def bob(mailbox: str = "INBOX", account_id: int = 1) -> Filing:
    return Filing(account_id, "bob@example.org", "bob@example.org", mailbox)


def queued(store: Store) -> int:
    store.write_now(deliver(plan(store)))
    return store.read_now(all_messages)[-1].id


def states(store: Store) -> list[tuple[str, State]]:
    return [(r.address, r.state) for r in store.read_now(all_recipients)]


def test_all_that_was_said_of_a_message_is_kept(store: Store) -> None:
    before = time.time()
    message_id = queued(store)
    row = store.read_now(lambda c: message(c, message_id))
    assert row is not None
    assert (row.trace_id, row.prefix, row.reverse_path, row.account_id) == (
        "t1",
        b"Received: ours\r\n",
        "bob@example.org",
        1,
    )
    assert (row.eight_bit, row.smtputf8, row.ret, row.envid) == (True, True, "HDRS", "e1")
    assert (row.message_id_header, row.subject, row.size_octets) == ("<1@example.org>", "x", 15)
    assert before <= row.accepted_at <= time.time()
    assert octets_of(store.content(row.blob_id)) == b"Subject: x\r\n\r\nx"
    recipients = store.read_now(lambda c: recipients_of(c, message_id))
    assert [r.address for r in recipients] == list(FAR)
    assert {(r.state, r.attempts, r.last_reply, r.last_attempt_at, r.delay_warned) for r in recipients} == {
        (State.WAITING, 0, "", None, False)
    }
    assert recipients[0].next_attempt_at <= time.time()
    assert (recipients[0].orcpt, recipients[0].notify, recipients[2].domain) == (
        "rfc822;a@one.example",
        "DELAY,FAILURE",
        "two.example",
    )


def test_local_and_remote_recipients_are_one_change_in_one_order_of_events(store: Store) -> None:
    events = recorded(store.bus)
    store.write_now(deliver(plan(store, near=(bob(), bob("Junk")))))
    store.close()
    assert [type(e) for e in events] == [
        MailboxChanged,
        Filed,
        MailboxChanged,
        Filed,
        Queued,
        Queued,
        Queued,
        QueueChanged,
    ]
    filed = [e for e in events if isinstance(e, Filed)]
    assert [(e.mailbox, e.uid, e.recipient, e.trace_id) for e in filed] == [
        ("INBOX", 1, "bob@example.org", "t1"),
        ("Junk", 1, "bob@example.org", "t1"),
    ]
    assert isinstance(events[-1], QueueChanged) and events[-1].waiting == 3


def test_a_mailbox_that_is_not_there_means_inbox(store: Store) -> None:
    store.write_now(create_mailbox(1, "lists"))
    store.write_now(deliver(plan(store, far=(), near=(bob("lists"), bob("gone")))))
    assert uids_of(store, mailbox_of(store, 1, "lists").id) == [1]
    assert uids_of(store, mailbox_of(store, 1).id) == [1]


def test_when_an_account_is_gone_nothing_at_all_is_kept(store: Store) -> None:
    with pytest.raises(NoSuchAccount):
        store.write_now(deliver(plan(store, near=(bob(), bob(account_id=99)))))
    assert uids_of(store, mailbox_of(store, 1).id) == []
    assert states(store) == []
    assert store.read_now(lambda c: c.execute("SELECT count(*) FROM blobs").fetchone()) == (0,)


def test_an_attempt_is_noted_before_dialling_for_those_that_may_be_tried(store: Store) -> None:
    message_id = queued(store)
    other = queued(store)
    store.write_now(hold(other))
    ids = [r.id for r in store.read_now(all_recipients)]
    assert store.write_now(note_attempt([*ids, 999], 2e9, 1e9)) == ids[:3]
    first = store.read_now(lambda c: recipients_of(c, message_id))[0]
    assert (first.attempts, first.last_attempt_at, first.next_attempt_at, first.last_reply) == (1, 1e9, 2e9, "")
    assert store.read_now(lambda c: recipients_of(c, other))[0].attempts == 0


def test_what_is_settled_goes_and_what_is_put_off_stays_with_its_reply(store: Store) -> None:
    message_id = queued(store)
    a, b, c = (r.id for r in store.read_now(all_recipients))
    store.write_now(settle(gone=[a], put_off=[PutOff(b, "450 4.2.1 later", "mx.one.example", 3e9)], warned=[b]))
    first, second = store.read_now(lambda con: recipients_of(con, message_id))
    assert (first.id, first.last_reply, first.last_host) == (b, "450 4.2.1 later", "mx.one.example")
    assert (first.next_attempt_at, first.delay_warned) == (3e9, True)
    assert (second.id, second.last_reply, second.delay_warned) == (c, "", False)
    assert store.read_now(counts) == (2, 1, 0)
    store.write_now(settle(gone=[b, c, c, 999]))
    assert store.read_now(lambda con: message(con, message_id)) is None
    assert store.read_now(counts) == (0, 0, 0)


def test_a_report_is_filed_in_the_change_that_it_reports(store: Store) -> None:
    queued(store)
    ids = [r.id for r in store.read_now(all_recipients)]
    report = plan(store, b"Subject: could not be delivered\r\n\r\n", far=(), near=(bob(),), trace_id="report")
    store.write_now(settle(gone=ids, reports=[report]))
    assert states(store) == []
    assert uids_of(store, mailbox_of(store, 1).id) == [1]


def test_a_report_for_an_account_that_is_gone_does_not_keep_the_message_in_the_queue(store: Store) -> None:
    """Or it would be sent again, and again."""
    new_account(store, "eve@example.org")
    queued(store)
    ids = [r.id for r in store.read_now(all_recipients)]
    good = plan(store, b"for eve", far=(), near=(Filing(2, "eve@example.org", "eve@example.org"),), trace_id="r2")
    lost = plan(store, b"for bob", far=(), near=(bob(),), trace_id="r1")
    store.write_now(remove_account("bob@example.org"))
    store.write_now(settle(gone=ids, reports=[lost, good]))
    assert states(store) == []
    eve = store.read_now(lambda c: find_account(c, "eve@example.org"))
    assert eve is not None
    assert uids_of(store, mailbox_of(store, eve.id).id) == [1]


def test_the_owners_verbs(store: Store) -> None:
    message_id = queued(store)
    other = queued(store)
    ids = [r.id for r in store.read_now(all_recipients)]
    store.write_now(note_attempt(ids, 2e9, 1e9))
    events = recorded(store.bus)
    assert store.write_now(hold(message_id)) == 3
    assert store.write_now(hold(message_id)) == 0
    assert {state for _, state in states(store)[:3]} == {State.HELD}
    assert store.write_now(flush()) == 3
    assert [r.next_attempt_at for r in store.read_now(all_recipients)] == [2e9] * 3 + [0] * 3
    assert store.write_now(release(message_id)) == 3
    assert [r.next_attempt_at for r in store.read_now(all_recipients)] == [0] * 6
    assert store.write_now(flush(other)) == 3
    assert store.write_now(remove(message_id)) == 3
    assert store.write_now(remove(message_id)) == 0
    assert store.write_now(release(999)) == 0
    assert [r.message_id for r in store.read_now(all_recipients)] == [other] * 3
    store.close()
    assert [e.verb for e in events if isinstance(e, QueueVerb)] == ["hold", "release", "flush", "remove"]
    assert {e.trace_id for e in events if isinstance(e, QueueVerb)} == {"t1"}
    assert isinstance(events[-1], QueueChanged)


def test_a_removed_accounts_mail_still_goes_out(store: Store) -> None:
    message_id = queued(store)
    store.write_now(remove_account("bob@example.org"))
    row = store.read_now(lambda c: message(c, message_id))
    assert row is not None and row.account_id is None
    assert len(states(store)) == 3
