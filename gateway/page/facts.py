"""From the status document to rows of plain words, each with a mark: as it should be, look at this, act on this."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, Literal

from gateway import limits
from gateway.page.words import say
from scorelog.format.text import utc_us

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.page.words import Language

Mark = Literal["ok", "warn", "bad", ""]
_CHINA: Final = timezone(timedelta(hours=8))
_DAY_US: Final = 86_400_000_000
_RENEW_DAYS: Final = 14
_SKEW_MS: Final = 5_000
_LOW_BYTES: Final = 1 << 30
_MIB: Final = 1 << 20
_GIB: Final = 1 << 30
_MINUTE_S: Final = 60
_OLD_MS: Final = 10_000


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table. `cells` are texts, not yet escaped; `mark` says how the row is."""

    mark: Mark
    cells: tuple[str, ...]


def local_time(utc: str | int | None, *, day: bool = True) -> str:
    """An instant in China time, as the server's pages show it; stored times stay UTC."""
    if not utc:
        return ""
    try:
        instant = datetime.fromtimestamp((utc if isinstance(utc, int) else utc_us(utc)) / 1e6, UTC)
    except ValueError:
        return ""
    return instant.astimezone(_CHINA).strftime("%Y-%m-%d %H:%M:%S" if day else "%H:%M:%S")


