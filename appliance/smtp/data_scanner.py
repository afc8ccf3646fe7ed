"""The content of DATA: where it ends, its dots taken out again, and what must not be in it.

Promises: only CR LF . CR LF ends it; nothing is changed but the dot that SMTP puts before a leading dot; the same
content comes out however the octets were cut; lines may be as long as the message. Bare CR, bare LF and NUL are noted,
not repaired, and scanning goes on to the real end, so that the session stays in step and nothing after a false end is
ever taken for a command. Leaves sizes and refusals to `arrival.py`. RFC 5321 2.3.8, 4.1.1.4, 4.5.2.

Why not repair: a message that was changed has a broken DKIM signature, and one that is passed on with a bare LF lets
the next server see two messages where we saw one (SMTP smuggling).
"""

from __future__ import annotations

from enum import Flag, auto

_END = b"\r\n.\r\n"
_WORTH_A_LOOK_OCTETS = 16 * 1024


class ContentFault(Flag):
    """What is wrong with the content so far.

    NUL is refused because nothing that reads mail could be given it: RFC 5322 2.2 and RFC 2045 2.7 and 2.8 forbid it
    in a message, and an IMAP literal cannot carry it (RFC 9051 9, CHAR8), so that such a message could not be read
    back as it came.
    """

    NONE = 0
    BARE_LINE_END = auto()
    NUL = auto()


def faults_in(piece: bytes) -> ContentFault:
    """A CR LF must not be cut in two by the ends of `piece`. Cost: five passes in C, a fifth of that for what is lines of
    one length, as an attachment is."""
    fault = ContentFault.NUL if b"\0" in piece else ContentFault.NONE
    start, end = _equal_lines(piece) if len(piece) >= _WORTH_A_LOOK_OCTETS else (0, 0)
    if _has_bare_line_end(piece[:start]) or _has_bare_line_end(piece[end:] if end else piece):
        fault |= ContentFault.BARE_LINE_END
    return fault


def _has_bare_line_end(octets: bytes) -> bool:
    line_ends = octets.count(b"\r\n")
    return octets.count(b"\r") != line_ends or octets.count(b"\n") != line_ends


def _equal_lines(piece: bytes) -> tuple[int, int]:
    """Where whole lines of one length stand around the middle, each ended by CR LF and with no other CR or LF in it;
    (0, 0) if nowhere. To count an octet that is there every 78 takes twenty times as long as to look for one that is not."""
    middle = piece.find(b"\n", len(piece) // 2)
    step = piece.find(b"\n", middle + 1) - middle
    if middle < 0 or step < 2:
        return 0, 0
    ahead, behind = piece[middle::step], piece[middle::-step]
    start = middle + 1 - step * (len(behind) - len(behind.lstrip(b"\n")) - 1)
    end = middle + 1 + step * (len(ahead) - len(ahead.lstrip(b"\n")) - 1)
    if end - start < len(piece) // 2:
        return 0, 0
    lines = bytearray(piece[start:end])
    if lines[step - 2 :: step].strip(b"\r"):
        return 0, 0
    del lines[step - 1 :: step]
    del lines[step - 2 :: step - 1]
    return (0, 0) if b"\r" in lines or b"\n" in lines else (start, end)


class DataScanner:
    """Feed what follows the 354; take content pieces; once `done`, `rest` is what follows the end."""

    def __init__(self) -> None:
        # What precedes the content is a CR LF too: a first line that is a lone dot ends an empty message.
        self._held = b"\r\n"
        self._virtual_octets = 2
        self.fault = ContentFault.NONE
        self.done = False
        self.rest = b""

    def feed(self, data: bytes) -> bytes:
        """The content found so far and not returned before; at most four octets are held back."""
        if self.done:
            raise ValueError("the content has ended already")
        data = self._held + data
        # An attachment in base64 has no dot at all, and to look for one octet takes a fortieth of looking for three.
        dot = data.find(_END[:3]) if b"." in data else -1  # the first at a line's beginning: as a rule that of the end
        end = data.find(_END, dot) if dot >= 0 else -1
        if end >= 0:
            self.done = True
            self.rest = data[end + len(_END) :]
            self._held = b""
            content = data[: end + 2]
        else:
            keep = _held_back(data)
            content = data[: len(data) - keep]
            self._held = data[len(data) - keep :]
        self.fault |= faults_in(content)
        # A CR LF is always whole in `content`, and so is the dot after it: `_held_back` sees to that.
        if dot >= 0 and dot != end:
            content = content.replace(b"\r\n.", b"\r\n")
        virtual = min(self._virtual_octets, len(content))
        self._virtual_octets -= virtual
        return content[virtual:]


def _held_back(data: bytes) -> int:
    """How many octets at the end of `data` may be the beginning of the end."""
    for length in (4, 3, 2, 1):
        if data.endswith(_END[:length]):
            return length
    return 0
