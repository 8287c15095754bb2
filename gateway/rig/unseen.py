"""What a rig never showed while somebody looked: codes, kinds of entries, a veto, a high score. It is not proven there.

Owns: what could be shown, by the profile. Numbers and names of codes only, nothing of a candidate (P7). Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.doctor.report import Finding, warn

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from device_adapters.decoding.decode import Decoded
    from device_adapters.language.profile import EntryRule, Profile

    Shown = tuple[str, str]  # what, and which of its values

RESULT: Final = "item.finished"
VETO: Final = "veto_lines"
_ABOVE_0: Final = "> 0"
_LIVE: Final = ("state", "mode")
_NAMED: Final = ("outcome", "verdict", "reason", "ack")


def unseen(profile: Profile, shown: Iterable[Shown]) -> str:
    """`outcome: timeout, veto; state: fault`; empty when everything that the profile names was seen."""
    found = set(shown)
    missing = {
        what: [value for value in values if (what, value) not in found] for what, values in _expected(profile).items()
    }
    return "; ".join(f"{what}: {', '.join(values)}" for what, values in missing.items() if values)


def shown_by(made: Iterable[Decoded]) -> Iterator[Shown]:
    """What these entries prove."""
    for entry in made:
        yield "entries", entry.type
        yield from ((name, str(entry.fields[name])) for name in _NAMED if name in entry.fields)
        lines = entry.fields.get(VETO)
        if isinstance(lines, int) and lines > 0:
            yield VETO, _ABOVE_0


def not_proven(profile: Profile, live: Iterable[Shown], made: Sequence[Decoded]) -> list[Finding]:
    """For `rig check`. Says nothing where no entry was seen at all: that is told already."""
    told = unseen(profile, [*live, *shown_by(made)]) if made else ""
    findings = [] if not told else [warn("never seen", f"{told}: not proven at this bench.", f"{told}：本台未验证。")]
    most = _low(profile, made)
    if most:
        findings.append(
            warn(
                "scores",
                f"all so low (at most {most}) that a scale ten times larger would fit, too: do one with a high score.",
                f"均过低（最高 {most}），倍率放大 10 倍也不越界：请做一条高分成绩。",
            )
        )
    return findings


def _expected(profile: Profile) -> Mapping[str, Sequence[str]]:
    found: dict[str, dict[str, None]] = {}
    for name in _LIVE:
        field = profile.status.fields.get(name)
        found[name] = dict.fromkeys(field.codes.values() if field is not None and field.codes is not None else ())
    for rule in profile.rules.values():
        found.setdefault("entries", {})[rule.type] = None
        for what, value in _of_rule(profile, rule):
            found.setdefault(what, {})[value] = None
    return {what: list(values) for what, values in found.items()}


def _of_rule(profile: Profile, rule: EntryRule) -> Iterator[Shown]:
    for output in rule.fields:
        if output.name == VETO and output.kind != "fixed":
            yield VETO, _ABOVE_0
        if output.name in _NAMED and output.source:
            codes = output.codes or profile.records[output.record].fields[output.source].codes or {}
            yield from ((output.name, value) for value in codes.values())


def _low(profile: Profile, made: Sequence[Decoded]) -> str:
    """The highest score, if ten times as much would be within every limit; empty without one."""
    scores = [score for entry in made if entry.type == RESULT and isinstance(score := entry.fields.get("score"), int)]
    highs = []
    for rule in profile.rules.values():
        for output in rule.fields:
            if rule.type == RESULT and output.name == "score" and output.source:
                field = profile.records[output.record].fields[output.source]
                highs.append(output.high if output.high is not None else field.high)
    limit = min((high for high in highs if high is not None), default=0)
    return f"{max(scores) / 100:.2f}" if scores and max(scores) * 10 <= limit else ""
