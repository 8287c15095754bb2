"""The live board: what every rig and gateway is doing now, and who has gone silent.

Two sources, never mixed up: `projected` brings what evidence proves, `heartbeat` what a gateway merely says. The board
lays them over each other row by row and publishes each row that changed to the hub. It is in memory and starts from the
projections. Silence is measured on the monotonic clock of this process (P6).

    projector ── projected ──┐
    ingest ──── stored ──────┤──▶ rows ──▶ hub ──▶ browsers
    ingest ──── heartbeat ───┘      └───▶ alarm (once per silence)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.live import limits
from server.live.beat import Beat, read_beat
from server.live.rows import Context, Telling, gateway_row, origin_hash, rig_row, silent_rig

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from scorelog.journal.clock import Clock
    from server.live.hub import Hub
    from server.projection.rigfold import RigState
    from server.projection.rubrics import RubricBook
    from server.projection.scores import Result, ScoreRow, Update

    AlarmSink = Callable[[str, str | None, int | None, str], Awaitable[object]]


@dataclass(slots=True)
class _Gateway:
    heard_mono_us: int
    heard_ms: int | None = None
    beat: Beat | None = None
    beat_ms: int | None = None
    origin: str | None = None
    silent: bool = False


@dataclass(slots=True)
class _Rig:
    state: RigState | None = None
    telling: Telling | None = None
    silent_since_us: int | None = None
    silent: bool = False


@dataclass(slots=True)
class _Score:
    score: ScoreRow
    number: int
    slot: int


class LiveBoard:
    """Rows by key, silence by clock."""

    def __init__(self, clock: Clock, hub: Hub, book: RubricBook, *, alarm: AlarmSink | None = None) -> None:
        self._clock = clock
        self._hub = hub
        self._alarm = alarm
        self._book = book
        self.count_alerts: Callable[[], Awaitable[int]] | None = None
        self.name_plans: Callable[[], Awaitable[dict[str, str]]] | None = None
        self.forget_all()

    def forget_all(self) -> None:
        """Start from nothing: at the beginning, and when this process takes over from another one."""
        self._gateways: dict[str, _Gateway] = {}
        self._rigs: dict[tuple[str, str], _Rig] = {}
        self._scores: list[_Score] = []
        self._counted = 0
        self._results: dict[str, Result] = {}
        self._stored: dict[str, int] = {}
        self._cosigned: dict[str, int] = {}
        self._context = Context(self._cosigned, self._book)
        self._rows: dict[str, dict[str, Any]] = {}
        self._unshown: set[str] = set()  # gateways that uploaded since their row was made
        self._open_alerts = 0

    # -- what comes in ---------------------------------------------------------------------------------------------

    def expect(self, gateway_id: str, held: Mapping[str, int] | None = None) -> None:
        """An enrolled gateway: its silence counts from now, even when it never says a word.

        ``held``: the size of each of its logs that is stored here already, newest log last. Without it everything
        would count as unsent between a start of the server and the first upload.
        """
        gateway = self._gateway(gateway_id)
        for origin, size in (held or {}).items():
            self._stored[origin] = max(size, self._stored.get(origin, 0))
        if held and gateway.origin is None:
            gateway.origin = list(held)[-1]
        self._show_gateway(gateway_id)

    def forget(self, gateway_id: str) -> None:
        """A revoked gateway is not expected any more; its silence is no alarm."""
        if self._gateways.pop(gateway_id, None):
            self._rows.pop(f"gateway/{gateway_id}", None)
            self._hub.publish(f"gateway/{gateway_id}", {"key": f"gateway/{gateway_id}", "gone": True})

    def heartbeat(self, gateway_id: str, body: Mapping[str, Any], now_us: int) -> None:
        """What a gateway says about itself and its rigs: shown, marked as unproven, kept nowhere."""
        beat = read_beat(body)
        gateway = self._heard(gateway_id, now_us)
        gateway.beat, gateway.beat_ms = beat, now_us // 1000
        gateway.origin = beat.origin or gateway.origin
        mono = self._clock.mono_us()
        for told in beat.rigs:
            if (gateway_id, told.rig) not in self._rigs and self._is_full(gateway_id):
                continue
            rig = self._rigs.setdefault((gateway_id, told.rig), _Rig())
            rig.telling = Telling(told, now_us // 1000)
            if told.silent_s is None:
                rig.silent_since_us, rig.silent = None, False
            elif rig.silent_since_us is None:
                rig.silent_since_us = mono - int(told.silent_s * 1e6)
            self._show_rig(gateway_id, told.rig)
        self._show_gateway(gateway_id)

    def _is_full(self, gateway_id: str) -> bool:
        """No more rigs from heartbeats, in all or of this gateway: one that makes names up takes no others' places."""
        mine = sum(owner == gateway_id for owner, _ in self._rigs)
        return len(self._rigs) >= limits.RIGS_MAX or mine >= limits.RIGS_PER_GATEWAY_MAX

    def stored(self, origin: str, size: int) -> None:
        """An upload is durable here: the gateway is alive and its backlog is that much shorter.

        Its row waits for the scores that the projector is about to prove, at most until the next look: shown at once,
        it would open a round of the hub, and the scores would have to wait for the next one.
        """
        gateway_id = origin.rsplit("/", 2)[1]
        gateway = self._heard(gateway_id, self._clock.now_us())
        self._stored[origin] = max(size, self._stored.get(origin, 0))
        gateway.origin = origin
        self._unshown.add(gateway_id)

    def cosigned(self, origin: str, size: int) -> None:
        """The mirror's cosignature covers this many entries: values under it are receipted from now on."""
        if size <= self._cosigned.get(origin, 0):
            return
        self._cosigned[origin] = size
        gateway_id = origin.rsplit("/", 2)[1]
        for owner, rig in self._rigs:
            if owner == gateway_id:
                self._show_rig(owner, rig)
        for score in self._scores:
            if score.score.origin == origin:
                self._show_score(score)
        if gateway_id in self._gateways:
            self._show_gateway(gateway_id)

    def projected(self, update: Update) -> None:
        """What the projector has just proven, in its order."""
        if update.before is not None:
            self._counted, self._scores = update.before, []
        for result in update.results:
            self._results.pop(result.attempt, None)  # the newest stands last
            self._results[result.attempt] = result
        for state in update.rigs:
            self._rigs.setdefault((state.gateway, state.rig), _Rig()).state = state
        self._forget_results()
        touched = {(state.gateway, state.rig) for state in update.rigs}
        decided = {result.attempt for result in update.results}
        touched |= {key for key, rig in self._rigs.items() if rig.state and rig.state.attempt in decided}
        for gateway_id, serial in sorted(touched):
            self._show_rig(gateway_id, serial)
        for score in update.scores:
            self._counted += 1
            slot = (self._counted - 1) % limits.SCORES_KEPT
            self._scores = [kept for kept in self._scores if kept.slot != slot]
            self._scores.append(_Score(score, self._counted, slot))
            self._show_score(self._scores[-1])
        self._show_uploads()

    def _forget_results(self) -> None:
        """Beyond a bound only those stay that a rig shows, and the newest; a sweep lets many go at once."""
        most = limits.RESULTS_KEPT + len(self._rigs)
        if len(self._results) > 2 * most:
            shown = {rig.state.attempt for rig in self._rigs.values() if rig.state}
            older = len(self._results) - most
            kept = enumerate(self._results.items())
            self._results = {key: result for at, (key, result) in kept if at >= older or key in shown}

    def alerts(self, open_count: int) -> None:
        """How many alerts nobody has acknowledged."""
        self._open_alerts = open_count
        self._publish("alerts", {"open": open_count})

    def mirror(self, key: str, row: dict[str, Any]) -> None:
        """A row that another process has made: shown here as well. Everything live must be a row for that."""
        if key == "alerts":
            self.alerts(row["open"])
        elif row.get("gone"):
            self._rows.pop(key, None)
            self._hub.publish(key, row)
        else:
            self._publish(key, row)

    # -- what goes out ---------------------------------------------------------------------------------------------

    def snapshot(self) -> dict[str, Any]:
        """The whole state of the page, and the event id from which changes go on."""
        self._show_uploads()
        return {
            "id": self._hub.last_id,
            "now_ms": self._clock.now_us() // 1000,
            "rigs": self.rig_rows(),
            "gateways": self.gateway_rows(),
            "scores": [row for key, row in self._rows.items() if key.startswith("score/")],
            "alerts": {"key": "alerts", "open": self._open_alerts},
        }

    def rig_rows(self) -> list[dict[str, Any]]:
        """All rigs, by station and serial."""
        rows = [row for key, row in self._rows.items() if key.startswith("rig/")]
        return sorted(rows, key=lambda row: (row["station"] or "~", row["rig"]))

    def gateway_rows(self) -> list[dict[str, Any]]:
        """All gateways, by id."""
        self._show_uploads()
        return sorted(
            (row for key, row in self._rows.items() if key.startswith("gateway/")), key=lambda row: row["key"]
        )

    async def run(self) -> None:
        """Watch for silence, for alerts that nobody has seen, and for new plans, until cancelled."""
        rounds = 0
        while True:
            await self.watch()
            if self.count_alerts and rounds % limits.COUNT_EVERY_ROUNDS == 0:
                self.alerts(await self.count_alerts())
            if self.name_plans and rounds % limits.PLANS_EVERY_ROUNDS == 0:
                self._publish("plan", {"key": "plan", "sha256": await self.name_plans()})
            rounds += 1
            await self._clock.sleep(limits.WATCH_EVERY_S)

    async def watch(self) -> None:
        """One look at who is silent; each silence alarms once."""
        self._show_uploads()
        mono = self._clock.mono_us()
        for gateway_id, gateway in list(self._gateways.items()):
            if not gateway.silent and mono - gateway.heard_mono_us >= limits.GATEWAY_SILENT_S * 1e6:
                gateway.silent = True
                self._show_gateway(gateway_id)
                self._show_rigs_of(gateway_id)
                await self._raise("gateway_silent", gateway.origin, gateway_id)
        for (gateway_id, serial), rig in list(self._rigs.items()):
            since = rig.silent_since_us
            if since is not None and not rig.silent and mono - since >= limits.RIG_SILENT_S * 1e6:
                rig.silent = True
                self._show_rig(gateway_id, serial)
                owner = self._gateways.get(gateway_id)
                await self._raise("rig_silent", owner.origin if owner else None, silent_rig(serial, gateway_id))

    async def _raise(self, kind: str, origin: str | None, detail: str) -> None:
        if self._alarm:
            await self._alarm(kind, origin, None, detail)

    # -- rows ------------------------------------------------------------------------------------------------------

    def _gateway(self, gateway_id: str) -> _Gateway:
        return self._gateways.setdefault(gateway_id, _Gateway(self._clock.mono_us()))

    def _heard(self, gateway_id: str, now_us: int) -> _Gateway:
        gateway = self._gateway(gateway_id)
        gateway.heard_mono_us, gateway.heard_ms = self._clock.mono_us(), now_us // 1000
        if gateway.silent:
            gateway.silent = False
            self._show_rigs_of(gateway_id)
        return gateway

    def _show_rigs_of(self, gateway_id: str) -> None:
        for owner, rig in self._rigs:
            if owner == gateway_id:
                self._show_rig(owner, rig)

    def _show_rig(self, gateway_id: str, serial: str) -> None:
        rig = self._rigs[gateway_id, serial]
        owner = self._gateways.get(gateway_id)
        unheard = bool(owner and owner.silent)
        row = rig_row(gateway_id, serial, rig.state, rig.telling, self._context, silent=rig.silent or unheard)
        row["gateway_silent"] = unheard
        result = self._results.get(rig.state.attempt or "") if rig.state else None
        told = {"total_e6": result.total_e6, "passed": result.passed, "over": result.over} if result else None
        row["result"] = told
        self._publish(row["key"], row)

    def _show_uploads(self) -> None:
        for gateway_id in sorted(self._unshown & self._gateways.keys()):
            self._show_gateway(gateway_id)
        self._unshown.clear()

    def _show_gateway(self, gateway_id: str) -> None:
        self._unshown.discard(gateway_id)
        gateway = self._gateways[gateway_id]
        row = gateway_row(
            gateway_id,
            gateway.beat,
            heard_ms=gateway.heard_ms,
            beat_ms=gateway.beat_ms,
            silent=gateway.silent,
            stored=self._stored.get(gateway.origin or "", 0),
            cosigned=self._cosigned.get(gateway.origin or "", 0),
        )
        self._publish(row["key"], row)

    def _show_score(self, kept: _Score) -> None:
        score = kept.score
        row = {
            "key": f"score/{kept.slot}",
            "number": kept.number,
            **score.to_row(self._context.book),
            "origin_hash": origin_hash(score.origin),
            "proof": self._context.proof(score.origin, score.index),
        }
        self._publish(row["key"], row)

    def _publish(self, key: str, row: dict[str, Any]) -> None:
        if self._rows.get(key) != row:
            self._rows[key] = row
            self._hub.publish(key, row)
