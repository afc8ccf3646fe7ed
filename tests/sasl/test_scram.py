"""SCRAM-SHA-256 as RFC 5802 and RFC 7677 have it; what does not fit is refused and never raises."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.sasl import Accepted, Challenge, Fault, KeysWanted, Proof, ScramKeys, Step
from appliance.sasl.mechanism import TEXT_OCTETS
from appliance.sasl.scram import Scram, derive
from tests.support.scram_client import Impostor, ScramClient

SALT = b"some octets"
KEYS = derive("pencil", SALT, 4096)
UNIQUE = b"what the handshake ended with"


def machine(*, plus: bool = False, bindings: dict[str, bytes] | None = None, announced: bool | None = None) -> Scram:
    bindings = bindings or {}
    return Scram(
        plus=plus, plus_announced=bool(bindings) if announced is None else announced, bindings=bindings, nonce="ours"
    )


def test_the_exchange_of_rfc_7677() -> None:
    """RFC 7677 3, octet by octet."""
    scram = Scram(plus=False, plus_announced=False, bindings={}, nonce="%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0")
    assert scram.start(None) == Challenge(b"")
    assert scram.step(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO") == KeysWanted("user")
    keys = derive("pencil", base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4096)
    assert scram.given(keys) == Challenge(
        b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
    )
    final = (
        b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
    )
    assert scram.step(final) == Proof("user", True)
    assert scram.accepted() == Challenge(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")
    assert scram.step(b"") == Accepted()
    assert isinstance(scram.step(b""), Fault)


def run(scram: Scram, client: ScramClient, keys: ScramKeys = KEYS) -> list[Step]:
    """As far as it goes."""
    steps = [scram.start(client.first())]
    if isinstance(steps[-1], KeysWanted):
        steps.append(scram.given(keys))
        assert isinstance(steps[-1], Challenge)
        steps.append(scram.step(client.final(steps[-1].data)))
        if steps[-1] == Proof("tim", True):
            steps.append(scram.accepted())
            assert isinstance(steps[-1], Challenge)
            client.check(steps[-1].data)
            steps.append(scram.step(b""))
    return steps


PLUS = {"plus": True, "bindings": {"tls-unique": UNIQUE}}
RIGHT = {
    "n": (machine(), ScramClient("tim", "pencil")),
    "n, and -PLUS is there": (machine(bindings={"tls-unique": UNIQUE}), ScramClient("tim", "pencil")),
    "y, and -PLUS is not there": (machine(), ScramClient("tim", "pencil", flag="y")),
    "y, and only a type is there that is not announced": (
        machine(bindings={"tls-server-end-point": b"x"}, announced=False),
        ScramClient("tim", "pencil", flag="y"),
    ),
    "p": (machine(**PLUS), ScramClient("tim", "pencil", flag="p=tls-unique", binding=UNIQUE)),
    "acts for itself": (machine(), ScramClient("tim", "pencil", authzid="Tim")),
    "acts for itself, bound": (
        machine(**PLUS),
        ScramClient("tim", "pencil", flag="p=tls-unique", binding=UNIQUE, authzid="tim"),
    ),
    "an extension that may be passed over": (machine(), ScramClient("tim", "pencil", extensions=",x=1,y=z")),
}


@pytest.mark.parametrize(("scram", "client"), RIGHT.values(), ids=RIGHT.keys())
def test_both_sides_are_content(scram: Scram, client: ScramClient) -> None:
    assert run(scram, client)[-1] == Accepted()


FAULTS = {
    "y, though -PLUS is there: somebody hid it": (
        machine(bindings={"tls-unique": UNIQUE}),
        ScramClient("tim", "pencil", flag="y"),
    ),
    "p without -PLUS": (
        machine(bindings={"tls-unique": UNIQUE}),
        ScramClient("tim", "pencil", flag="p=tls-unique", binding=UNIQUE),
    ),
    "-PLUS without p": (machine(**PLUS), ScramClient("tim", "pencil")),
    "-PLUS with y": (machine(**PLUS), ScramClient("tim", "pencil", flag="y")),
    "a type that is not there": (machine(**PLUS), ScramClient("tim", "pencil", flag="p=tls-exporter", binding=b"x")),
    "another connection": (machine(**PLUS), ScramClient("tim", "pencil", flag="p=tls-unique", binding=b"another")),
    "no such flag": (machine(), ScramClient("tim", "pencil", flag="x")),
    "for another account": (machine(), ScramClient("tim", "pencil", authzid="ann")),
}


@pytest.mark.parametrize(("scram", "client"), FAULTS.values(), ids=FAULTS.keys())
def test_what_does_not_fit(scram: Scram, client: ScramClient) -> None:
    assert isinstance(run(scram, client)[-1], Fault)


def test_a_wrong_password() -> None:
    scram = machine()
    assert run(scram, ScramClient("tim", "pen"))[-1] == Proof("tim", False)
    assert isinstance(scram.accepted(), Fault), "it cannot be accepted all the same"


def test_a_server_without_the_keys_cannot_prove_itself() -> None:
    forged = ScramKeys(KEYS.salt, KEYS.iterations, KEYS.stored_key, b"\0" * 32)
    with pytest.raises(Impostor):
        run(machine(), ScramClient("tim", "pencil"), forged)


FIRST = {
    "nothing": b"",
    "no header": b"n=tim,r=x",
    "no name": b"n,,r=x",
    "empty name": b"n,,n=,r=x",
    "no nonce": b"n,,n=tim",
    "empty nonce": b"n,,n=tim,r=",
    "a space in the nonce": b"n,,n=tim,r=a b",
    "the other way round": b"n,,r=x,n=tim",
    "a mandatory extension": b"n,,m=1,n=tim,r=x",
    "not UTF-8": b"n,,n=\xff,r=x",
    "NUL": b"n,,n=a\0b,r=x",
    "an equals sign alone": b"n,,n=a=b,r=x",
    "a small hexadecimal digit": b"n,,n=a=2c,r=x",
    "a malformed authorization identity": b"n,tim,n=tim,r=x",
    "a name with a control character": b"n,,n=a\x07,r=x",
    "a long name": b"n,,n=" + b"a" * (TEXT_OCTETS + 1) + b",r=x",
    "far too long": b"n,,n=tim,r=x," + b"a=" * 9000,
}


@pytest.mark.parametrize("message", FIRST.values(), ids=FIRST.keys())
def test_a_first_message_that_is_none(message: bytes) -> None:
    scram = machine()
    assert isinstance(scram.start(message), Fault)
    assert isinstance(scram.step(message), Fault), "there is no second chance"


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (b"a=2Cb=3Dc", "a,b=c"),
        ("J\u00fcrgen@example.org".encode(), "J\u00fcrgen@example.org"),
        ("\uff34im".encode(), "Tim"),
        ("ti\u00adm".encode(), "tim"),
    ],
    ids=["escaped", "UTF-8", "full width", "a soft hyphen"],
)
def test_names(sent: bytes, name: str) -> None:
    assert machine().start(b"n,,n=%b,r=x" % sent) == KeysWanted(name)


FINAL = {
    "nothing": b"",
    "no proof": b"c=biws,r=xours",
    "another header": b"c=eSws,r=xours,p=" + base64.b64encode(bytes(32)),
    "another nonce": b"c=biws,r=theirs,p=" + base64.b64encode(bytes(32)),
    "only the client's nonce": b"c=biws,r=x,p=" + base64.b64encode(bytes(32)),
    "a short proof": b"c=biws,r=xours,p=" + base64.b64encode(bytes(31)),
    "a proof that is not base64": b"c=biws,r=xours,p=!!!",
    "something after the proof": b"c=biws,r=xours,p=" + base64.b64encode(bytes(32)) + b",x=1",
}


@pytest.mark.parametrize("message", FINAL.values(), ids=FINAL.keys())
def test_a_final_message_that_is_none(message: bytes) -> None:
    scram = machine()
    scram.start(b"n,,n=tim,r=x")
    scram.given(KEYS)
    assert isinstance(scram.step(message), Fault)


def test_the_client_has_the_last_word_and_it_is_empty() -> None:
    scram, client = machine(), ScramClient("tim", "pencil")
    scram.start(client.first())
    challenge = scram.given(KEYS)
    assert isinstance(challenge, Challenge)
    assert scram.step(client.final(challenge.data)) == Proof("tim", True)
    assert isinstance(scram.accepted(), Challenge)
    assert isinstance(scram.step(b"more"), Fault)


PREPARED = {
    "ASCII": ("pencil", "pencil"),
    "composed and not": ("p\u00e4sswort", "pa\u0308sswort"),
    "full width": ("pass", "\uff50\uff41\uff53\uff53"),
    "a hard space": ("a b", "a\u00a0b"),
    "letters of today": ("\U0001f98a\U0001f98a\U0001f98a", "\U0001f98a\U0001f98a\U0001f98a"),
    "what SASLprep forbids counts as it is": ("a\u2028b", "a\u2028b"),
}


@pytest.mark.parametrize(("one", "other"), PREPARED.values(), ids=PREPARED.keys())
def test_a_password_typed_on_another_keyboard(one: str, other: str) -> None:
    assert derive(one, SALT, 4096) == derive(other, SALT, 4096)


def test_keys_do_not_show() -> None:
    assert repr(KEYS.stored_key) not in repr(KEYS) and repr(KEYS.server_key) not in repr(KEYS)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.binary(max_size=30),
            st.sampled_from(
                [b"n,,n=tim,r=x", b"y,,n=tim,r=x", b"c=biws,r=xours,p=" + base64.b64encode(bytes(32)), b""]
            ),
        ),
        max_size=5,
    ),
    st.booleans(),
)
def test_any_octets_end_in_a_step(messages: list[bytes], plus: bool) -> None:
    """And never in a proof that is right."""
    scram = machine(plus=plus, bindings={"tls-unique": UNIQUE})
    for message in messages:
        step = scram.step(message)
        if isinstance(step, KeysWanted):
            assert step.authcid
            step = scram.given(KEYS)
        assert isinstance(step, Challenge | Fault) or step == Proof("tim", False)
