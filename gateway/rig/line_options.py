"""The options of a serial line and of a serial server; the same words in every command."""

from __future__ import annotations

from typing import Annotated

import typer

Rtu = Annotated[bool, typer.Option("--rtu", help="HOST is a serial server: RTU over TCP.")]
Baud = Annotated[int, typer.Option("--baud", help="Of a serial port.")]
Parity = Annotated[str, typer.Option("--parity", help="Of a serial port: none, even, odd.")]
StopBits = Annotated[int, typer.Option("--stop-bits", help="Of a serial port: 1, 2.")]
