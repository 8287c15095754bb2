"""The options of the tools for rigs that are heard; the same words in every command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Broker = Annotated[str, typer.Option("--broker", help="HOST:PORT of an MQTT broker; WHERE is the serial number then.")]
Protocol = Annotated[str, typer.Option("--protocol", help="Of the broker: 5, 3.1.1.")]
Ca = Annotated[str, typer.Option("--ca", metavar="FILE", help="TLS to the broker, trusting this CA.")]
Certificate = Annotated[str, typer.Option("--certificate", metavar="FILE", help="Shown to the broker; with --key.")]
Key = Annotated[str, typer.Option("--key-file", metavar="FILE", help="Of --certificate.")]
Username = Annotated[str, typer.Option("--username", help="At the broker; with --password-file.")]
PasswordFile = Annotated[str, typer.Option("--password-file", metavar="FILE", help="Mode 0600.")]
ClientId = Annotated[str, typer.Option("--client-id", help="At the broker; never a gateway's.")]
Rebirth = Annotated[bool, typer.Option("--rebirth", help="Sparkplug: ask the edge node for its birth certificates.")]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Without a profile: whatever comes there; again.")]
Listen = Annotated[str, typer.Option("--listen", metavar="ADDRESS:PORT", help="Be what the rig pushes to, over HTTP.")]
SecretFile = Annotated[Path | None, typer.Option("--secret-file", help="The rig's secret, mode 0600.")]
Token = Annotated[bool, typer.Option("--token", help="The secret is a bearer token, not a key that signs.")]
Networks = Annotated[list[str] | None, typer.Option("--network", help="Without TLS the rigs' own network; again.")]
