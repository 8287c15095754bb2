"""What can go wrong between a rig and an observation.

    AdapterError
    ├── NotConnected   retry: no usable connection; close, back off, connect again (carries the reason)
    ├── BackOff        retry: the rig asks for time; keep the connection and wait `wait_s`
    ├── BadReading     refuse: what came is not to be believed; log `evidence` as reading.refused and read again
    ├── NotProven      refuse: a request that does not prove who sent it; it is answered so and leaves no trace
    ├── DecodeError    refuse: bytes that are not a record of this profile (pure; carries a reason code)
    └── ProfileError   fatal: the profile itself is wrong (carries the linter's findings)

The families are named by what the caller does. `NotConnected` covers cancellation's aftermath too: a connection
on which a request was abandoned is never used again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from device_adapters.language.lint import Finding
    from device_adapters.observation import Evidence, RawArea

REASONS = {
    "wire": "the reply broke the protocol (transaction, unit, function, count, framing), or never came",
    "exception": "the rig answered with a Modbus exception",
    "changed": "two readings of the same words differ",
    "sequence": "the sequence number before or after the data is not the one asked for",
    "crc": "the checksum does not fit the words",
    "length": "the length word, or the number of words, does not fit the record",
    "constant": "a word that is always the same is not (magic, version, slots)",
    "serial": "the words carry the serial number of another rig",
    "type": "a record type that the profile does not name",
    "code": "a code that the profile does not name",
    "range": "a number outside its limits",
    "inexact": "a float that is no whole number of hundredths",
    "text": "text with bytes that its coding does not have",
    "sum": "numbers that cannot all be true together",
    "pair": "event and result contradict each other",
    "area": "a word lies outside the bytes at hand",
    "not_utf8": "a message that is not UTF-8",
    "not_json": "a message that is not one JSON object",
    "duplicate_key": "a message with the same key twice in one object",
    "not_integer": "a message with a fraction or an exponent",
    "oversize": "a message with more bytes, levels or unknown values than the interface allows",
    "retained": "a record that the broker had retained",
    "missing_field": "a message without a value that it must have",
    "wrong_kind": "a value of another kind than the interface says (a text for a number)",
}


class AdapterError(Exception):
    """Root of this package's errors."""


class NotConnected(AdapterError):  # noqa: N818  (the contract's name: a state, told to the caller)
    """No usable connection to the rig: silence, refusal, reset, or a reply after which the socket is not trusted.

    `held_s`: nobody was asked, and for so long nobody will be: the line is left to others.
    """

    def __init__(self, reason: str, held_s: float = 0.0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.held_s = held_s


class BackOff(AdapterError):  # noqa: N818  (the contract's name: what to do)
    """The rig answered that it is busy; nothing is wrong with the connection."""

    def __init__(self, wait_s: float, reason: str = "busy") -> None:
        super().__init__(f"{reason}; wait {wait_s:g} s")
        self.wait_s = wait_s
        self.reason = reason


class BadReading(AdapterError):  # noqa: N818  (the contract's name)
    """A reading that failed its checks three times. It was not patched, and the record is tried again."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(f"{evidence.reason}: {evidence.detail}")
        self.evidence = evidence


class NotProven(AdapterError):  # noqa: N818  (a state of the request, told to who sent it)
    """A pushed request that may be anybody's. `reason`: a word of docs/rig-interface-v1-http.md; holds no secret."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class DecodeError(AdapterError):
    """Bytes that are not what the profile says; `reason` is a key of REASONS. Never holds a personal value."""

    def __init__(self, reason: str, detail: str, raw: tuple[RawArea, ...] = ()) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail
        self.raw = raw


class ProfileError(AdapterError):
    """A profile that the linter refuses."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__("; ".join(str(finding) for finding in findings))
        self.findings = findings
