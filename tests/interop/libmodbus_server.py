"""A Modbus RTU unit by libmodbus, through its C interface: `libmodbus_server.py DEVICE UNIT WORDS-HEX`.

Run as a program of its own, since the library blocks. Prints `ready`, then every written register as `AT VALUE`.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import sys

REGISTERS = 30_000
FRAME_BYTES = 260
WRITE_MANY = 16


class Mapping(ctypes.Structure):
    """modbus_mapping_t of libmodbus 3.1."""

    _fields_ = [
        *(
            (f"{what}_{name}", ctypes.c_int)
            for name in ("bits", "input_bits", "input", "regs")
            for what in ("nb", "start")
        ),
        *((f"tab_{name}", ctypes.POINTER(ctypes.c_uint8)) for name in ("bits", "input_bits")),
        *((f"tab_{name}", ctypes.POINTER(ctypes.c_uint16)) for name in ("input", "regs")),
    ]


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(device: str, unit: str, words: str) -> None:
    library = ctypes.CDLL(ctypes.util.find_library("modbus") or "libmodbus.so.5")
    library.modbus_new_rtu.restype = ctypes.c_void_p
    library.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    context = ctypes.c_void_p(library.modbus_new_rtu(device.encode(), 19200, ctypes.c_char(b"N"), 8, 1))
    library.modbus_set_slave(context, int(unit))
    mapping = library.modbus_mapping_new(0, 0, REGISTERS, 0)
    held = bytes.fromhex(words)
    for at in range(len(held) // 2):
        mapping.contents.tab_regs[at] = int.from_bytes(held[2 * at : 2 * at + 2], "big")
    if library.modbus_connect(context):
        sys.exit("no connection")
    _say("ready")
    query = (ctypes.c_uint8 * FRAME_BYTES)()
    while True:
        length = library.modbus_receive(context, query)
        if length > 0:
            library.modbus_reply(context, query, length, mapping)
            if query[1] == WRITE_MANY:
                at = query[2] << 8 | query[3]
                _say(f"{at} {mapping.contents.tab_regs[at]}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
