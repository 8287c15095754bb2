"""Log lines: one event is one noun phrase with fields, to standard error, JSON for machines and plain for a terminal.

No candidate's name, ticket or id number is ever a field (P7); values of openings are not printable by construction.
"""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import structlog


def configure(stream: TextIO = sys.stderr, *, plain: bool | None = None) -> None:
    """Once, at the process edge."""
    plain = stream.isatty() if plain is None else plain
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(colors=False) if plain else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.WriteLoggerFactory(stream),
    )
    # Libraries speak through the standard logging; only what they call a warning is of use here.
    logging.basicConfig(stream=stream, level=logging.WARNING, format="%(name)s: %(message)s")
