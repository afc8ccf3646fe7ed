"""Address lists: the examples of RFC 5322 A, obsolete syntax, and what is wrong and common."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from appliance.mime import addresses
from appliance.mime.addresses import ADDRESSES_MOST, GROUP_END, MailboxOrGroup, parse_addresses


def box(address: bytes, name: bytes | None = None, adl: bytes | None = None) -> MailboxOrGroup:
    mailbox, _, host = address.rpartition(b"@")
    return MailboxOrGroup(name, adl, mailbox, host)


def group(name: bytes, *members: MailboxOrGroup) -> list[MailboxOrGroup]:
    return [MailboxOrGroup(None, None, name, None), *members, GROUP_END]


@pytest.mark.parametrize(
    ("value", "items"),
    [
        # RFC 5322 A.1.1
        pytest.param(b"John Doe <jdoe@machine.example>", [box(b"jdoe@machine.example", b"John Doe")], id="A.1.1"),
        # A.1.2
        pytest.param(
            b'"Joe Q. Public" <john.q.public@example.com>',
            [box(b"john.q.public@example.com", b"Joe Q. Public")],
            id="A.1.2 From",
        ),
        pytest.param(
            b"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
            [box(b"mary@x.test", b"Mary Smith"), box(b"jdoe@example.org"), box(b"one@y.test", b"Who?")],
            id="A.1.2 To",
        ),
        pytest.param(
            b'<boss@nil.test>, "Giant; \\"Big\\" Box" <sysservices@example.net>',
            [box(b"boss@nil.test"), box(b"sysservices@example.net", b'Giant; "Big" Box')],
            id="A.1.2 Cc",
        ),
        # A.1.3
        pytest.param(
            b"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
            group(b"A Group", box(b"c@a.test", b"Ed Jones"), box(b"joe@where.test"), box(b"jdoe@one.test", b"John")),
            id="A.1.3 To",
        ),
        pytest.param(b"Undisclosed recipients:;", group(b"Undisclosed recipients"), id="A.1.3 Cc"),
        # A.5
        pytest.param(
            b"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
            [box(b"pete@silly.test", b"Pete")],
            id="A.5 From",
        ),
        pytest.param(
            b"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
            b"         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
            group(
                b"A Group",
                box(b"c@public.example", b"Chris Jones"),
                box(b"joe@example.org"),
                box(b"jdoe@one.test", b"John"),
            ),
            id="A.5 To",
        ),
        pytest.param(
            b"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", group(b"Hidden recipients"), id="A.5 Cc"
        ),
        # A.6.1
        pytest.param(
            b"Joe Q. Public <john.q.public@example.com>",
            [box(b"john.q.public@example.com", b"Joe Q. Public")],
            id="A.6.1 From",
        ),
        pytest.param(
            b"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
            [box(b"mary@example.net", b"Mary Smith", b"@node.test"), box(b"jdoe@test.example")],
            id="A.6.1 To",
        ),
        # A.6.3
        pytest.param(
            b"John Doe <jdoe@machine(comment).  example>", [box(b"jdoe@machine.example", b"John Doe")], id="A.6.3 From"
        ),
        pytest.param(
            b"Mary Smith\r\n  \r\n          <mary@example.net>", [box(b"mary@example.net", b"Mary Smith")], id="A.6.3 To"
        ),
        # More of the syntax
        pytest.param(b"", [], id="nothing"),
        pytest.param(b" \r\n ", [], id="space"),
        pytest.param(b"a@b", [box(b"a@b")], id="bare"),
        pytest.param(b"<a@b>", [box(b"a@b")], id="in angle brackets"),
        pytest.param(b'"a b"@c', [box(b"a b@c")], id="quoted local-part"),
        pytest.param(b'"a\\"b"."c"@d', [box(b'a"b.c@d')], id="obsolete local-part of words"),
        pytest.param(b"a@[192.0.2.1]", [box(b"a@[192.0.2.1]")], id="domain literal"),
        pytest.param(b"a@[IPv6:2001:db8::1], b@c", [box(b"a@[IPv6:2001:db8::1]"), box(b"b@c")], id="IPv6 literal"),
        pytest.param(b"<@a,@b:c@d>, e@f", [box(b"c@d", None, b"@a,@b"), box(b"e@f")], id="route of two"),
        pytest.param(b"g:a@b;, c@d", [*group(b"g", box(b"a@b")), box(b"c@d")], id="after a group"),
        pytest.param(b"g:a@b; c@d", [*group(b"g", box(b"a@b")), box(b"c@d")], id="after a group, no comma"),
        pytest.param(b"g: a@b, c@d", group(b"g", box(b"a@b"), box(b"c@d")), id="group without end"),
        pytest.param(b'"g:;": a@b;', group(b"g:;", box(b"a@b")), id="quoted name of a group"),
        pytest.param(
            b"=?utf-8?q?J=C3=BC?= =?utf-8?b?w7w=?= <a@b>",
            [box(b"a@b", b"=?utf-8?q?J=C3=BC?= =?utf-8?b?w7w=?=")],
            id="encoded words stay",
        ),
        pytest.param("Jürgen <jü@ü.example>".encode(), [box("jü@ü.example".encode(), "Jürgen".encode())], id="UTF-8"),
        pytest.param(b'"" <a@b>', [box(b"a@b")], id="empty name"),
        pytest.param(b"a@b (Real Name)", [box(b"a@b", b"Real Name")], id="name as a comment"),
        pytest.param(b"a@b (Real (old) Name)", [box(b"a@b", b"Real (old) Name")], id="nested comment"),
        pytest.param(b"Name <a@b> (more)", [box(b"a@b", b"Name")], id="the name comes before the comment"),
        pytest.param(b"a@b,\r\n\tc@d", [box(b"a@b"), box(b"c@d")], id="folded"),
        pytest.param(b"Long\r\n Name <a@b>", [box(b"a@b", b"Long Name")], id="folded name"),
        # Wrong and common
        pytest.param(b"John Doe john@example.org", [box(b"john@example.org", b"John Doe")], id="no angle brackets"),
        pytest.param(b"foo@bar <a@b>", [box(b"a@b", b"foo@bar")], id="an address as name"),
        pytest.param(b"a@b;c@d", [box(b"a@b"), box(b"c@d")], id="semicolons"),
        pytest.param(b"root", [box(b"root@")], id="no domain"),
        pytest.param(b"undisclosed recipients", [box(b"undisclosed recipients@")], id="only words"),
        pytest.param(b"<>", [box(b"@")], id="empty angle brackets"),
        pytest.param(b"Name <>", [box(b"@", b"Name")], id="name without address"),
        pytest.param(b"a@", [box(b"a@")], id="empty domain"),
        pytest.param(b"@b", [box(b"@b")], id="empty local-part"),
        pytest.param(b"<a@b@c>", [box(b"a@b@c")], id="two @"),
        pytest.param(b"X <a@b, Y <c@d>", [box(b"a@b", b"X"), box(b"c@d", b"Y")], id="unclosed angle bracket"),
        pytest.param(b'"X <a@b>', [box(b"a@b", b'"X')], id="unclosed quote"),
        pytest.param(b"X(Y <a@b>", [box(b"a@b", b"X(Y")], id="unclosed comment"),
        pytest.param(b"'Joe' <a@b>", [box(b"a@b", b"'Joe'")], id="apostrophes"),
        pytest.param(b"Doe, John <a@b>", [box(b"Doe@"), box(b"a@b", b"John")], id="unquoted comma"),
        pytest.param(b"mailto:a@b", group(b"mailto", box(b"a@b")), id="a colon makes a group"),
        pytest.param(b",,,", [], id="only commas"),
        pytest.param(b"(only a comment)", [], id="only a comment"),
    ],
)  # fmt: skip
def test_parse_addresses(value: bytes, items: list[MailboxOrGroup]) -> None:
    assert list(parse_addresses(value)) == items


def test_kinds_of_items() -> None:
    start, member, end = parse_addresses(b"g: a@b;")
    assert (start.is_group_start, start.is_group_end, start.address) == (True, False, b"")
    assert (member.is_group_start, member.is_group_end, member.address) == (False, False, b"a@b")
    assert (end.is_group_start, end.is_group_end, end.address) == (False, True, b"")
    assert [item.address for item in parse_addresses(b"root, <>")] == [b"root", b""]


def test_only_so_many_addresses_are_read() -> None:
    assert len(parse_addresses(b"a@b," * (ADDRESSES_MOST + 10))) == ADDRESSES_MOST
    items = parse_addresses(b"g: " + b'"a"@b,' * (ADDRESSES_MOST + 10) + b";")
    assert len(items) == ADDRESSES_MOST + 2
    assert items[-1] == GROUP_END


PIECES = [
    b"a", b"b.c", b" ", b"@", b"<", b">", b",", b";", b":", b".", b'"', b"(", b")", b"[", b"]", b"\\", b"\r\n ", b"\xfc",
    b"a@b", b"X <c@d>", b'"Y" <e@f>', b"g: ",
]  # fmt: skip


def well_formed(items: tuple[MailboxOrGroup, ...]) -> bool:
    """Groups are not nested and all ended, and nothing holds a line end."""
    inside = False
    for item in items:
        if item.is_group_start:
            if inside:
                return False
            inside = True
        elif item.is_group_end:
            if not inside:
                return False
            inside = False
        if any(text is not None and b"\n" in text for text in (item.name, item.adl, item.mailbox, item.host)):
            return False
    return not inside


@given(st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join) | st.binary(max_size=60))
@settings(max_examples=500, deadline=None)
def test_any_octets_are_read(value: bytes) -> None:
    assert well_formed(parse_addresses(value))


@given(
    st.lists(st.sampled_from([b"a", b"b.c", b" ", b"@", b"<", b">", b",", b"X <c@d>", b"e@f, "]), max_size=12).map(
        b"".join
    )
)
@example(b'" a " <b@c>')
@settings(max_examples=500, deadline=None)
def test_the_quick_way_reads_the_same(value: bytes) -> None:
    assert parse_addresses(value) == tuple(addresses._items(value))


_atom = st.text("abcXYZ019+-_=", min_size=1, max_size=8)
_words = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)


@given(st.lists(st.tuples(_words, _atom, _atom), min_size=1, max_size=4))
@settings(max_examples=200, deadline=None)
def test_what_is_quoted_comes_back(written: list[tuple[str, str, str]]) -> None:
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    value = ", ".join(f"{quoted(name)} <{local}@{host}>" for name, local, host in written).encode()
    assert [(item.name, item.mailbox, item.host) for item in parse_addresses(value)] == [
        (name.strip(" ").encode() or None, local.encode(), host.encode()) for name, local, host in written
    ]


@pytest.mark.parametrize(
    "unit",
    [b",", b"(", b")", b'"', b'"\\', b"[", b":", b"a ", b"a@", b"<", b"@:", b"a@b ", b"(a)", b"<@a,", b". ", b"\\"],
)
def test_time_grows_with_the_length_only(unit: bytes) -> None:
    started = time.process_time()
    parse_addresses(unit * (addresses.VALUE_OCTETS // len(unit)) + b"@b")
    assert time.process_time() - started < 3
