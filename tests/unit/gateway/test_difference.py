"""What a changed configuration changes, and on which line a wrong one is wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fake_server_client import FakeServer
from gateway_world import config_text
from hypothesis import given
from hypothesis import settings as bounded
from hypothesis import strategies as st

from gateway.errors import ConfigError
from gateway.settings.config import Config, parse_config
from gateway.settings.config_file import line_of, parse
from gateway.settings.difference import Difference, difference, refuse_fixed

SERVER = FakeServer()
HEAD = config_text([], SERVER)
BASE = Path("/box")


def settings(rigs: dict[str, tuple[str, str, int]], buses: dict[str, int], brokers: dict[str, int]) -> Config:
    """Rigs by serial: what it hangs on ("" its own address), its profile, a number that is its own."""
    parts = [HEAD]
    parts += [f'[[bus]]\nid = "{name}"\nkind = "tcp"\nhost = "{name}"\nport = {port}\n' for name, port in buses.items()]
    parts += [f'[[broker]]\nid = "{name}"\nhost = "mq"\nport = {port}\n' for name, port in brokers.items()]
    for place, (serial, (on, profile, number)) in enumerate(rigs.items()):
        where = f'host = "192.0.2.9"\nport = {number + 1}\n'
        if on in buses:
            where = f'bus = "{on}"\nunit = {place + 1}\n'
        elif on in brokers:
            where = f'broker = "{on}"\n'
        parts.append(f'[[rig]]\nserial = "{serial}"\nstation = "S-{serial}"\nprofile = "{profile}"\n{where}')
    return parse_config("".join(parts).encode(), BASE)


SERIALS, PROFILES = ("A", "B", "C", "D"), ("p", "q")
SETUPS = st.builds(
    lambda rigs, buses, brokers, hashes: (settings(rigs, buses, brokers), hashes),
    st.dictionaries(
        st.sampled_from(SERIALS),
        st.tuples(st.sampled_from(("", "bus-1", "bus-2", "mq-1")), st.sampled_from(PROFILES), st.integers(0, 1)),
    ),
    st.dictionaries(st.sampled_from(("bus-1", "bus-2")), st.sampled_from((502, 503))),
    st.dictionaries(st.just("mq-1"), st.sampled_from((1883, 8883))),
    st.fixed_dictionaries({name: st.sampled_from(("11", "22")) for name in PROFILES}),
)


def kept(old: Config, new: Config, found: Difference) -> set[str]:
    return {rig.serial for rig in old.rigs} & {rig.serial for rig in new.rigs} - found.changed


@bounded(max_examples=60)
@given(SETUPS, SETUPS)
def test_every_rig_is_in_one_part_and_what_is_kept_is_the_same(
    one: tuple[Config, dict[str, str]], other: tuple[Config, dict[str, str]]
) -> None:
    """P8: nothing is forgotten, nothing that is the same is touched, and nothing that is not the same is left alone."""
    (old, old_hashes), (new, new_hashes) = one, other
    found = difference(old, old_hashes, new, new_hashes)
    before, after = {rig.serial: rig for rig in old.rigs}, {rig.serial: rig for rig in new.rigs}
    assert found.removed == before.keys() - after.keys()
    assert found.added == after.keys() - before.keys()
    assert found.changed <= before.keys() & after.keys()
    for serial in before.keys() & after.keys():
        was, now = before[serial], after[serial]
        same = replace(was, profile="") == replace(now, profile="")
        same = same and old_hashes[was.profile] == new_hashes[now.profile]
        if serial in found.changed:
            assert not same or was.bus in found.buses or was.broker in found.brokers
            continue
        assert same
        assert {bus.id: bus for bus in old.buses}.get(was.bus) == {bus.id: bus for bus in new.buses}.get(now.bus)
        assert was.broker not in found.brokers
    assert all(bus in {each.id for each in old.buses} for bus in found.buses)
    back = difference(new, new_hashes, old, old_hashes)
    assert (back.added, back.removed, back.changed) == (found.removed, found.added, found.changed)


@bounded(max_examples=20)
@given(SETUPS)
def test_the_same_configuration_changes_nothing(one: tuple[Config, dict[str, str]]) -> None:
    """P8: a reload of what is in use touches no rig."""
    found = difference(*one, *one)
    assert not (found.begun | found.ended | found.buses | found.brokers)


def test_what_a_running_process_cannot_change_is_refused_by_its_name() -> None:
    """The log, its keys and its server are those of the process; nothing of them is changed in passing."""
    old = settings({}, {}, {})
    for before, after, name in (
        ('id = "gw-01"', 'id = "gw-02"', "[gateway] id"),
        ('data = "data"', 'data = "elsewhere"', "[gateway] data"),
        ("heartbeat_s = 1", "heartbeat_s = 2", "[limits]"),
        ('cert = "tls/cert.pem"', 'cert = "other.pem"', "[server]"),
        ("127.0.0.1:0", "127.0.0.1:9999", "[local] listen"),
    ):
        assert before in HEAD
        with pytest.raises(ConfigError, match=r"started again") as told:
            refuse_fixed(old, parse_config(HEAD.replace(before, after).encode(), BASE))
        assert name in str(told.value)
    refuse_fixed(old, settings({"A": ("", "p", 1)}, {"bus-1": 502}, {"mq-1": 1883}))


RIG = '[[rig]]\nserial = "{}"\nstation = "{}"\nprofile = "p"\nhost = "h"\n'


@pytest.mark.parametrize(
    ("tail", "line"),
    [
        (RIG.format("A", "S-1") + "port = 0\n", 6),
        (RIG.format("A", "S-1") + RIG.format("A", "S-2"), 7),
        (RIG.format("A", "S-1") + 'colour = "red"\n', 6),
        ('[[rig]]\nserial = "A"\nstation = "S-1"\nhost = "h"\n', 1),
        ('[[bus]]\nid = "b"\nkind = "tcp"\nhost = "h"\nport = 502\necho = true\n', 6),
        ('[[bus]]\nid = "b"\nkind = "token-ring"\n', 3),
        ('[[broker]]\nid = "m"\nhost = "h"\nprotocol = "4"\n', 4),
        (RIG.format("A", "S-1").replace('host = "h"', 'bus = "none"'), 5),
        ('[[bus]]\nid = "b"\nkind = "tcp"\nhost = "h"\nport = 502\n'
         + "".join(RIG.format(s, s).replace('host = "h"', 'bus = "b"\nunit = 3') for s in "AB"), 13),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_told_with_its_line(tail: str, line: int) -> None:
    """Where, what, what to do: the line of the key, or of its table where the key is missing."""
    above = HEAD.count("\n")
    with pytest.raises(ConfigError) as told:
        parse(BASE / "gateway.toml", (HEAD + tail).encode())
    assert str(told.value).startswith(f"/box/gateway.toml: line {above + line}: [["), str(told.value)


@bounded(max_examples=60)
@given(st.text(), st.binary(max_size=60))
def test_no_complaint_and_no_file_breaks_the_search_for_a_line(complaint: str, data: bytes) -> None:
    """A complaint is never lost for want of its line."""
    line_of("[[rig]] " + complaint, data)
    line_of("[" + complaint, data)
