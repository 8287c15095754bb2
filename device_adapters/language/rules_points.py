"""Points of an entry: each needs a scale to hundredths and an upper limit, at the field or at the entry that uses it.

Owns: this rule, and at which of the two places a finding of it stands: where it is to be changed. It is asked also of
a profile in which something else is wrong, so that one pass names everything. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from device_adapters.limits import SCORE_MAX

if TYPE_CHECKING:
    from device_adapters.language.profile import Output, Profile, Record
    from device_adapters.language.tables import Report
    from device_adapters.language.toml_lines import Path

POINTS = frozenset({"score", "points", "claimed_total"})
_OTHER = frozenset({"", "lines", "fixed"})  # its points have a rule of their own, or a finding


def check_points(profile: Profile, report: Report) -> None:
    """All entries. A record or field that is not there has a finding of its own."""
    for rule in profile.rules.values() if profile.message is None else ():
        for output in rule.fields:
            record = profile.records.get(output.record)
            if record is None:
                continue
            if output.kind == "rows":
                _check_rows(record, report)
            elif output.kind not in _OTHER and output.name in POINTS:
                _check_output(record, output, ("entries", rule.name, "fields", output.name), report)


def _check_output(record: Record, output: Output, path: Path, report: Report) -> None:
    """An entry that says one of the two itself says the other, too: its field may be used by several entries."""
    field = record.fields[output.source]
    own = output.hundredths is not None or output.high is not None
    scale = output.hundredths if output.hundredths is not None else field.hundredths
    high = output.high if output.high is not None else field.high
    _check(scale, high, path if own else ("records", record.name, "fields", field.name), report)


def _check_rows(record: Record, report: Report) -> None:
    repeat = record.repeat
    for field in repeat.fields.values() if repeat is not None else ():
        if field.name in POINTS:
            _check(field.hundredths, field.high, ("records", record.name, "repeat", "fields", field.name), report)


def _check(scale: int | None, high: int | None, path: Path, report: Report) -> None:
    if scale is None:
        report.add(path, "points need a scale to hundredths")
    if high is None or high > SCORE_MAX:
        report.add(path, f"points need a max of at most {SCORE_MAX}")
