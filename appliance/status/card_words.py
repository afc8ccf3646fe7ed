"""What the card's budget means, in words: one sentence on how long it lasts, and what needs the owner. Pure.

Sentences are English with `%(name)s` for what they name; the page translates them, the command line says them as they
are. No figure is more exact than it can be: years are a range of round numbers, and wear that a disk reports is what it
says, in its own steps.
"""

from __future__ import annotations

from .card import DAY_S, YEARS, Card, Hidden, Kind, Life
from .problems import in_words

PROBLEMS = ("card-errors", "card-failing", "card-worn", "card-spare", "card-ending")
WORN_PERCENT = 90
SOON_YEARS = YEARS[0]
SURE_S = 3 * DAY_S  # counted for so long before the owner is alarmed: a day with an update in it is no ordinary day


def N_(sentence: str) -> str:
    return sentence


HIDDEN: dict[Hidden, str] = {
    Hidden.MEMORY: N_("The data folder lies in memory, not on a card, and is lost when the power goes."),
    Hidden.LAYERS: N_(
        "What is written to the card cannot be told: the data folder lies on an overlay of file systems."
    ),
    Hidden.LOOP: N_(
        "What is written to the card cannot be told: the data folder lies in a disk image (a loop device)."
    ),
    Hidden.NETWORK: N_("What is written to the card cannot be told: the data folder lies on another machine."),
    Hidden.SEVERAL: N_("What is written to the card cannot be told: the data folder lies on several disks at once."),
    Hidden.UNKNOWN: N_(
        "What is written to the card cannot be told: the system does not say where the data folder lies."
    ),
}


def lifetime(card: Card) -> tuple[str, dict[str, str]]:
    """How long the card lasts: a sentence and what it names."""
    if card.hidden is not None or card.disk is None:
        return HIDDEN[card.hidden or Hidden.UNKNOWN], {}
    if card.health.life_used_percent is not None:
        least, most = card.health.life_used_percent
        used = f"{least}" if least == most else f"{least}–{most}"
        return N_("The card says of itself that %(used)s percent of its life is used."), {"used": used}
    if card.disk.kind is Kind.HARD_DISK:
        return N_("This is a hard disk: writing does not wear it out."), {}
    if card.per_day is not None and card.life is not None:
        return _years(card.life)
    if card.disk.kind is Kind.VIRTUAL:
        return N_("This is a virtual disk: what lies below it, and how long that lasts, cannot be told."), {}
    if card.per_day is None:
        return N_("How long the card lasts can be said after a day of counting."), {}
    return N_("How long the card lasts cannot be told: the system does not count what is written to it."), {}


def troubles(card: Card) -> dict[str, dict[str, str]]:
    """What needs the owner: the id of the problem → what its sentence names."""
    health, found = card.health, dict[str, dict[str, str]]()
    if health.errors:
        found["card-errors"] = {"count": str(health.errors)}
    if health.failing:
        found["card-failing"] = {}
    if health.life_used_percent is not None and health.life_used_percent[0] >= WORN_PERCENT:
        found["card-worn"] = {"used": str(health.life_used_percent[0])}
    if (health.spare_blocks or 0) >= 2:
        found["card-spare"] = {}
    if card.life is not None and card.life.years_least < SOON_YEARS and card.counted_s >= SURE_S:
        found["card-ending"] = {"per_day": in_words((card.per_day and card.per_day.written_octets) or 0)}
    return found


def _years(life: Life) -> tuple[str, dict[str, str]]:
    least, most = _round(life.years_least), _round(life.years_most)
    if life.years_least >= YEARS[-1]:
        return N_("At this rate the card lasts for more than %(least)s years."), {"least": least}
    if life.years_most < SOON_YEARS:
        return N_("At this rate the card may be worn out within half a year."), {}
    if life.years_least < SOON_YEARS:
        words = N_(
            "At this rate the card may be worn out within half a year; if all goes well, it lasts %(most)s years."
        )
        return words, {"most": most}
    if life.years_most >= YEARS[-1]:
        words = N_("At this rate the card lasts for at least %(least)s years, and perhaps for more than %(most)s.")
        return words, {"least": least, "most": most}
    if least == most:
        return N_("At this rate the card lasts for about %(least)s years."), {"least": least}
    return N_("At this rate the card lasts for %(least)s to %(most)s years."), {"least": least, "most": most}


def _round(years: float) -> str:
    return "½" if years == YEARS[0] else f"{years:.0f}"
