"""The cache never gives what is no longer true and never grows beyond its bound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.dns.cache import LONGEST_S, Cache


def test_an_answer_is_given_with_the_time_it_has_left() -> None:
    now = [10.0]
    cache: Cache[str, int] = Cache(lambda: now[0])
    cache.put("a", 1, 30)
    now[0] = 25
    assert cache.get("a") == (1, 15)
    now[0] = 40
    assert cache.get("a") is None
    assert len(cache) == 0


def test_a_ttl_of_nothing_is_not_kept_and_a_long_one_is_cut() -> None:
    now = [0.0]
    cache: Cache[str, int] = Cache(lambda: now[0])
    cache.put("none", 1, 0)
    cache.put("week", 2, 7 * 86400)
    assert cache.get("none") is None
    assert cache.get("week") == (2, LONGEST_S)


def test_what_was_asked_least_recently_goes_first() -> None:
    cache: Cache[str, int] = Cache(lambda: 0.0, most=2)
    cache.put("a", 1, 60)
    cache.put("b", 2, 60)
    cache.get("a")
    cache.put("c", 3, 60)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == ((1, 60), None, (3, 60))


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 20), st.integers(0, 5), st.booleans()), max_size=60)
)
def test_it_agrees_with_a_plain_dict_where_it_answers(steps: list[tuple[str, int, int, bool]]) -> None:
    now = 0.0
    cache: Cache[str, int] = Cache(lambda: now, most=3)
    model: dict[str, tuple[float, int]] = {}
    for number, (key, ttl_s, passed_s, put) in enumerate(steps):
        now += passed_s
        if put:
            cache.put(key, number, ttl_s)
            if ttl_s:
                model[key] = (now + ttl_s, number)
        got = cache.get(key)
        if got is not None:
            until, value = model[key]
            assert got == (value, until - now)
            assert until > now
        assert len(cache) <= 3
