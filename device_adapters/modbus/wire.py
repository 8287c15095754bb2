"""The seam inside this package between a rig's protocol of latched records and the wire its registers are read over.

Owns: the `Wire` Protocol and what can go wrong below it. One request is in flight at a time; a wire on which
anything odd happened is closed and stays closed until `connect`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from device_adapters.errors import AdapterError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class OddReply(AdapterError):  # noqa: N818  (what came, told to the layer above)
    """Bytes came that are not the answer to the request. The connection is closed. `frame` is what came."""

    def __init__(self, detail: str, frame: bytes) -> None:
        super().__init__(detail)
        self.detail = detail
        self.frame = frame


class ExceptionReply(AdapterError):  # noqa: N818  (a well-formed answer)
    """The rig answered with a Modbus exception. A proper answer to this request: the connection stays."""

    def __init__(self, code: int, detail: str, frame: bytes) -> None:
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.frame = frame


class Wire(Protocol):
    """Registers of one unit. Errors: NotConnected and OddReply (it is closed), BackOff, ExceptionReply."""

    @property
    def connected(self) -> bool:
        """Whether requests can be made."""

    @property
    def connection(self) -> int:
        """Number of the connection: another number, another socket."""

    async def connect(self) -> None:
        """Close the old connection, open a new one."""

    async def read(self, at: int, words: int) -> bytes:
        """`words` words from `at`, high byte first; or so many bits, sixteen to a word (`language.spaces`)."""

    async def write(self, at: int, values: Sequence[int], connection: int) -> None:
        """Write words, or bits, from `at`, on this very connection or not at all."""

    def drop(self) -> None:
        """Close at once, without waiting for anything."""


@runtime_checkable
class Watching(Wire, Protocol):
    """A wire that reads the same words over and over without a turn of a task for each reading."""

    async def watch(self, at: int, words: int, when: float, judge: Callable[[bytes], float | None]) -> bytes:
        """Read at `when` and at each time that `judge` answers; the first reading for which it has none."""
