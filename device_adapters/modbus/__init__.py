"""Registers read over Modbus: TCP, RTU and RTU over TCP, alone or several units on one line (P5, P8)."""
