"""What the profiles of all rigs that are heard, not asked, have in common: no registers, and a shape of messages.

Owns: the head of such a file. The kinds of messages are read by `build_message` and `build_values`. Pure.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, cast

from device_adapters.language.profile import Poll, Profile, Record, Transport

if TYPE_CHECKING:
    from collections.abc import Collection

    from device_adapters.language.shape import Shape
    from device_adapters.language.tables import Table
    from device_adapters.language.values import PlainShape, SparkShape
    from device_adapters.observation import Guarantee

MS_MAX: Final = 600_000
NO_RECORD: Final = Record("", 0, 0, 1, 0, "fixed", None, None, None, None, None, {}, None, ())


def heard_profile(
    top: Table,
    text: bytes,
    *,
    kind: str,
    guarantees: Collection[str],
    status_ms: int,
    shape: Shape | PlainShape | SparkShape,
    transport: Table,
    names: Table,
) -> Profile:
    """The profile around a shape; what else stands in these tables is a finding."""
    profile = Profile(
        id=top.text("id"),
        version=top.text("version"),
        name={language: names.text(language) for language in ("zh", "en")},
        text=text,
        sha256=hashlib.sha256(text).hexdigest(),
        guarantee=cast("Guarantee", top.text("guarantee", among=guarantees)),
        transport=Transport(kind, 0, 0, 0, 0, 0, 0, 0),
        poll=Poll(status_ms, {"idle": status_ms}),
        areas={},
        records={},
        status=NO_RECORD,
        event=NO_RECORD,
        rules={},
        rig_time=None,
        ack=None,
        ready=None,
        message=shape,
    )
    for table in (transport, names, top):
        table.done()
    return profile
