"""What is written to the card, how much each day, and how long it will last. Pure: samples in, the budget out.

`count` adds one sample of the counters to the days kept; `seen` makes of them what the owner is shown. `card_reader.py`
takes the samples, `card_watch.py` keeps them going, `card_words.py` says what it means and what needs the owner.

Who wrote what: the kernel counts for the whole disk, and for each process and thread, never for a file. So `logs` and
`index` are what the threads that write those files caused while they did it, `mail` is all else that our processes caused
(store.db, its WAL, segments; spools and keys too where they lie on the card), and `rest` is the disk's count less ours:
the operating system, and also the file system's own bookkeeping for our writes, which nobody can tell apart.

How long it lasts is an estimate, said as a range. A card may be written over so many times (`CYCLES`, unless the owner
states its endurance), but a small write makes it move more than was written; by how much (`AMPLIFICATION`) no card tells.
What was written before the first sample is not known and not guessed. Where the disk keeps a register of its life (eMMC,
SMART), the register is shown and the estimate is not.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

DAY_S = 86_400.0
KEPT_DAYS = 35
SHOWN_DAYS = 7
ENOUGH_S = DAY_S  # counted for so long before anything is said of a day, or of years

# Whole-card writes until the first errors: TLC cells are good for a few hundred. In a survey of more than 200 cards the
# better brands' mean was above 3500 and a poor one's 291; vendors promise 900 and more for "endurance" cards.
CYCLES = 300
TB = 10**12
YEARS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0)  # all the precision that there is


class Kind(StrEnum):
    SD = "sd"
    EMMC = "emmc"
    STICK = "usb"
    SSD = "ssd"
    HARD_DISK = "hard-disk"
    VIRTUAL = "virtual"


# Octets that the cells take for each that is written. A card has erase blocks of 4 MiB and little memory to gather in:
# 4 where writes come in order, 32 where they are small and scattered. An SSD has both memory and spare blocks.
AMPLIFICATION: dict[Kind, tuple[int, int]] = {
    Kind.SD: (4, 32),
    Kind.EMMC: (4, 32),
    Kind.STICK: (4, 32),
    Kind.SSD: (1, 4),
}


class Hidden(StrEnum):
    """Why nothing can be told of the disk."""

    MEMORY = "memory"
    LAYERS = "layers"
    LOOP = "loop"
    NETWORK = "network"
    SEVERAL = "several"
    UNKNOWN = "unknown"


class Disk(msgspec.Struct, frozen=True, kw_only=True):
    """The disk that the data folder lies on. made: month/year; maker: the number that the card gives."""

    name: str
    kind: Kind
    size_octets: int
    model: str = ""
    maker: str = ""
    made: str = ""


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What the disk and the file system say of themselves.

    life_used_percent: between these two; (100, 100): all of it. spare_blocks: eMMC's PRE_EOL_INFO (1 normal, 2: most are
    used, 3: nearly all). errors: that the file systems on the disk have noted since they were last checked.
    """

    life_used_percent: tuple[int, int] | None = None
    spare_blocks: int | None = None
    errors: int = 0
    failing: bool = False


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """written_octets, flushes: of the disk since the machine started, None where the kernel does not count them. ours,
    index, logs: octets of all our processes, and of two rooms among them, since the mail process started."""

    uptime_s: float
    written_octets: int | None = None
    flushes: int | None = None
    ours: int = 0
    index: int = 0
    logs: int = 0


class Sample(msgspec.Struct, frozen=True, kw_only=True):
    """day: the owner's, `2026-11-24`. disk: whatever tells this disk from another."""

    day: str
    disk: str
    counters: Counters


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """seconds: for how much of the day somebody counted."""

    day: str
    seconds: float = 0.0
    written_octets: int | None = None
    flushes: int | None = None
    mail_octets: int = 0
    index_octets: int = 0
    logs_octets: int = 0

    @property
    def rest_octets(self) -> int | None:
        """Never less than none: what we wrote in the last half minute may not have reached the disk."""
        if self.written_octets is None:
            return None
        return max(0, self.written_octets - self.mail_octets - self.index_octets - self.logs_octets)


