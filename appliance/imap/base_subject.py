"""What a subject is about, without what answering and forwarding put around it: the "base subject" of SORT and THREAD.

RFC 5256 2.1 and 5 (subject, subj-leader …), step by step; each step moves one of two places in the text, so that the work
is linear in the subject's length whatever it is made of. Pure; never raises.
"""

from __future__ import annotations

import re

from ..mime.encoded_words import decode

# subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"
# subj-blob = "[" *BLOBCHAR "]" *WSP; BLOBCHAR is anything but "[" and "]"
_BLOB = re.compile(r"\[[^\[\]]*\] ?")
_REFWD = re.compile(r"(?:re|fwd?) ?(?:\[[^\[\]]*\] ?)?:", re.IGNORECASE)
_SPACES = re.compile(r"[ \t\r\n]+")
_FWD_TRAILER = "(fwd)"
_FWD_HEADER, _FWD_END = "[fwd:", "]"


def base_subject(field: bytes | None) -> tuple[str, bool]:
    """(the base subject, whether the message is a reply or a forward). field: the value of Subject, encoded words and all.

    It is one when anything but spaces and blobs was taken away: `Re:`, `(fwd)`, `[fwd: …]` (RFC 5256 3, REFERENCES 5 B).
    """
    return base_of_text(decode(field)) if field else ("", False)


def base_of_text(text: str) -> tuple[str, bool]:
    text = _SPACES.sub(" ", text)  # step 1
    start, end = 0, len(text)
    is_answer = False
    while True:
        # Step 2: subj-trailer = "(fwd)" / WSP
        while True:
            if end > start and text[end - 1] == " ":
                end -= 1
            elif text[max(start, end - len(_FWD_TRAILER)) : end].lower() == _FWD_TRAILER:
                end -= len(_FWD_TRAILER)
                is_answer = True
            else:
                break
        start, answers = _without_leaders(text, start, end)
        is_answer = is_answer or answers
        # Step 6: subj-fwd = "[fwd:" subject "]"
        if (
            end - start >= len(_FWD_HEADER) + len(_FWD_END)
            and text[start : start + len(_FWD_HEADER)].lower() == _FWD_HEADER
            and text[end - 1] == _FWD_END
        ):
            start += len(_FWD_HEADER)
            end -= len(_FWD_END)
            is_answer = True
            continue
        return text[start:end], is_answer


def _without_leaders(text: str, start: int, end: int) -> tuple[int, bool]:
    """Steps 3 to 5: (where the rest begins, whether a `Re:` or the like was before it).

    subj-leader = (*subj-blob subj-refwd) / WSP. A run of blobs goes with the `Re:` after it; where none comes, it goes all
    the same (step 4), but for the last blob when nothing is left behind that.
    """
    answers = False
    while start < end:
        if text[start] == " ":
            start += 1
            continue
        at = last_blob = start
        while (blob := _BLOB.match(text, at, end)) is not None:
            last_blob, at = at, blob.end()
        refwd = _REFWD.match(text, at, end)
        if refwd is not None:
            start = refwd.end()
            answers = True
            continue
        return (last_blob if at == end else at), answers
    return start, answers
