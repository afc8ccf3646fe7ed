"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS: the client proves that it knows the password, and we that we know its keys.

    client   n,,n=bob,r=NONCE                                  client-first-message
    server   r=NONCEMORE,s=SALT,i=ITERATIONS                   server-first-message
    client   c=biws,r=NONCEMORE,p=PROOF                        client-final-message
    server   v=SIGNATURE                                       server-final-message

Promises: no password is ever sent, nor kept; a channel binding that the client names has to be that of this connection; a
client that could bind the channel, and was made to believe that we cannot, is refused (RFC 5802 6, `y`); what comes twice,
in another order or too long is a Fault, never an exception; proofs are compared in constant time. Leaves to `accounts/`
whose keys are given and what a wrong proof leads to, the nonce to the caller, and the base64 of whole messages to the
protocol. RFC 5802, RFC 7677.

Names are prepared by SASLprep; so are passwords, where it allows them. One that it does not allow counts as it was typed,
as PostgreSQL does it. Attributes that are not known are passed over (RFC 5802 5.1), but `m=`, which asks to be known.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import pbkdf2_hmac, sha256

from .mechanism import OUT_OF_TURN, TEXT_OCTETS, Accepted, Challenge, Fault, KeysWanted, Proof, Step
from .saslprep import saslprep

# The most that Cyrus SASL's clients go along with (mbsync, and whoever else uses it). The decision 0010 weighs it.
ITERATIONS = 65_536
SALT_OCTETS = 16
KEY_OCTETS = 32  # of SHA-256

_NONCE = re.compile(rb"[!-+\--~]{1,256}")  # printable, without the comma
_ESCAPE = re.compile(r"=(?:2C|3D)?")


@dataclass(slots=True, frozen=True)
class ScramKeys:
    """What is kept in a password's place. RFC 5802 3: whoever has the two keys can pose as the server, and try
    passwords against them; to sign in they do not suffice."""

    salt: bytes
    iterations: int
    stored_key: bytes = field(repr=False)
    server_key: bytes = field(repr=False)


def derive(password: str, salt: bytes, iterations: int = ITERATIONS) -> ScramKeys:
    """RFC 5802 3. Cost: CPU, `iterations` times two SHA-256; not on the event loop."""
    prepared = saslprep(password)
    octets = (password if prepared is None else prepared).encode("utf-8", "surrogatepass")
    salted_password = pbkdf2_hmac("sha256", octets, salt, iterations)
    client_key = _hmac(salted_password, b"Client Key")
    return ScramKeys(salt, iterations, sha256(client_key).digest(), _hmac(salted_password, b"Server Key"))


class _Wanted(Enum):
    CLIENT_FIRST = auto()
    KEYS = auto()
    CLIENT_FINAL = auto()
    JUDGEMENT = auto()
    LAST_WORD = auto()
    NOTHING = auto()


