"""The structure of a message, read while it streams by.

Promises: never raises on octets; the result is the same however the content was cut into chunks; bodies are not kept,
so that a message of any size costs some 100 KiB (more only while one header is read, at most HEADER_OCTETS); time
grows in line with the size. What `parts.py` says of its trees holds for every result.

How lenient it is: lines may end with a bare LF; a header ends at its empty line, at a boundary or at the end of the
content; a delimiter is a whole line, but for white space at its end, so that boundaries which are prefixes of each
other do not meet (RFC 2046 5.1.1 would take the prefix); an enclosing multipart's delimiter ends all parts within it;
after a close delimiter there are no more parts. A multipart that names no boundary or in which no part is found is
shown as text/plain, so that its reader sees what there is.

Limits, for mail made to hurt: PARTS_MOST parts, DEPTH_MOST deep, HEADERS_OCTETS of all headers together; what is
beyond is not taken apart: a multipart shows as text/plain, a message as application/octet-stream.
RFC 2045, RFC 2046 5, RFC 5322 2.1, RFC 9051 6.4.5.1 and 7.5.2.
"""

from __future__ import annotations

from .addresses import MailboxOrGroup
from .content_fields import parameter
from .dates import parse_date
from .open_part import Fields, Head, OpenPart, boundary_of
from .parts import EnvelopeFields, Part, Structure, decode, encode
from .preview import HEAD_OCTETS, preview

__all__ = ["EnvelopeFields", "MailboxOrGroup", "Part", "Structure", "StructureScanner", "decode", "encode"]

HEADER_OCTETS = 256 * 1024  # of one header that are read; Postfix takes 100 KiB, Exim 1 MiB
HEADERS_OCTETS = 1024 * 1024  # of all headers of a message
PARTS_MOST = 1000
DEPTH_MOST = 50
DASHED_LINES_MOST = 200_000  # lines that look like a delimiter and are none, before we stop looking

_BLOCK = 64 * 1024
_LINE_OCTETS = 512  # a delimiter line is not longer: dashes, boundary, white space
_IDENTITY = (b"7bit", b"8bit", b"binary")


