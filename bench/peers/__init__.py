"""The servers that are measured side by side, each as a description that `rig.py` runs. The first is ours."""

from __future__ import annotations

from bench.peers.merpati import Merpati
from bench.peers.postfix_dovecot import PostfixDovecot
from bench.rig import Peer

PEERS: dict[str, Peer] = {
    "merpati": Merpati(),
    "maildir": PostfixDovecot("maildir"),
    "sdbox": PostfixDovecot("sdbox"),
}
