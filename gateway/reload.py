"""A changed configuration taken into use while the gateway runs: checked whole, logged, then applied where it differs.

    SIGHUP ─> read and check everything ─> config.changed, new texts (fsync) ─> let go ─> make anew ─> take up
                        └─ an error: told, and nothing was changed

Owns: the order of these steps and what is told of the last one. Rigs that are the same in both are not touched, the
log is not opened again. A crash in between needs no repair: the next start reads the same file and compares it with
the newest `config.changed`.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import structlog

from gateway.errors import ConfigError, Fatal
from gateway.lifecycle import changes, refuse_untellable
from gateway.push.identity import Identities, identities
from gateway.recording.texts import load_texts
from gateway.settings.config_file import load
from gateway.settings.difference import difference, refuse_fixed
from gateway.supervising.brokers import account
from scorelog.format.text import utc_text
from scorelog.journal.errors import LogFull
from scorelog.journal.failpoints import failpoint, register

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from device_adapters.mqtt.connection import Account
    from gateway.plan.keeper import PlanKeeper
    from gateway.recording.recorder import Recorder
    from gateway.recording.texts import Texts
    from gateway.settings.config import Config, RigConfig
    from gateway.settings.difference import Difference
    from gateway.supervising.board import Board
    from gateway.supervising.hall import Hall
    from gateway.supervising.wires import Wires
    from scorelog.journal.clock import Clock

_RECORD = register("gateway.reload-record", "a changed configuration is appended to the log, before it is used")
_APPLY = register("gateway.reload-apply", "rigs that a changed configuration lets go of have ended, none has begun yet")

_log = structlog.get_logger("gateway")


@dataclass(frozen=True, slots=True)
class Setup:
    """A whole configuration that was checked: settings, the texts they name, the identities for brokers."""

    config: Config
    texts: Texts
    accounts: Mapping[str, Account]
    pushers: Identities = field(default_factory=Identities)

    def hashes(self) -> dict[str, str]:
        """Of the profiles, by the name or path in the settings."""
        return {name: profile.sha256 for name, profile in self.texts.profiles.items()}


def read_setup(config_file: Path) -> Setup:
    """Reads files only; asks no rig and no server. Raises ConfigError that names file and line."""
    return whole(load(config_file))


def whole(config: Config) -> Setup:
    """With everything that the settings name. Raises ConfigError."""
    accounts = {broker.id: account(broker, config.gateway_id) for broker in config.brokers}
    texts = load_texts(config)
    refuse_untellable(config, texts)
    return Setup(config, texts, accounts, identities(config))


class Reloader:
    """One per process. `read` is called in a thread; `wires` None: rigs need no lines of ours (tests)."""

    def __init__(
        self,
        setup: Setup,
        read: Callable[[], Setup],
        *,
        recorder: Recorder,
        clock: Clock,
        board: Board,
        hall: Hall,
        wires: Wires | None,
        plans: PlanKeeper,
        adopted: set[str],
        take_up: Callable[[RigConfig, Texts], None],
    ) -> None:
        self.setup = setup
        self._read = read
        self._recorder = recorder
        self._clock = clock
        self._board = board
        self._hall = hall
        self._wires = wires
        self._plans = plans
        self._adopted = adopted
        self._take_up = take_up
        self._asked = asyncio.Event()
        self._told: dict[str, Any] = {"tried": 0, "tried_utc": None, "refused": None}

    def ask(self) -> None:
        """As soon as possible; asked twice meanwhile is once."""
        self._asked.set()

    def status(self) -> dict[str, Any]:
        """Which configuration is in use, and what became of the last try to change it."""
        return {"sha256": self.setup.config.sha256, **self._told}

    async def run(self) -> NoReturn:
        """Until cancelled. Raises Fatal."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                refused = await self._once()
            except OSError as error:  # half of it may be in use: a new start reads the whole
                raise Fatal(f"reload: {error}") from error
            tried = self._told["tried"] + 1
            self._told = {"tried": tried, "tried_utc": utc_text(self._clock.now_us()), "refused": refused}

    async def _once(self) -> str | None:
        """Why nothing was changed, None when the configuration that was read is in use."""
        old = self.setup
        try:
            new = await asyncio.to_thread(self._read)
            refuse_fixed(old.config, new.config)
        except ConfigError as error:
            _log.warning("reload refused", reason=str(error))
            return str(error)
        found = difference(old.config, old.hashes(), new.config, new.hashes())
        entries = changes(old.config, old.texts, new.config, new.texts, self._adopted)
        try:
            with failpoint(_RECORD):
                await self._recorder.note_all(entries)
        except LogFull:
            _log.warning("reload refused", reason="the log is full")
            return "the log is full"
        self._adopted |= new.texts.hashes()
        await self._apply(found, new)
        _log.info(
            "configuration in use",
            config=new.config.sha256,
            before=old.config.sha256,
            added=len(found.added),
            removed=len(found.removed),
            changed=len(found.changed),
            kept=len(self._hall) - len(found.begun),
        )
        return None

    async def _apply(self, found: Difference, new: Setup) -> None:
        """In an order in which no line ever has two owners."""
        config = new.config
        stale = self._wires.stale(config, new.pushers) if self._wires is not None else frozenset()
        await self._hall.let_go(found.ended, found.brokers, "the configuration changed", stale)
        with failpoint(_APPLY):
            self.setup = new
        known = set(self._wires.links) - found.brokers if self._wires is not None else set()
        heard = set(self._wires.listeners) - stale if self._wires is not None else set()
        if self._wires is not None:
            await self._wires.change(
                config,
                new.texts,
                new.accounts,
                buses=found.buses,
                brokers=found.brokers,
                listeners=stale,
                pushers=new.pushers,
            )
            for name, listener in self._wires.listeners.items():
                if name not in heard:
                    self._hall.listen(listener)
            for name, link in self._wires.links.items():
                if name not in known:
                    self._hall.connect(link)
        self._board.set_up([new.texts.subject(rig) for rig in config.rigs], anew=found.begun)
        self._plans.rigs_are({rig.serial: rig.station for rig in config.rigs})
        for rig in config.rigs:
            if rig.serial in found.begun:
                self._take_up(rig, new.texts)