class Facts:
    """One status document in one language."""

    def __init__(self, status: Mapping[str, Any], language: Language, now_us: int) -> None:
        self._status = status
        self._language: Language = language
        self._now_us = now_us

    def word(self, key: str) -> str:
        """In the page's language."""
        return say(self._language, key)

    def box(self) -> list[Row]:
        """Everything of the box itself, in the order in which a person would ask."""
        return [*self._server(), *self._log(), self._disk(), self._clock(), self._certificate(), *self._plan()]

    def _row(self, key: str, mark: Mark, *words: str) -> Row:
        return Row(mark, (self.word(key), " ".join(word for word in words if word)))

    def _server(self) -> Iterator[Row]:
        status, server = self._status, self._status.get("server") or {}
        answers = server.get("answers")
        state: dict[bool | None, tuple[str, Mark]] = {
            True: ("server ok", "ok"), False: ("server silent", "bad"), None: ("server unknown", "warn"),
        }  # fmt: skip
        key, mark = state[answers]
        yield self._row("server", mark, self.word(key), f"· {server.get('url', '')}", _bracket(server.get("reason")))
        if server.get("revoked"):
            yield self._row("enrolment", "bad", self.word("revoked"), _bracket(server["revoked"]))
        trouble = status.get("upload_trouble")
        yield self._row(
            "upload", "bad" if trouble else "ok", self.word("upload delayed" if trouble else "upload ok"),
            _bracket(trouble),
        )  # fmt: skip
        yield self._unsent()

    def _unsent(self) -> Row:
        unsent, oldest_ms = self._status["unsent"], self._status.get("oldest_unsent_ms") or 0
        if not unsent:
            return self._row("unsent", "ok", self.word("none unsent"))
        waits = f"{self.word('oldest')} {_span(oldest_ms // 1000)}"
        return self._row("unsent", "warn" if oldest_ms > _OLD_MS else "ok", f"{unsent} {self.word('entries')}", waits)

    def _log(self) -> Iterator[Row]:
        status = self._status
        sizes = f"{status['size']} {self.word('entries')}, {self.word('confirmed')} {status['receipted']}"
        yield self._row("log", "ok", f"{status['origin']} ·", sizes)
        trouble, accepts = status.get("trouble"), status.get("accepts_exams", True)
        key = "records" if accepts and not trouble else "no exam"
        yield self._row("trouble", "ok" if key == "records" else "bad", self.word(key), _bracket(trouble))

    def _disk(self) -> Row:
        free, total = self._status.get("free_bytes", 0), self._status.get("total_bytes")
        of = f"{self.word('free of')} {_size(total)}" if total else ""
        return self._row("disk", "ok" if free >= _LOW_BYTES else "warn", _size(free), of)

    def _clock(self) -> Row:
        offset_ms, sync = self._status.get("server_offset_ms"), self._status.get("clock_sync") or "unknown"
        if self._now_us < limits.PLAUSIBLE_TIME_US:
            return self._row("clock", "bad", self.word("clock untrusted"))
        ahead_s = round(-(offset_ms or 0) / 1000, 1) + 0.0  # no minus before a zero
        apart = "" if offset_ms is None else f"{self.word('against server')} {ahead_s:+.1f} s"
        mark: Mark = "warn" if abs(offset_ms or 0) > _SKEW_MS or sync == "unsynced" else "ok"
        return self._row("clock", mark, self.word(f"sync {sync}"), apart and f"· {apart}")

    def _certificate(self) -> Row:
        not_after = self._status.get("certificate_not_after")
        if not not_after or utc_us(not_after) == 0:
            return self._row("certificate", "bad", self.word("unreadable certificate"))
        days = (utc_us(not_after) - self._now_us) // _DAY_US
        end = f"{self.word('until')} {local_time(not_after)[:10]}"
        if days < 0:
            return self._row("certificate", "bad", self.word("expired"), f"· {end}")
        return self._row("certificate", "ok" if days >= _RENEW_DAYS else "warn", end, f"· {days} {self.word('days')}")

    def _plan(self) -> Iterator[Row]:
        if "plan" not in self._status:
            return
        plan, refused = self._status["plan"] or {}, self._status.get("plan_refused")
        if refused:
            yield self._row("plan", "warn", self.word("plan refused"), _bracket(refused))
        if not plan:
            yield self._row("plan", "", self.word("no plan"))
            return
        yield self._row("plan", "ok", plan.get("point", ""), f"{self.word('version')} {plan.get('version')}")

    def sessions(self) -> list[Row]:
        """Those of the adopted plan: {id, opens, closes, open}."""
        rows = []
        for one in self._status.get("sessions") or []:
            opened = bool(one.get("open"))
            times = local_time(one.get("opens")), local_time(one.get("closes"))
            state = self.word("session open" if opened else "session waiting")
            rows.append(Row("ok" if opened else "", (one["id"], state, *times)))
        return rows

    def brokers(self) -> list[Row]:
        """{id, online, reason} of each."""
        rows = []
        for one in self._status.get("brokers") or []:
            state = self.word("connected" if one["online"] else "offline")
            rows.append(Row("ok" if one["online"] else "bad", (one["id"], state, one.get("reason") or "")))
        return rows

    def pushes(self) -> list[Row]:
        """One row a listener for rigs that push."""
        rows = []
        for one in self._status.get("pushes") or []:
            state = self.word("listening" if one["listening"] else "not listening")
            mark: Mark = "ok" if one["listening"] else "bad"
            rows.append(Row(mark, (one["id"], state, str(one["connections"]), one.get("reason") or "")))
        return rows

    def buses(self) -> list[Row]:
        """One row a bus: what its line does, and what it should not have seen."""
        rows = []
        for one in self._status.get("buses") or []:
            mark: Mark = "ok" if one["open"] and not one["held"] else "warn"  # what it costs, its rigs' rows say
            state = self.word("line open" if one["open"] else "line closed")
            turn = f"{one['turn_ms']:.0f} / {one['longest_turn_ms']:.0f} ms"
            counted = (one["waiting"], turn, one["silent"], one["odd"], one["strays"], one["held"])
            rows.append(Row(mark, (one["id"], state, *map(str, counted))))
        return rows

    def rigs(self) -> list[Row]:
        """One row a rig, by station."""
        return [self._rig(rig) for rig in sorted(self._status.get("rigs") or [], key=lambda rig: str(rig["station"]))]

    def _rig(self, rig: Mapping[str, Any]) -> Row:
        state, held, item = rig["state"], rig.get("unreadable"), rig.get("item") or ""
        if item:
            item += f" {rig['elapsed_s']}/{rig['limit_s']} s"
        mode = self.word(rig["mode"]) if rig.get("mode") not in (None, "exam") else ""
        said = " · ".join(word for word in (self.word(state), mode) if word)
        why = f"{self.word('held')} {held}" if held is not None else rig.get("reason") or ""
        if rig.get("breaker", "closed") != "closed":
            again = local_time(rig.get("asked_again_utc"), day=False)
            why = " · ".join(word for word in (why, f"{self.word('asked rarely')} {again}".rstrip()) if word)
        mark: Mark = "bad" if state in ("offline", "fault") or held is not None else "ok"
        mark = "warn" if state == "unknown" else mark
        since = local_time(rig.get("since_utc"))
        return Row(mark, (rig["station"], rig["rig"], said, item, str(rig.get("last_seq") or ""), since, why))

    def refusals(self) -> list[Row]:
        """The newest first: {utc, rig, reason}."""
        found = reversed(self._status.get("refusals") or [])
        return [Row("warn", (local_time(one["utc"]), one["rig"], self._reason(one["reason"]))) for one in found]

    def _reason(self, code: str) -> str:
        word = self.word(code)
        return code if word == code else f"{word} ({code})"


def _bracket(text: object) -> str:
    return f"({text})" if text else ""


def _span(seconds: int) -> str:
    if seconds < _MINUTE_S:
        return f"{seconds} s"
    return f"{seconds // _MINUTE_S} min" if seconds < 60 * _MINUTE_S else f"{seconds / 3600:.1f} h"


def _size(count: int) -> str:
    return f"{count / _GIB:.1f} GiB" if count >= _GIB else f"{count // _MIB} MiB"
