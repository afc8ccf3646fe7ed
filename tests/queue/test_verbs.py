"""The owner's verbs find what a person names and touch only that."""

from __future__ import annotations

import asyncio

import pytest

from appliance.queue.verbs import Verb, apply_now, change_for, find
from appliance.store import queue_rows
from appliance.store.queue_rows import State

from .conftest import PostOffice


async def test_a_message_is_found_by_number_and_by_id(post: PostOffice) -> None:
    trace_id = await post.send("bob@them.test")
    (message,) = await post.messages()
    for name in (str(message.id), trace_id):
        found = await asyncio.to_thread(find, post.store, name)
        assert found == message
    for name in ("999", "nothing", "", "9" * 40):
        assert await asyncio.to_thread(find, post.store, name) is None


async def test_each_verb_touches_its_message_only(post: PostOffice) -> None:
    await post.send("bob@them.test")
    await post.send("carl@them.test")
    first, second = await post.messages()

    def states() -> dict[str, tuple[State, float]]:
        rows = post.store.read_now(queue_rows.all_recipients)
        return {row.address: (row.state, row.next_attempt_at) for row in rows}

    def apply() -> None:
        before = states()
        assert apply_now(post.store, Verb.HOLD, first.id) == 1
        assert apply_now(post.store, Verb.HOLD, first.id) == 0, "it is held already"
        assert states()["bob@them.test"][0] is State.HELD
        assert apply_now(post.store, Verb.FLUSH, None) == 1, "what is held is not flushed"
        assert states()["carl@them.test"] == (State.WAITING, 0)
        assert apply_now(post.store, Verb.RELEASE, first.id) == 1
        assert states()["bob@them.test"] == (State.WAITING, 0)
        assert before["bob@them.test"][1] > 0
        assert apply_now(post.store, Verb.REMOVE, second.id) == 1
        assert set(states()) == {"bob@them.test"}

    await asyncio.to_thread(apply)


@pytest.mark.parametrize("verb", [Verb.HOLD, Verb.RELEASE, Verb.REMOVE])
def test_all_but_flush_need_a_message(verb: Verb) -> None:
    with pytest.raises(ValueError, match="which message"):
        change_for(verb, None)