class Scram:
    """plus: the client chose the mechanism's -PLUS. plus_announced: it could have. bindings: what binds this connection,
    by the names of RFC 5929 and 9266. nonce: ours, printable and without a comma, never used before."""

    def __init__(self, *, plus: bool, plus_announced: bool, bindings: Mapping[str, bytes], nonce: str) -> None:
        self._plus = plus
        self._plus_announced = plus_announced
        self._bindings = bindings
        self._nonce = nonce.encode("ascii")
        self._wanted = _Wanted.CLIENT_FIRST
        self._authcid = ""
        self._bound = b""  # what `c=` has to hold
        self._client_first_bare = b""
        self._server_first = b""
        self._auth_message = b""
        self._keys: ScramKeys | None = None

    def start(self, initial: bytes | None) -> Step:
        """RFC 4422 5: a mechanism in which the client speaks first."""
        return Challenge(b"") if initial is None else self.step(initial)

    def step(self, response: bytes) -> Step:
        wanted, self._wanted = self._wanted, _Wanted.NOTHING
        match wanted:
            case _Wanted.CLIENT_FIRST:
                return self._client_first(response)
            case _Wanted.CLIENT_FINAL:
                return self._client_final(response)
            case _Wanted.LAST_WORD:
                # The protocols have no place for our last message beside their own `OK`: the client answers it with nothing.
                return Accepted() if not response else Fault("there was nothing more to say")
            case _:
                return OUT_OF_TURN

    def given(self, keys: ScramKeys) -> Step:
        """After KeysWanted."""
        if self._wanted is not _Wanted.KEYS:
            return OUT_OF_TURN
        self._keys = keys
        self._server_first = b"r=%b,s=%b,i=%d" % (self._nonce, base64.b64encode(keys.salt), keys.iterations)
        self._wanted = _Wanted.CLIENT_FINAL
        return Challenge(self._server_first)

    def accepted(self) -> Step:
        """After a Proof that was right, and nothing else that keeps the client out."""
        if self._wanted is not _Wanted.JUDGEMENT or self._keys is None:
            return OUT_OF_TURN
        self._wanted = _Wanted.LAST_WORD
        return Challenge(b"v=" + base64.b64encode(_hmac(self._keys.server_key, self._auth_message)))

    def _client_first(self, message: bytes) -> Step:
        # client-first-message = gs2-cbind-flag "," [ authzid ] "," client-first-message-bare
        parts = message.split(b",", 2)
        if len(message) > 4 * TEXT_OCTETS or len(parts) != 3:
            return Fault("a SCRAM message begins with a GS2 header")
        flag, authzid, bare = parts
        binding = self._binding(flag)
        if isinstance(binding, Fault):
            return binding
        # client-first-message-bare = [reserved-mext ","] username "," nonce ["," extensions]
        attributes = bare.split(b",")
        if attributes[0].startswith(b"m="):
            return Fault("an extension is asked for that is not known here")
        if len(attributes) < 2 or not attributes[0].startswith(b"n=") or not attributes[1].startswith(b"r="):
            return Fault("a name and a nonce are wanted")
        nonce = attributes[1][2:]
        if _NONCE.fullmatch(nonce) is None:
            return Fault("the nonce is malformed")
        authcid = _name(attributes[0][2:])
        if isinstance(authcid, Fault):
            return authcid
        if authzid:
            acts_for = _name(authzid[2:]) if authzid.startswith(b"a=") else Fault("the GS2 header is malformed")
            if isinstance(acts_for, Fault):
                return acts_for
            if acts_for.casefold() != authcid.casefold():
                return Fault("nobody may act for another account")
        self._bound = flag + b"," + authzid + b"," + binding
        self._client_first_bare = bare
        self._nonce = nonce + self._nonce
        self._authcid = authcid
        self._wanted = _Wanted.KEYS
        return KeysWanted(authcid)

    def _binding(self, flag: bytes) -> bytes | Fault:
        """gs2-cbind-flag = ("p=" cb-name) / "n" / "y". RFC 5802 6."""
        if flag.startswith(b"p="):
            if not self._plus:
                return Fault("the channel is bound, but without -PLUS in the mechanism's name")
            data = self._bindings.get(flag[2:].decode("ascii", "replace"))
            return Fault("there is no channel binding of that type here") if data is None else data
        if self._plus:
            return Fault("-PLUS is asked for, and no channel binding given")
        if flag == b"y" and self._plus_announced:
            return Fault("somebody on the way hid that -PLUS is offered")
        return b"" if flag in (b"n", b"y") else Fault("the GS2 header is malformed")

    def _client_final(self, message: bytes) -> Step:
        # client-final-message = channel-binding "," nonce ["," extensions] "," proof
        without_proof, mark, proof_text = message.rpartition(b",p=")
        attributes = without_proof.split(b",")
        if len(message) > 4 * TEXT_OCTETS or not mark or len(attributes) < 2 or self._keys is None:
            return Fault("a channel binding, a nonce and a proof are wanted")
        bound, nonce = attributes[:2]
        if bound != b"c=" + base64.b64encode(self._bound):
            return Fault("the channel binding is another one")
        if nonce != b"r=" + self._nonce:
            return Fault("the nonce is another one")
        proof = _proof(proof_text)
        if proof is None:
            return Fault("the proof is malformed")
        self._auth_message = b",".join((self._client_first_bare, self._server_first, without_proof))
        # RFC 5802 3: ClientProof is ClientKey XOR ClientSignature, and StoredKey is H(ClientKey).
        signature = _hmac(self._keys.stored_key, self._auth_message)
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        right = hmac.compare_digest(sha256(client_key).digest(), self._keys.stored_key)
        self._wanted = _Wanted.JUDGEMENT if right else _Wanted.NOTHING
        return Proof(self._authcid, right)


def _name(octets: bytes) -> str | Fault:
    """saslname: `=2C` is a comma and `=3D` an equals sign; any other `=` must be refused (RFC 5802 5.1)."""
    if not octets or len(octets) > TEXT_OCTETS or b"\0" in octets:
        return Fault("the name is empty, too long or has a NUL")
    try:
        text = octets.decode()
    except UnicodeDecodeError:
        return Fault("the name is not UTF-8")
    if "=" in _ESCAPE.findall(text):
        return Fault("an equals sign in the name is not escaped")
    prepared = saslprep(text.replace("=2C", ",").replace("=3D", "="))
    return prepared or Fault("the name has characters that no name may have")


def _proof(text: bytes) -> bytes | None:
    try:
        proof = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    return proof if len(proof) == KEY_OCTETS else None


def _hmac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")
