"""The mail of a household, made up: message i of a seed has the same octets on every machine and every day.

    python -m bench.corpus [--seed N] [--messages N] [--show I]

prints the sizes of a corpus, or one message of it.

Of a hundred messages 15 are plain notifications, 45 talk as text and HTML (with the mail they answer quoted), 30 are
newsletters and 10 carry one or two attachments of 100 KB to 3 MB that do not compress further. Each has come through
two or three servers and bears their marks: Received, DKIM-Signature, Authentication-Results. Each begins with a line
`X-Bench-Id: <seed>-<i>`, so that a bench can tell what a server has put before it.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import itertools
import random
import statistics
import time
from collections.abc import Callable, Sequence
from email.header import Header

CRLF = b"\r\n"
ID_FIELD = b"X-Bench-Id: "
HOUSEHOLD = ("ina", "budi", "sari", "tomas")
FIRST_AT = 1_760_000_000  # Unix time of message 0; the next come 400 s apart
THREAD_MOST = 8

WORDS = """
the to and a of in is you we for it that on with at be this have are not i will from as by can or your our but was
they so if me my all do there one out up what when go no about would just get time some them see could now than then
please thank know think need want come make take give find ask tell bring meet call write send read wait start finish
today tomorrow tonight morning afternoon evening week weekend month monday tuesday wednesday thursday friday saturday
sunday spring summer autumn winter early late soon again always never maybe already still together alone here
house kitchen garden roof window door floor table chair lamp kettle bread rice soup tea coffee sugar market basket
recipe dinner breakfast lunch oven plate cup knife spoon apple mango banana onion garlic pepper chicken fish noodle
mother father sister brother aunt uncle cousin grandmother grandfather neighbour friend child children baby teacher
doctor nurse driver postman baker plumber landlord lawyer dentist tailor gardener farmer sailor singer painter
school class lesson exam homework book page story poem song picture drawing pencil paper letter card stamp parcel
train station ticket platform ferry harbour island beach village town city street corner bridge river hill forest
mountain road bicycle scooter car petrol tyre garage airport flight hotel room key map rain cloud wind storm sun snow
doctor appointment medicine fever tooth glasses hospital insurance form signature copy passport visa office counter
bank account rent bill receipt price discount order refund balance payment instalment interest salary tax savings
shop size colour blue green red yellow white black shirt trousers coat shoes hat scarf bag umbrella watch ring gift
birthday wedding party candle cake music guitar violin drum choir dance film theatre museum match team goal player
dog cat bird pigeon feather nest egg hen goat cow horse bee flower rose tree leaf seed soil water fence gate ladder
hammer nail screw drill paint brush wood brick tile pipe tap leak wire socket switch battery engine pump meter heater
computer screen keyboard printer cable router network password update backup file folder photo video message number
big small old new good bad long short warm cold quick slow quiet loud heavy light clean dirty empty full cheap dear
happy tired ready sorry sure careful kind funny strange broken missing open closed left right near far high low
arrive leave return repair carry borrow lend choose cancel confirm change move pack order deliver sign print collect
plant water cook bake wash dry sweep build climb swim ride drive walk run sleep wake listen speak sing laugh remember
""".split()  # noqa: SIM905 a list of 500 strings would be no easier to read
SYLLABLES = """
ka ri mo te lu san der pol vi ne sto gra hil bur fen do wex ja ti pra lon qui mer cas tu ol ban zhe
""".split()  # noqa: SIM905
OTHER_TONGUES = [
    "über",
    "façade",
    "año",
    "mañana",
    "grüße",
    "café",
    "привет",
    "спасибо",
    "ありがとう",
    "你好",
    "łąka",
    "☂",
]
PEOPLE = [
    "Rina Wijaya", "Agus Hartono", "Mirjam Vogt", "Ōta Hiroshi", "Céline Aubert", "Piotr Łuczak", "Nadia Haddad", "李小龍",
    "Owen Pritchard", "Lucía Peña", "Светлана Орлова", "Kwame Mensah", "Ulrike Größl", "Putu Ayu", "Dan Abbott", "Mei Lin",
]  # fmt: skip
SHOPS = ["Roof & Ladder", "Green Kettle", "Harbour Books", "Tram Tickets", "Nightlamp", "City Library", "Parcel Point"]
ATTACHED = [
    ("image/jpeg", "jpg", b"\xff\xd8\xff\xe1\x1c\x45Exif\0\0MM\0*\0\0\0\x08"),
    ("application/pdf", "pdf", b"%PDF-1.6\r%\xe2\xe3\xcf\xd3\r\n"),
    ("application/zip", "zip", b"PK\x03\x04\x14\0\0\0\x08\0"),
    ("application/octet-stream", "docx", b"PK\x03\x04\x14\0\x06\0\x08\0\0\0!\0"),
]


def _made_words(count: int) -> list[str]:
    rng = random.Random("names and words of one village only")
    return ["".join(rng.choices(SYLLABLES, k=rng.randint(2, 4))) for _ in range(count)]


_WORDS = WORDS + _made_words(2500)
_FREQUENT = list(itertools.accumulate(1 / (rank + 6) for rank in range(len(_WORDS))))  # as in any language


class Corpus:
    """attachments: the part of the messages that carry some, 0 to 1; the other kinds share the rest as above;
    text_encoding: `base64` instead of the usual, for text and HTML, as it is common where letters are not Latin ones."""

    def __init__(
        self,
        seed: int = 1,
        domain: str = "near.example",
        attachments: float = 0.10,
        accounts: Sequence[str] = HOUSEHOLD,
        text_encoding: str = "quoted-printable",
    ) -> None:
        self.seed = seed
        self.domain = domain
        self.attachments = attachments
        self.accounts = tuple(accounts)
        self.text_encoding = text_encoding

    def ident(self, i: int) -> str:
        return f"{self.seed}-{i}"

    def reverse_path(self, i: int) -> str:
        return f"bounce-{self._rng(i, 'from').randrange(400)}@mail.far.example"

    def recipient(self, i: int) -> str:
        return f"{self._rng(i, 'to').choice(self.accounts)}@{self.domain}"

    def message(self, i: int) -> bytes:
        """Lines end with CRLF, the last one too; nothing is dot-stuffed."""
        rng = self._rng(i, "message")
        kind = self.kind(i)
        fields = [ID_FIELD.decode() + self.ident(i), *self._trace(rng, i), *self._who_and_what(rng, i, kind)]
        entity = {"plain": self._plain, "talk": self._talk, "news": self._news, "attached": self._attached}[kind]
        return "".join(f"{field}\r\n" for field in fields).encode() + entity(rng, i)

    def kind(self, i: int) -> str:
        x = self._rng(i, "kind").random()
        if x < self.attachments:
            return "attached"
        x = (x - self.attachments) / (1 - self.attachments)
        return "plain" if x < 1 / 6 else "talk" if x < 2 / 3 else "news"

    # ── the header

    def _rng(self, i: int, about: str) -> random.Random:
        return random.Random(f"{self.seed} {i} {about}")

    def _message_id(self, i: int) -> str:
        return f"<{self._rng(i, 'id').getrandbits(80):020x}.{i}@far.example>"

    def _answers(self, i: int) -> int | None:
        rng = self._rng(i, "answers")
        return i - rng.randint(1, 25) if i > 25 and rng.random() < 0.5 else None

    def _thread(self, i: int) -> list[int]:
        """The messages it follows, the oldest first."""
        before: list[int] = []
        answered = self._answers(i)
        while answered is not None and len(before) < THREAD_MOST:
            before.insert(0, answered)
            answered = self._answers(answered)
        return before

    def _subject(self, i: int, kind: str) -> str:
        thread = self._thread(i) if kind in ("talk", "attached") else []
        rng = self._rng(thread[0] if thread else i, "subject")
        words = rng.choices(WORDS, k=rng.randint(2, 7))
        if rng.random() < 0.2:
            words.append(rng.choice(OTHER_TONGUES))
        return ("Re: " if thread else "") + " ".join(words).capitalize()

    def _trace(self, rng: random.Random, i: int) -> list[str]:
        at = FIRST_AT + 400 * i
        signature = base64.b64encode(rng.randbytes(256)).decode()
        folded = "\r\n         ".join(signature[n : n + 64] for n in range(0, len(signature), 64))
        servers = [f"mx{rng.randrange(9)}.far.example", f"out-{rng.randrange(90)}.mail.far.example", "app.far.example"]
        hops = [
            f"Received: from {servers[n + 1]} ({servers[n + 1]} [192.0.2.{rng.randrange(256)}])\r\n"
            f"\tby {servers[n]} (Postfix) with ESMTPS id {rng.getrandbits(40):010X}\r\n"
            f"\tfor <{self.recipient(i)}>; {_rfc5322_time(at - n)}"
            for n in range(rng.randint(1, 2))
        ]
        return [
            f"Authentication-Results: {servers[0]}; dkim=pass header.d=far.example header.s=s1;\r\n"
            f"\tspf=pass smtp.mailfrom=mail.far.example; dmarc=pass header.from=far.example",
            *hops,
            f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=far.example; s=s1; t={at};\r\n"
            f"\tbh={base64.b64encode(rng.randbytes(32)).decode()};\r\n"
            f"\th=From:To:Subject:Date:Message-ID:MIME-Version;\r\n\tb={folded}",
        ]

    def _who_and_what(self, rng: random.Random, i: int, kind: str) -> list[str]:
        who = rng.choice(SHOPS if kind in ("plain", "news") else PEOPLE)
        fields = [
            f"From: {_encoded(who)} <u{rng.randrange(400)}@far.example>",
            f"To: <{self.recipient(i)}>",
            f"Subject: {_encoded(self._subject(i, kind))}",
            f"Date: {_rfc5322_time(FIRST_AT + 400 * i)}",
            f"Message-ID: {self._message_id(i)}",
            "MIME-Version: 1.0",
        ]
        if kind == "plain":
            fields.append("Auto-Submitted: auto-generated")
        elif kind == "news":
            fields += [
                f"List-Id: <letters-{rng.randrange(20)}.far.example>",
                f"List-Unsubscribe: <https://letters.far.example/out/{rng.getrandbits(128):032x}>",
                "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
                "Precedence: bulk",
            ]
        elif thread := self._thread(i):
            ids = [self._message_id(before) for before in thread]
            fields += [f"In-Reply-To: {ids[-1]}", "References: " + "\r\n ".join(ids)]
        return fields

    # ── the bodies, each with its own content fields

    def _plain(self, rng: random.Random, i: int) -> bytes:
        return _part("text/plain; charset=utf-8", _words(rng, rng.randint(400, 3000)).encode(), "8bit")

    def _talk(self, rng: random.Random, i: int) -> bytes:
        text = _words(rng, _about(rng, 1800))
        if thread := self._thread(i):
            earlier = _words(self._rng(thread[-1], "quoted"), _about(rng, 1200))
            text += f"On {_rfc5322_time(FIRST_AT + 400 * thread[-1])}, {rng.choice(PEOPLE)} wrote:\r\n"
            text += "".join(f"> {line}\r\n" for line in earlier.split("\r\n"))
        return _alternative(rng, text, _letter(text), self.text_encoding)

    def _news(self, rng: random.Random, i: int) -> bytes:
        text = _words(rng, rng.randint(2500, 11000))
        return _alternative(rng, text, _newsletter(rng, text), self.text_encoding)

    def _attached(self, rng: random.Random, i: int) -> bytes:
        text = _words(rng, _about(rng, 900))
        parts = [_alternative(rng, text, _letter(text), self.text_encoding)]
        for n in range(1 if rng.random() < 0.8 else 2):
            encoded_octets = 100_000 * 30 ** rng.random()
            content_type, suffix, magic = rng.choice(ATTACHED)
            octets = magic + rng.randbytes(int(encoded_octets * 57 / 78))
            name = f"{rng.choice(WORDS)}-{n + 1}.{suffix}"
            fields = f'Content-Disposition: attachment; filename="{name}"\r\n'
            parts.append(_part(f'{content_type};\r\n name="{name}"', octets, "base64", fields))
        return _multipart(rng, "mixed", parts)


def _words(rng: random.Random, octets: int) -> str:
    """So many octets of paragraphs, in lines of about 70."""
    out: list[str] = []
    while octets > 0:
        words = rng.choices(_WORDS, cum_weights=_FREQUENT, k=rng.randint(15, 80))
        if rng.random() < 0.2:
            words[rng.randrange(len(words))] = rng.choice(OTHER_TONGUES)
        words[0] = words[0].capitalize()
        for n in range(rng.randint(7, 13), len(words) - 1, 11):
            words[n] += rng.choice([",", ".", ".", "?"])
        lines = [""]
        for word in words:
            if len(lines[-1]) + len(word) > 70:
                lines.append("")
            lines[-1] += f" {word}" if lines[-1] else word
        out.append("\r\n".join(lines) + ".\r\n\r\n")
        octets -= len(out[-1])
    return "".join(out)


def _letter(text: str) -> str:
    """As a mail program writes what was typed."""
    paragraphs = "".join(
        f'<div style="font-family: Calibri, Arial, sans-serif; font-size: 11pt; color: rgb(0, 0, 0);">{p}</div>\r\n'
        for p in text.split("\r\n\r\n")
    )
    return f'<html>\r\n<head><meta charset="utf-8"></head>\r\n<body dir="ltr">\r\n{paragraphs}</body>\r\n</html>\r\n'


def _newsletter(rng: random.Random, text: str) -> str:
    """As a newsletter service writes it: tables, styles in every cell, links that count."""
    rows = "".join(
        f'<tr><td class="cell" style="padding:14px 20px;font:15px/22px Helvetica,Arial,sans-serif;color:#2b2b2b">{p}'
        f'</td></tr>\r\n<tr><td align="center" style="padding:6px 20px 18px"><a href="https://go.far.example/c/'
        f'{rng.getrandbits(144):036x}?m={rng.getrandbits(36)}" target="_blank" style="background-color:#1f6f50;'
        f'border-radius:4px;color:#ffffff;display:inline-block;padding:9px 22px">Open</a></td></tr>\r\n'
        for p in text.split("\r\n\r\n")
    )
    return (
        '<!DOCTYPE html>\r\n<html lang="en"><head><meta http-equiv="Content-Type" content="text/html; charset=utf-8">'
        '<meta name="viewport" content="width=device-width">\r\n<style>@media only screen and (max-width:600px)'
        "{.cell{padding:8px!important}}</style></head>\r\n<body>\r\n"
        '<table width="600" align="center" border="0" cellspacing="0" cellpadding="0" role="presentation">\r\n'
        f"{rows}</table>\r\n</body></html>\r\n"
    )


def _alternative(rng: random.Random, text: str, html: str, encoding: str) -> bytes:
    return _multipart(
        rng,
        "alternative",
        [
            _part("text/plain; charset=utf-8", text.encode(), encoding),
            _part("text/html; charset=utf-8", html.encode(), encoding),
        ],
    )


_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "8bit": lambda octets: octets,
    "quoted-printable": lambda octets: binascii.b2a_qp(octets, istext=True),
    "base64": lambda octets: base64.encodebytes(octets).replace(b"\n", CRLF),
}


def _part(content_type: str, octets: bytes, encoding: str, fields: str = "") -> bytes:
    head = f"Content-Type: {content_type}\r\nContent-Transfer-Encoding: {encoding}\r\n{fields}\r\n"
    return head.encode() + _ENCODERS[encoding](octets)


def _multipart(rng: random.Random, subtype: str, parts: list[bytes]) -> bytes:
    boundary = f"=_part_{rng.getrandbits(96):024x}"
    head = f'Content-Type: multipart/{subtype};\r\n boundary="{boundary}"\r\n\r\n'
    return (
        head.encode()
        + b"".join(f"--{boundary}\r\n".encode() + p + CRLF for p in parts)
        + f"--{boundary}--\r\n".encode()
    )


def _about(rng: random.Random, octets: int) -> int:
    """Most are near it, a few are much longer."""
    return min(20_000, int(octets * rng.lognormvariate(0, 0.6)))


def _rfc5322_time(at: int) -> str:
    return time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(at))


def _encoded(text: str) -> str:
    if text.isascii():
        return f'"{text}"' if "&" in text else text
    return Header(text, "utf-8", maxlinelen=200).encode(linesep="\r\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--messages", type=int, default=1000)
    parser.add_argument("--show", type=int, metavar="I", help="print this message")
    asked = parser.parse_args()
    corpus = Corpus(asked.seed)
    if asked.show is not None:
        print(corpus.message(asked.show).decode().replace("\r\n", "\n"), end="")
        return
    sizes = sorted(len(corpus.message(i)) for i in range(asked.messages))
    print(f"{len(sizes)} messages, octets: mean {statistics.mean(sizes):.0f}, median {statistics.median(sizes):.0f},")
    print(f"90 % below {sizes[int(len(sizes) * 0.9)]}, the largest {sizes[-1]}")


if __name__ == "__main__":
    main()
