"""What all servers share: the messages of a SCRAM exchange, and a stream of DEFLATE."""

from __future__ import annotations

import zlib
from base64 import b64encode

from hypothesis import given
from hypothesis import strategies as st

from appliance.sasl import mechanism
from appliance.sasl.mechanism import Accepted, Challenge, Credentials, Fault, KeysWanted, Proof, decode_response
from appliance.sasl.scram import derive
from appliance.wire.compression import Deflater, Inflater, NotDeflate
from tests.support.scram_client import ScramClient

from .octets import in_pieces, nearly, tries

KEYS = derive("secret", b"salt", 4096)
CLIENT = ScramClient("bob", "secret")
FIRST = CLIENT.first()
FINAL = CLIENT.final(b"r=clientnonceours,s=%b,i=4096" % b64encode(KEYS.salt))
SAID = [
    FIRST,
    FINAL,
    b"\0bob\0secret",
    b"bob",
    b"secret",
    b"p=tls-exporter,,n=bob,r=x",
    b"y,a=bob,n=b=2Cb,r=x,x=y",
    b"",
]
SCRAM_WORDS = [
    b"n,,",
    b"n=",
    b"r=",
    b"c=",
    b",p=",
    b",",
    b"=2C",
    b"=3D",
    b"=",
    b"m=",
    b"\0",
    b"\xff",
    b"biws",
    b"x" * 2000,
    "\u00aa".encode(),
]


@tries(200)
@given(
    st.sampled_from(["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]),
    st.lists(st.sampled_from(SAID) | nearly(SAID, SCRAM_WORDS), max_size=5),
)
def test_sign_in_exchanges(name: str, said: list[bytes]) -> None:
    """Whatever is said, an exchange is a few steps that end in a fault, credentials or a proof; a proof is right only when
    the very words of one who knows the password were said, and nothing but that is accepted."""
    exchange = mechanism(name, {"tls-exporter": b"bound"}, "ours")
    assert exchange is not None
    step = exchange.start(said[0] if said else None)
    proved = False
    for response in [*said[1:], b""]:
        match step:
            case KeysWanted(authcid):
                authcid.encode()
                step = exchange.given(KEYS)
                assert isinstance(step, Challenge)
            case Proof(_, right):
                assert not right or FINAL in said
                proved = right
                step = exchange.accepted() if right else Fault("wrong")
                continue
            case Accepted():
                assert proved
                return
            case Credentials() | Fault():
                return
        step = exchange.step(response)
    assert isinstance(step, Challenge | Credentials | Fault | KeysWanted | Proof | Accepted)


@tries(100)
@given(nearly([b64encode(FIRST), b"=", b"*"], [b"=", b"==", b"\0", b"\xff", b" ", b"A", b"A" * 20_000]))
def test_responses_in_base64(octets: bytes) -> None:
    """Any line is octets or none."""
    found = decode_response(octets)
    assert found is None or len(found) <= len(octets)


def deflated(octets: bytes) -> bytes:
    return Deflater().deflate(octets)


STREAMS = [
    deflated(b"a NOOP\r\nb LOGOUT\r\n"),
    deflated(b"x" * 5000),
    deflated(bytes(range(256))),
    zlib.compress(b"x"),
    deflated(b"\0" * 1_000_000),
    b"",
]


@tries(150)
@given(
    nearly(STREAMS, [b"\0", b"\xff", b"\0\0\0\xff\xff", b"\x03\0", b"\x00\x05\x00\xfa\xff"]),
    st.integers(1, 4096),
    st.data(),
)
def test_a_stream_of_deflate(octets: bytes, most: int, data: st.DataObject) -> None:
    """Any octets are inflated in portions no larger than asked for, the same however they come, or are no DEFLATE."""

    def inflated(pieces: list[bytes], most: int) -> tuple[bytes, bool]:
        inflater, out = Inflater(), bytearray()
        try:
            for piece in pieces:
                inflater.feed(piece)
                while inflater.has_more and len(out) < 100_000:
                    got = inflater.inflate(most)
                    assert len(got) <= most
                    out += got
        except NotDeflate:
            return bytes(out), False
        return bytes(out), True

    whole, fine = inflated([octets], most)
    pieces, still_fine = inflated(data.draw(in_pieces(octets)), most)
    shorter = min(len(whole), len(pieces))
    assert whole[:shorter] == pieces[:shorter]
    if shorter < 100_000:
        assert fine is still_fine
        assert not fine or whole == pieces
    assert inflated([deflated(octets)], most) == (octets, True) or len(octets) >= 100_000
