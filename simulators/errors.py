"""What can go wrong in a simulation, by what the caller does about it.

SimulatorError
├── InputError        the user's input is wrong: say so and stop (rubric file, fault text, command line)
│   ├── RubricError   a rubric file that cannot be used
│   └── FaultError    a fault that does not exist or is written wrongly
├── RigRefuses        the rig does not do this now; its reason is for the examiner (K3, K5, wrong state, no power)
└── ModbusRefusal     the request is answered with a Modbus exception code
"""

from __future__ import annotations


class SimulatorError(Exception):
    """Anything this package raises on purpose."""


class InputError(SimulatorError):
    """The user's input is wrong; the message says what, where and what was expected."""


class RubricError(InputError):
    """The rubric file cannot be used."""


class FaultError(InputError):
    """No such fault, or its text is written wrongly."""


class RigRefuses(SimulatorError):  # noqa: N818 - the rig's answer to its examiner, not a defect
    """The rig does not do this now. The message is what its screen would show."""


class ModbusRefusal(SimulatorError):  # noqa: N818 - an answer of the protocol, not a defect
    """The request is answered with this Modbus exception code."""

    def __init__(self, code: int) -> None:
        super().__init__(f"modbus exception {code}")
        self.code = code
