"""A bad link in place of netem: two TUN devices, one in a network namespace of its own, and this loop between them.

    with far_side() as far:                          # root; the namespace is gone when its last socket is closed
        async with tun_link(far, Weather(loss=0.1, delay_s=0.05)) as link:
            with far.entered():                      # sockets made here live on the far side, at FAR
                server = await asyncio.start_server(serve, FAR, 0)
            reader, writer = await asyncio.open_connection(FAR, port)

Packets are real, and so are the kernel's TCP and its checksums. What the weather does is drawn from a seed.
"""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import os
import random
import struct
import subprocess
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from parts import find_program

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

NEAR, FAR = "10.219.77.1", "10.219.77.2"
_NEW_NET = 0x40000000
_TUNSETIFF = 0x400454CA
_TUN_NO_PI = 0x0001 | 0x1000
_PACKET_BYTES = 1 << 16
_LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Weather:
    """What happens to each packet, in either direction. Shares are probabilities."""

    loss: float = 0.0
    delay_s: float = 0.0
    jitter_s: float = 0.0  # more jitter than the gap between two packets also reorders them
    duplicate: float = 0.0
    bit_error: float = 0.0
    bytes_a_second: float | None = None
    queue_bytes: int = 32 << 10  # of a slow link; beyond it packets are dropped
    bytes_max: int | None = None  # larger ones vanish without a word: the MTU black hole


class FarSide:
    """A network namespace, held by a thread that does nothing else."""

    def __init__(self) -> None:
        self._ready, self._over = threading.Event(), threading.Event()
        self._trouble = 0
        self._thread = threading.Thread(target=self._hold, daemon=True)
        self._thread.start()
        self._ready.wait()
        if self._trouble:
            raise OSError(self._trouble, "no new network namespace")
        self._own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        self._far = os.open(f"/proc/self/task/{self._thread.native_id}/ns/net", os.O_RDONLY)

    def _hold(self) -> None:
        if _LIBC.unshare(_NEW_NET):
            self._trouble = ctypes.get_errno()
        self._ready.set()
        self._over.wait()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """The calling thread and what it starts are on the far side; sockets that they open stay there."""
        _set_net(self._far)
        try:
            yield
        finally:
            _set_net(self._own)

    def close(self) -> None:
        """Let it go."""
        self._over.set()
        self._thread.join()
        os.close(self._own)
        os.close(self._far)


def _set_net(descriptor: int) -> None:
    if _LIBC.setns(descriptor, _NEW_NET):
        raise OSError(ctypes.get_errno(), "setns")


@contextmanager
def far_side() -> Iterator[FarSide]:
    """One for a test."""
    made = FarSide()
    try:
        yield made
    finally:
        made.close()


def _device(name: str, own: str, peer: str) -> int:
    """A TUN device with its addresses, up; its descriptor."""
    tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _TUN_NO_PI))
    ip = find_program("ip")
    assert ip is not None
    for words in (("addr", "add", own, "peer", peer, "dev", name), ("link", "set", name, "up")):
        subprocess.run([ip, *words], check=True, capture_output=True)
    return tun


@dataclass(slots=True)
class Link:
    """Passes packets on as the weather is now; `weather` may be changed at any time."""

    near: int
    far: int
    weather: Weather
    rng: random.Random
    passed: int = 0
    dropped: int = 0
    _free_at: dict[int, float] = field(default_factory=dict)

    def take(self, source: int, target: int) -> None:
        """Everything that waits at one side."""
        with suppress(BlockingIOError):
            while True:
                self._pass_on(os.read(source, _PACKET_BYTES), target)

    def _pass_on(self, packet: bytes, target: int) -> None:
        weather, rng = self.weather, self.rng
        too_large = weather.bytes_max is not None and len(packet) > weather.bytes_max
        wait_s = self._line_s(len(packet), target)
        if too_large or wait_s is None or rng.random() < weather.loss:
            self.dropped += 1
            return
        if rng.random() < weather.bit_error:
            at = rng.randrange(20, len(packet))
            packet = packet[:at] + bytes([packet[at] ^ 1 << rng.randrange(8)]) + packet[at + 1 :]
        for _ in range(2 if rng.random() < weather.duplicate else 1):
            delay_s = wait_s + max(0.0, weather.delay_s + rng.uniform(-weather.jitter_s, weather.jitter_s))
            asyncio.get_running_loop().call_later(delay_s, self._write, target, packet)

    def _line_s(self, size: int, target: int) -> float | None:
        """How long until a slow line has carried it; None when its queue is full."""
        weather = self.weather
        if weather.bytes_a_second is None:
            return 0.0
        now = asyncio.get_running_loop().time()
        free_at = max(now, self._free_at.get(target, 0.0))
        if (free_at - now) * weather.bytes_a_second > weather.queue_bytes:
            return None
        self._free_at[target] = free_at + size / weather.bytes_a_second
        return self._free_at[target] - now

    def _write(self, target: int, packet: bytes) -> None:
        with suppress(OSError):
            os.write(target, packet)
            self.passed += 1


@asynccontextmanager
async def tun_link(far: FarSide, weather: Weather, seed: int = 1) -> AsyncIterator[Link]:
    """NEAR and FAR reach each other over it until the block ends."""
    name = f"kf{os.getpid() % 1_000_000}"
    near_tun = _device(f"{name}n", NEAR, FAR)
    try:
        with far.entered():
            far_tun = _device(f"{name}f", FAR, NEAR)
        try:
            link = Link(near_tun, far_tun, weather, random.Random(seed))  # the same weather every time
            loop = asyncio.get_running_loop()
            loop.add_reader(near_tun, link.take, near_tun, far_tun)
            loop.add_reader(far_tun, link.take, far_tun, near_tun)
            try:
                yield link
            finally:
                loop.remove_reader(near_tun)
                loop.remove_reader(far_tun)
        finally:
            os.close(far_tun)
    finally:
        os.close(near_tun)
