"""How values look on a page. Stored in UTC and hundredths; shown in China time and with two places, half up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

CHINA: Final = timezone(timedelta(hours=8))
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
NOTHING: Final = "–"
SECOND_MS: Final = 1000
E6_PER_HUNDREDTH: Final = 10_000


def points(hundredths: int | None) -> str:
    """8750 → 87.50."""
    return NOTHING if hundredths is None else f"{hundredths // 100}.{hundredths % 100:02d}"


def minus(hundredths: int | None) -> str:
    """What a deduction takes: 1250 → −12.50. A line that is used up takes nothing, and nothing has no sign."""
    return f"−{points(hundredths)}" if hundredths else points(hundredths)


def total(total_e6: int | None) -> str:
    """Millionths of a point, rounded half up to two places."""
    return NOTHING if total_e6 is None else points((total_e6 + 5_000) // 10_000)


def exact(total_e6: int | None) -> str:
    """Millionths of a point without rounding: 79.995 stays 79.995."""
    if total_e6 is None:
        return NOTHING
    whole, rest = divmod(total_e6, 1_000_000)
    return f"{whole}.{rest:06d}".rstrip("0").rstrip(".")


def difference(total_e6: int | None, claimed_total: int | None) -> str:
    """The exact total less the claim, which may have been rounded."""
    if total_e6 is None or claimed_total is None:
        return NOTHING
    less = total_e6 - claimed_total * E6_PER_HUNDREDTH
    return exact(0) if not less else f"{'+' if less > 0 else '−'}{exact(abs(less))}"


def claimed(what: str, value: object) -> str:
    """One side of a difference: points where it is a score, else as it stands."""
    is_score = what.endswith(("score", "claimed_total")) and isinstance(value, int)
    return points(value) if is_score and isinstance(value, int) else str(value)


def moment(us: int | None) -> str:
    """China time to the second."""
    return NOTHING if us is None else _china(us).strftime("%Y-%m-%d %H:%M:%S")


def precise(us: int | None) -> str:
    """China time to the millisecond, without the day."""
    return NOTHING if us is None else _china(us).strftime("%H:%M:%S.%f")[:-3]


def iso(us: int | None) -> str:
    """UTC for machines and for the title of a shown time."""
    if us is None:
        return ""
    return (_EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def of_rfc(text: str | None) -> str:
    """A rig's own time (RFC 3339 UTC) in China time."""
    if not text:
        return NOTHING
    try:
        return datetime.fromisoformat(text).astimezone(CHINA).strftime("%H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError):
        return text


def clock(seconds: int | None) -> str:
    """412 → 06:52."""
    return NOTHING if seconds is None else f"{seconds // 60:02d}:{seconds % 60:02d}"


def span(ms: int) -> str:
    """A difference of clocks: 12 → +12 ms, -5400 → −5.4 s."""
    sign = "−" if ms < 0 else "+"
    return f"{sign}{abs(ms)} ms" if abs(ms) < SECOND_MS else f"{sign}{abs(ms) / SECOND_MS:.1f} s"


def gigabytes(number: int | None) -> str:
    """With one place."""
    return NOTHING if number is None else f"{number / 1e9:.1f}"


def count(number: int | None) -> str:
    """Groups of three."""
    return NOTHING if number is None else f"{number:,}".replace(",", "\u2009")


def words(data: bytes, cut: Sequence[tuple[int, int]], at: int) -> list[tuple[str, list[tuple[str, bool]]]]:
    """Rows of a hex view: address, and eight words each with whether it is personal."""
    hidden = {byte // 2 for offset, length in cut for byte in range(offset, offset + length)}
    pairs = [(data[place : place + 2].hex(), place // 2 in hidden) for place in range(0, len(data), 2)]
    return [(f"{at + row:05d}", pairs[row : row + 8]) for row in range(0, len(pairs), 8)]


def _china(us: int) -> datetime:
    return (_EPOCH + timedelta(microseconds=us)).astimezone(CHINA)