class Budget(msgspec.Struct, frozen=True, kw_only=True):
    """days: as they were lived, oldest first. total_octets: written to this disk since `since`."""

    days: tuple[Day, ...] = ()
    last: Counters | None = None
    disk: str = ""
    since: str = ""
    total_octets: int = 0


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """Years at the present rate, rounded down to one of `YEARS`, 0 for less than the first. stated: the endurance is the
    owner's own figure."""

    years_least: float
    years_most: float
    endurance_octets: int
    stated: bool


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What is shown. days: newest first; per_day: their average, once there is a whole day to go by."""

    disk: Disk | None = None
    hidden: Hidden | None = None
    days: tuple[Day, ...] = ()
    per_day: Day | None = None
    counted_s: float = 0.0
    since: str = ""
    total_octets: int = 0
    life: Life | None = None
    health: Health = Health()


def count(budget: Budget, sample: Sample) -> Budget:
    """The budget with one sample more."""
    now, before = sample.counters, budget.last
    if before is None or sample.disk != budget.disk:
        begun = Day(day=sample.day, written_octets=_begun(now.written_octets), flushes=_begun(now.flushes))
        days = _added(budget.days, begun)
        return msgspec.structs.replace(budget, days=days, last=now, disk=sample.disk, since=sample.day, total_octets=0)
    # There is no other mark of a new start that a confined process may read. Where it deceives (a first sample later in
    # the new run than the last one was in the old), less is counted than was written, and not more.
    restarted = now.uptime_s < before.uptime_s or (now.written_octets or 0) < (before.written_octets or 0)
    written = _since(before.written_octets, now.written_octets, restarted)
    index, logs = max(0, now.index - before.index), max(0, now.logs - before.logs)
    more = Day(
        day=sample.day,
        seconds=now.uptime_s if restarted else now.uptime_s - before.uptime_s,
        written_octets=written,
        flushes=_since(before.flushes, now.flushes, restarted),
        mail_octets=max(0, now.ours - before.ours - index - logs),
        index_octets=index,
        logs_octets=logs,
    )
    return msgspec.structs.replace(
        budget,
        days=_added(budget.days, more),
        # A process may take back what it caused (a spool deleted in time); it is not counted when it comes again.
        last=msgspec.structs.replace(now, ours=max(now.ours, before.ours)),
        total_octets=budget.total_octets + (written or 0),
    )


def resumed(budget: Budget) -> Budget:
    """As a new mail process takes it up, whose own counters begin at nothing."""
    if budget.last is None:
        return budget
    return msgspec.structs.replace(budget, last=msgspec.structs.replace(budget.last, ours=0, index=0, logs=0))


def seen(
    budget: Budget, disk: Disk | None, hidden: Hidden | None, health: Health, *, endurance_tb: int | None = None
) -> Card:
    days = budget.days[-SHOWN_DAYS:]
    counted_s = sum(day.seconds for day in days)
    per_day = _average(days, counted_s) if counted_s >= ENOUGH_S else None
    life = None
    if disk is not None and per_day is not None and health.life_used_percent is None:
        life = lasts(disk, per_day.written_octets, budget.total_octets, endurance_tb)
    return Card(
        disk=disk,
        hidden=hidden,
        days=days[::-1],
        per_day=per_day,
        counted_s=counted_s,
        since=budget.since,
        total_octets=budget.total_octets,
        life=life,
        health=health,
    )


def lasts(disk: Disk, octets_per_day: int | None, total_octets: int, endurance_tb: int | None) -> Life | None:
    """None for what does not wear by being written to, and for a virtual disk of which nobody stated the endurance."""
    if octets_per_day is None or disk.kind is Kind.HARD_DISK or (disk.kind is Kind.VIRTUAL and endurance_tb is None):
        return None
    endurance = disk.size_octets * CYCLES if endurance_tb is None else endurance_tb * TB
    least, most = AMPLIFICATION.get(disk.kind, AMPLIFICATION[Kind.SD])
    per_year = max(1, octets_per_day) * 365.0
    return Life(
        years_least=_rounded((endurance / most - total_octets) / per_year),
        years_most=_rounded((endurance / least - total_octets) / per_year),
        endurance_octets=endurance,
        stated=endurance_tb is not None,
    )


def _begun(counter: int | None) -> int | None:
    return None if counter is None else 0


def _since(before: int | None, now: int | None, restarted: bool) -> int | None:
    if now is None:
        return None
    return now if restarted else max(0, now - (before if before is not None else now))


def _added(days: tuple[Day, ...], more: Day) -> tuple[Day, ...]:
    """To the day of that name, or as a new one at the end: a clock that was wrong does not bring them out of order."""
    if not any(day.day == more.day for day in days):
        return (*days, more)[-KEPT_DAYS:]
    return tuple(_sum(day, more) if day.day == more.day else day for day in days)


def _sum(one: Day, other: Day) -> Day:
    return Day(
        day=one.day,
        seconds=one.seconds + other.seconds,
        written_octets=_plus(one.written_octets, other.written_octets),
        flushes=_plus(one.flushes, other.flushes),
        mail_octets=one.mail_octets + other.mail_octets,
        index_octets=one.index_octets + other.index_octets,
        logs_octets=one.logs_octets + other.logs_octets,
    )


def _plus(one: int | None, other: int | None) -> int | None:
    return other if one is None else one if other is None else one + other


def _average(days: tuple[Day, ...], counted_s: float) -> Day:
    whole = days[0]
    for day in days[1:]:
        whole = _sum(whole, day)

    def a_day(octets: int | None) -> int | None:
        return None if octets is None else round(octets * DAY_S / counted_s)

    return Day(
        day="",
        seconds=DAY_S,
        written_octets=a_day(whole.written_octets),
        flushes=a_day(whole.flushes),
        mail_octets=a_day(whole.mail_octets) or 0,
        index_octets=a_day(whole.index_octets) or 0,
        logs_octets=a_day(whole.logs_octets) or 0,
    )


def _rounded(years: float) -> float:
    return max((step for step in YEARS if step <= years), default=0.0)
