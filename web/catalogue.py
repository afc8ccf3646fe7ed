"""The catalogues of what people read: `python -m web.catalogue` gathers new sentences and compiles what is translated.

Sentences come from the pages, from this package's code, and from the places where the appliance words its reasons,
problems and records. A test checks that the .mo files are what the .po files say and that nothing is untranslated.
"""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir, extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

WEB = Path(__file__).parent
ROOT = WEB.parent
TRANSLATIONS = WEB / "translations"
LOCALES = ("en", "id")

# Calls whose arguments people read: the owner's sentence of a wording, a problem and its remedy.
KEYWORDS: dict[str, Any] = {
    **DEFAULT_KEYWORDS,
    "N_": None,
    "Wording": (2,),
    "Words": (1, 2),
    "AddressFault": None,
}
WORDED = (
    "mail/reason.py",
    "mail/address.py",
    "status/problems.py",
    "status/card_words.py",
)


def gathered() -> Catalog:
    """Every sentence that somebody may read, where it stands, and no translation."""
    catalog = Catalog(project="merpati", charset="utf-8", fuzzy=False)
    found: list[tuple[str, int, Any]] = []
    options = {"**/templates/**.html": {"silent": "false", "trimmed": "true"}}
    for name, line, message, _, _ in extract_from_dir(
        WEB,
        [("**.py", "python"), ("**/templates/**.html", "jinja2"), ("templates/**.html", "jinja2")],
        options,
        KEYWORDS,
    ):
        found.append((f"web/{name}", line, message))
    for name in WORDED:
        path = ROOT / "appliance" / name
        for line, message, _, _ in extract_from_file("python", path, KEYWORDS):
            found.append((f"appliance/{name}", line, message))
    for name, line, message in sorted(found, key=lambda each: each[:2]):
        for each in _each(message):
            catalog.add(each, locations=[(name, line)])
    return catalog


def _each(message: Any) -> list[Any]:
    """The two sentences of a Wording are two messages; singular and plural of ngettext are one."""
    if isinstance(message, tuple) and len(message) == 2 and "%(num)s" not in message[0]:
        return [sentence for sentence in message if sentence]
    return [message] if message else []


def po_path(locale: str) -> Path:
    return TRANSLATIONS / locale / "LC_MESSAGES" / "messages.po"


def read(locale: str) -> Catalog:
    with open(po_path(locale), "rb") as file:
        return read_po(file, locale=locale)


def write(catalog: Catalog, path: Path) -> None:
    """The .po file and beside it the .mo file; the same catalogue always gives the same octets."""
    catalog.header_comment = "# What people read in Merpati's pages. `python -m web.catalogue` gathers and compiles it."
    catalog.project, catalog.version, catalog.fuzzy = "merpati", "1", False
    catalog.msgid_bugs_address = catalog.last_translator = catalog.language_team = ""
    catalog.creation_date = catalog.revision_date = datetime(2000, 1, 1, tzinfo=UTC)  # the history is in the repository
    path.parent.mkdir(parents=True, exist_ok=True)
    out = io.BytesIO()
    write_po(out, catalog, ignore_obsolete=True, width=120, include_lineno=False)
    path.write_bytes(re.sub(rb'"Generated-By: .*\n', b"", out.getvalue()))  # changes with each version of Babel
    path.with_suffix(".mo").write_bytes(compiled(catalog))


def compiled(catalog: Catalog) -> bytes:
    out = io.BytesIO()
    write_mo(out, catalog)
    return out.getvalue()


def missing(catalog: Catalog) -> list[str]:
    """What nobody has translated yet."""
    found = []
    for message in catalog:
        forms = message.string if isinstance(message.string, (tuple, list)) else (message.string,)
        if message.id and not all(forms):
            found.append(message.id if isinstance(message.id, str) else message.id[0])
    return found


def main() -> None:
    new = gathered()
    for locale in LOCALES:
        path = po_path(locale)
        catalog = read(locale) if path.exists() else Catalog(locale=locale)
        catalog.update(new, no_fuzzy_matching=True)
        catalog.obsolete.clear()
        write(catalog, path)
        if locale != "en":
            print(f"{locale}: {len(catalog)} sentences, {len(missing(catalog))} of them not translated yet")


if __name__ == "__main__":
    main()
