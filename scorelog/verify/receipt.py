"""Whether one receipt proves one entry: a tlog-proof, the entry's bytes, a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scorelog.format.errors import FormatError
from scorelog.format.evidence import EvidenceItem
from scorelog.format.proof import parse_proof
from scorelog.verify.attempt import verify_item
from scorelog.verify.report import Finding

if TYPE_CHECKING:
    from scorelog.format.policy import Policy


def verify_receipt(entry: bytes, proof: bytes, policy: Policy) -> Finding:
    """The one finding on a receipt."""
    try:
        parsed = parse_proof(proof)
    except FormatError as error:
        return Finding(False, "entry", str(error))
    return verify_item(EvidenceItem(entry, parsed), policy)[0]
