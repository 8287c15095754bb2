"""Origins of gateway logs: `<domain>/gw/<gateway-id>/<generation>`. A gateway writes only its own."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Final

_GENERATION: Final = re.compile(r"0|[1-9][0-9]{0,8}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Origin:
    """The parts of an origin."""

    domain: str
    gateway_id: str
    generation: int

    @property
    def text(self) -> str:
        """The origin as it stands in a checkpoint."""
        return f"{self.domain}/gw/{self.gateway_id}/{self.generation}"


def parse_origin(text: str) -> Origin | None:
    """The parts, or None when it is not the origin of a gateway's log."""
    parts = text.split("/")
    if len(parts) != 4 or parts[1] != "gw" or not _GENERATION.fullmatch(parts[3]):  # noqa: PLR2004  # the four parts
        return None
    return Origin(parts[0], parts[2], int(parts[3]))


def origin_hash(origin: str) -> str:
    """How the read side and the pages name a log in a URL."""
    return hashlib.sha256(origin.encode()).hexdigest()
