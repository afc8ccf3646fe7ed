"""The client's side of SCRAM-SHA-256, written from RFC 5802 and sharing nothing with the server's."""

from __future__ import annotations

import base64
import hashlib
import hmac


class Impostor(Exception):
    """The server did not prove that it knows the password's keys."""


class ScramClient:
    """flag: the GS2 flag, such as `n`, `y` or `p=tls-unique`; binding: the data that goes with the last. extensions: after
    the nonce of the first message."""

    def __init__(
        self,
        name: str,
        password: str,
        *,
        flag: str = "n",
        authzid: str = "",
        binding: bytes = b"",
        nonce: str = "clientnonce",
        extensions: str = "",
    ) -> None:
        escaped = name.replace("=", "=3D").replace(",", "=2C")
        self._password = password.encode()
        self._header = f"{flag},{'a=' + authzid if authzid else ''},".encode()
        self._binding = binding
        self._nonce = nonce
        self._bare = f"n={escaped},r={nonce}{extensions}".encode()
        self._server_signature = b""

    def first(self) -> bytes:
        return self._header + self._bare

    def final(self, challenge: bytes) -> bytes:
        """Raises Impostor."""
        fields = dict(part.split("=", 1) for part in challenge.decode().split(","))
        if list(fields) != ["r", "s", "i"] or not fields["r"].startswith(self._nonce) or fields["r"] == self._nonce:
            raise Impostor(challenge)
        salted = self._stretch(base64.b64decode(fields["s"]), int(fields["i"]))
        without_proof = b"c=%b,r=%b" % (base64.b64encode(self._header + self._binding), fields["r"].encode())
        signed = b",".join((self._bare, challenge, without_proof))
        client_key = hmac.new(salted, b"Client Key", hashlib.sha256).digest()
        signature = hmac.new(hashlib.sha256(client_key).digest(), signed, hashlib.sha256).digest()
        proof = (int.from_bytes(client_key, "big") ^ int.from_bytes(signature, "big")).to_bytes(32, "big")
        server_key = hmac.new(salted, b"Server Key", hashlib.sha256).digest()
        self._server_signature = hmac.new(server_key, signed, hashlib.sha256).digest()
        return without_proof + b",p=" + base64.b64encode(proof)

    def check(self, last: bytes) -> None:
        """Raises Impostor."""
        if last != b"v=" + base64.b64encode(self._server_signature):
            raise Impostor(last)

    def _stretch(self, salt: bytes, iterations: int) -> bytes:
        return hashlib.pbkdf2_hmac("sha256", self._password, salt, iterations)
