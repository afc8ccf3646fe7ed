"""The sentences of POP3 in the languages that LANG offers. RFC 6856 3.

Promises: each sentence that the machine or the session says has an Indonesian one, with the same places to fill in (a test
looks at both). Programs go by `+OK`, `-ERR` and the response codes, which no language changes. The English of a refusal
is its Reason's.
"""

from __future__ import annotations

from enum import StrEnum

from ..mail.reason import Reason, fill


class Language(StrEnum):
    """RFC 5646 tags. A session begins in DEFAULT, which is English in ASCII (RFC 2277 4.5)."""

    DEFAULT = "i-default"
    ENGLISH = "en"
    INDONESIAN = "id"


# What LANG lists: each in its own words.
LANGUAGES = {Language.ENGLISH: "English", Language.INDONESIAN: "Bahasa Indonesia"}

INDONESIAN = {
    "1 message ({octets} octets)": "1 pesan ({octets} oktet)",
    "{count} messages ({octets} octets)": "{count} pesan ({octets} oktet)",
    "{octets} octets": "{octets} oktet",
    "Begin TLS": "Silakan mulai TLS",
    "Capabilities": "Kemampuan",
    "Gone after QUIT": "Akan hilang setelah QUIT",
    "Goodbye": "Sampai jumpa",
    "Here": "Masih di sini",
    "Languages": "Daftar bahasa",
    "Mechanisms": "Daftar mekanisme",
    "Now the password": "Sekarang kata sandinya",
    "The top of it": "Bagian awalnya",
    "This is the language now": "Bahasa ini yang dipakai sekarang",
    "UTF-8 from here on": "UTF-8 mulai sekarang",
}

INDONESIAN_REFUSALS = {
    "access-ended": "Kata sandi diganti atau akun dihapus, silakan masuk lagi",
    "command-order": "{first} dahulu",
    "command-syntax": "Sintaksis: {syntax}",
    "command-too-long": "Barisnya terlalu panjang",
    "command-unknown": "Perintah tidak dikenal",
    "content-damaged": "Pesan itu rusak dan tidak dapat dibaca",
    "encrypt-first": "Masuk hanya melalui TLS",
    "language-unknown": "Bahasa itu tidak ada di sini",
    "maildrop-in-use": "Kotak surat sedang dipakai sesi lain, coba lagi nanti",
    "mechanism-unknown": "Cara masuk itu tidak dikenal di sini",
    "no-such-number": "Tidak ada pesan dengan nomor itu",
    "not-removed": "Pesan tidak dapat dihapus, coba lagi nanti",
    "our-fault": "Ada yang salah di sini, coba lagi nanti",
    "sign-in-cancelled": "Proses masuk dibatalkan",
    "sign-in-first": "Silakan masuk dahulu",
    "sign-in-malformed": "Jawabannya tidak berbentuk benar",
    "sign-in-wait": "Terlalu banyak kata sandi salah, coba lagi dalam {seconds} detik",
    "sign-in-wrong": "Nama atau kata sandi salah",
    "signed-in-already": "Sudah masuk",
    "tls-already": "TLS sudah dipakai",
    "tls-missing": "TLS sedang tidak tersedia",
    "too-many-mistakes": "Terlalu banyak kesalahan",
}


def said(language: Language, sentence: str, **params: object) -> str:
    """sentence: the English one, a key of INDONESIAN."""
    wording = INDONESIAN[sentence] if language is Language.INDONESIAN else sentence
    return wording.format_map(params)


def refused(language: Language, reason: Reason) -> str:
    wording = INDONESIAN_REFUSALS.get(reason.id) if language is Language.INDONESIAN else None
    return reason.for_peer if wording is None else fill(wording, reason.params)


def matching(language_range: str) -> Language | None:
    """What a client's language range comes to: the tag itself, or what is left when its last parts are cut off one by one
    (RFC 4647 3.4). `*` is whatever the server likes best."""
    if language_range == "*":
        return Language.ENGLISH
    parts = language_range.lower().split("-")
    while parts:
        if (tag := "-".join(parts)) in set(Language):
            return Language(tag)
        parts.pop()
    return None