class StructureScanner:
    """`feed` the content in chunks of any size, then `finish`."""

    def __init__(self) -> None:
        self._pending = bytearray()  # what was fed and is not yet understood; starts at offset _base of the content
        self._base = 0
        self._enough = _BLOCK  # so much must be pending before it is worth looking
        self._line_ends = 0  # before the position we have come to
        self._has_8bit = False
        # Where we are. The innermost open part is the last of _open; between two parts that is their multipart.
        self._open: list[OpenPart] = []
        self._boundaries: dict[bytes, int] = {}  # of open multiparts → place in _open
        self._in_header = True
        self._header_start = 0
        self._header_kept: bytes | None = None  # once a header is longer than what we keep of it
        self._at_line_start = True
        self._headers_left = HEADERS_OCTETS
        self._parts = 1
        self._dashed_lines = 0
        # What we have found.
        self._fields: Fields | None = None  # of the outermost header
        self._heads: dict[bytes, Head] = {}  # for the preview: the first text/plain and the first text/html
        self._root: Part | None = None

    def feed(self, chunk: bytes) -> None:
        if not self._has_8bit and not chunk.isascii():
            self._has_8bit = True
        for start in range(0, len(chunk), _BLOCK):
            self._pending += chunk[start : start + _BLOCK] if len(chunk) > _BLOCK else chunk
            if len(self._pending) >= self._enough:
                self._advance(final=False)

    def feed_lines(self, lines: bytes, count: int) -> None:
        """The same as `feed`, but quick, for `count` (at least 2) whole lines of equal length, ASCII and without a dash,
        of an attachment as a rule. What was fed before must have ended with a line's end."""
        # A long header that has not ended would be looked through again for each few lines.
        if not (self._in_header and len(self._pending) > _BLOCK):
            self._advance(final=False)
        head = self._open[-1].head if self._open else None
        if self._in_header or (head is not None and len(head.octets) < HEAD_OCTETS):
            self.feed(lines)
            return
        # What is pending now is the line end before these lines at most, which belongs to no delimiter. Their own last
        # line end may belong to one, so the last line goes the long way.
        self._line_ends += self._pending.count(b"\n") + count - 1
        last_line = lines[len(lines) // count * (count - 1) :]
        self._base += len(self._pending) + len(lines) - len(last_line)
        self._pending.clear()
        self._at_line_start = True
        self.feed(last_line)

    def finish(self) -> Structure:
        """The whole structure. Nothing can be fed afterwards."""
        if self._root is None:
            self._advance(final=True)
            self._close_parts(0, self._base)
        assert self._root is not None and self._fields is not None
        envelope = self._fields.envelope()
        header_date = parse_date(envelope.date) if envelope.date else None
        return Structure(
            envelope=envelope,
            root=self._root,
            preview=self._preview(),
            references=self._fields.references(),
            has_8bit=self._has_8bit,
            header_date=header_date.timestamp() if header_date else None,
            lines=self._line_ends,
        )

    def _advance(self, *, final: bool) -> None:
        data = bytes(self._pending)
        position, more = 0, True
        while more:
            read = self._read_header if self._in_header else self._read_body
            position, more = read(data, position, final)
        del self._pending[:position]
        self._base += position
        # A header is looked at anew each time: not for each small chunk, that would be quadratic.
        self._enough = max(_BLOCK, 2 * len(self._pending))

    # Each reader takes (data, position, final) and returns (how far it has come, whether there is more to read now).

    def _read_header(self, data: bytes, position: int, final: bool) -> tuple[int, bool]:
        end = self._empty_line_end(data, position)
        delimiter, dashed_lines = self._find_delimiter(data, position, end if end >= 0 else len(data), final)
        if delimiter is not None:
            end = delimiter.line_start
        elif end < 0 and final:
            end = len(data)
        room = min(HEADER_OCTETS, self._headers_left)
        if self._header_kept is None and (end >= 0 or len(data) - position > room):
            # One octet more than there is room for tells that something is missing.
            self._header_kept = _whole_lines(
                data[position : min(end if end >= 0 else len(data), position + room + 1)], room
            )
            self._headers_left -= len(self._header_kept)
        if end >= 0:
            self._count_dashed(dashed_lines)
            self._pass(data, position, end)
            header, self._header_kept = self._header_kept or b"", None
            self._at_line_start = True
            self._open_part(header, self._base + end)
            return end, True
        if self._header_kept is None:
            return position, False
        self._count_dashed(dashed_lines)
        return self._pass(data, position, self._undecided(data, position, dashes_only=False)), False

    def _empty_line_end(self, data: bytes, position: int) -> int:
        if self._at_line_start:
            if data.startswith(b"\r\n", position):
                return position + 2
            if data.startswith(b"\n", position):
                return position + 1
        crlf = data.find(b"\n\r\n", position)
        lf = data.find(
            b"\n\n", position, crlf + 1 if crlf >= 0 else len(data)
        )  # as a rule there is none in all the body
        if lf >= 0:
            return lf + 2
        return crlf + 3 if crlf >= 0 else -1

    def _read_body(self, data: bytes, position: int, final: bool) -> tuple[int, bool]:
        if not self._boundaries:
            return self._pass(data, position, len(data), body=True), False
        delimiter, dashed_lines = self._find_delimiter(data, position, len(data), final)
        self._count_dashed(dashed_lines)
        if delimiter is None:
            end = len(data) if final else self._undecided(data, position, dashes_only=True)
            return self._pass(data, position, end, body=True), False
        end = delimiter.line_start
        # The line end before a delimiter belongs to it; RFC 2046 5.1.1.
        if end > position:
            end -= 2 if data.endswith(b"\r\n", position, end) else 1
        self._pass(data, position, end, body=True)
        self._close_parts(delimiter.level + 1, self._base + end)
        if delimiter.closes:
            # The line end after it may belong to the next delimiter, so it stays for the epilogue.
            self._open[delimiter.level].boundary = b""
            self._note_boundaries()
            after = delimiter.line_end - data.endswith(b"\r", 0, delimiter.line_end)
            return self._pass(data, end, after), True
        self._parts += 1
        after = self._pass(data, end, min(delimiter.line_end + 1, len(data)))
        self._begin_header(self._base + after)
        return after, True

    def _pass(self, data: bytes, start: int, end: int, *, body: bool = False) -> int:
        """Leaves data[start:end] behind."""
        if end > start:
            self._at_line_start = False
            self._line_ends += data.count(b"\n", start, end)
            if body and self._open and (head := self._open[-1].head) is not None:
                head.octets += data[start : min(end, start + HEAD_OCTETS - len(head.octets))]
        return end

    def _find_delimiter(self, data: bytes, position: int, stop: int, final: bool) -> tuple[_Delimiter | None, int]:
        """(the first delimiter line that begins before `stop`, how many other lines began with dashes). A last line
        without its end is none yet: see `_undecided`."""
        dashed_lines, most = 0, DASHED_LINES_MOST - self._dashed_lines
        if not self._boundaries:
            return None, 0
        if self._at_line_start and data.startswith(b"--", position):
            line_start = position
        else:
            line_start = data.find(b"\n--", position, stop) + 1 or -1
        while line_start >= 0 and dashed_lines < most:
            line_end = data.find(b"\n", line_start, line_start + _LINE_OCTETS + 1)
            if line_end < 0 and len(data) - line_start <= _LINE_OCTETS:
                if not final:
                    break
                line_end = len(data)
            if line_end >= 0 and (delimiter := self._delimiter(data, line_start, line_end)):
                return delimiter, dashed_lines
            dashed_lines += 1
            line_start = data.find(b"\n--", line_start, stop) + 1 or -1
        return None, dashed_lines

    def _delimiter(self, data: bytes, line_start: int, line_end: int) -> _Delimiter | None:
        text = data[line_start + 2 : line_end].rstrip(b" \t\r")
        level = self._boundaries.get(text, -1) if self._parts < PARTS_MOST else -1
        closing = self._boundaries.get(text[:-2], -1) if text.endswith(b"--") else -1
        if level < 0 and closing < 0:
            return None
        return _Delimiter(line_start, line_end, max(level, closing), closing > level)

    def _count_dashed(self, lines: int) -> None:
        self._dashed_lines += lines
        if self._dashed_lines >= DASHED_LINES_MOST:
            self._boundaries = {}

    def _undecided(self, data: bytes, position: int, *, dashes_only: bool) -> int:
        """Where the last line begins, with the line end before it, if it may yet become a delimiter (or, unless
        `dashes_only`, an empty line); else the end of the data, less a CR that may belong to a delimiter's line end."""
        line_end = data.rfind(b"\n", position)
        line_start = line_end + 1 if line_end >= 0 else position if self._at_line_start else len(data) + 1
        short = line_start <= len(data) <= line_start + _LINE_OCTETS
        if short and not (dashes_only and data[line_start : line_start + 2] not in (b"", b"-", b"--")):
            if line_end < 0:
                return position
            return line_end - data.endswith(b"\r", position, line_end)
        return len(data) - data.endswith(b"\r", position)

    def _begin_header(self, offset: int) -> None:
        self._in_header = self._at_line_start = True
        self._header_start = offset

    def _open_part(self, header: bytes, body_start: int) -> None:
        """A header is over: what kind of part is it?"""
        parent = self._open[-1] if self._open else None
        fields = Fields(header)
        part = OpenPart(fields, parent, self._header_start, body_start, self._line_ends)
        may_hold_parts = len(self._open) < DEPTH_MOST and self._parts < PARTS_MOST
        self._open.append(part)
        self._in_header = False
        if parent is None:
            self._fields = fields
        elif parent.type == b"message":
            part.envelope = fields.envelope()
        match part.type:
            case b"multipart":
                part.boundary = boundary_of(part.params) if may_hold_parts else b""
                if part.boundary:
                    self._note_boundaries()
                else:
                    part.show_as_text()
            case b"message" if part.subtype in (b"rfc822", b"global"):
                if may_hold_parts and part.encoding in _IDENTITY:
                    self._parts += 1
                    self._begin_header(body_start)
                else:
                    part.type, part.subtype = b"application", b"octet-stream"
        shown = part.type == b"text" and part.subtype in (b"plain", b"html") and not part.is_attachment
        if shown and part.subtype not in self._heads:
            part.head = self._heads[part.subtype] = Head(part.encoding, part.params)

    def _close_parts(self, level: int, end: int) -> None:
        """Closes the innermost open parts until `level` are left."""
        while len(self._open) > level:
            part = self._open.pop()
            if part.type == b"multipart" and not part.children:
                part.show_as_text()
            closed = part.close(end, self._line_ends)
            if self._open:
                self._open[-1].children.append(closed)
            else:
                self._root = closed
        self._note_boundaries()

    def _note_boundaries(self) -> None:
        if self._dashed_lines < DASHED_LINES_MOST:
            self._boundaries = {part.boundary: level for level, part in enumerate(self._open) if part.boundary}

    def _preview(self) -> str:
        for subtype in (b"plain", b"html"):
            if (head := self._heads.get(subtype)) and head.octets:
                charset = parameter(head.params, b"charset").decode("latin-1")
                if text := preview(bytes(head.octets), subtype, head.encoding, charset):
                    return text
        return ""


class _Delimiter:
    """level: of its multipart in the list of open parts; line_end: of its LF, or the end of the content."""

    __slots__ = ("closes", "level", "line_end", "line_start")

    def __init__(self, line_start: int, line_end: int, level: int, closes: bool) -> None:
        self.line_start, self.line_end, self.level, self.closes = line_start, line_end, level, closes


def _whole_lines(header: bytes, room: int) -> bytes:
    """As many lines as there is room for."""
    return header if len(header) <= room else header[: header.rfind(b"\n", 0, room) + 1]
