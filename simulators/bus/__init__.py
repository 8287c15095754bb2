"""Rigs on a line that they share: Modbus RTU on a pseudo-terminal, behind a serial server, or calling a gateway."""
