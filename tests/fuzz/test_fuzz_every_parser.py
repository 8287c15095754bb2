"""B9: every function that reads bytes or text from outside is fuzzed, or stands here with the reason why not.

Found by name: what is called parse_*, read_*, decode_*, load_* or unframe_* and is public. A new one without a line
here fails. The targets and their laws: tests/support/fuzz_targets*.py.
"""

from __future__ import annotations

import ast
import re
from functools import cache

from fuzz_targets import all_targets
from tree import ROOT

PACKAGES = ("scorelog", "device_adapters", "gateway", "server", "certs", "simulators")
NAMED = re.compile(r"(parse|read|decode|load|unframe|unbase64)(_|\Z)")

FUZZED = {
    "scorelog/format/canonical.py decode": "canonical",
    "scorelog/format/checkpoint.py parse_checkpoint": "checkpoint",
    "scorelog/format/checkpoint.py parse_checkpoint_body": "checkpoint",
    "scorelog/format/entry.py parse_entry": "entry",
    "scorelog/format/entry_parts.py read_candidate": "entry",
    "scorelog/format/entry_parts.py read_raw": "entry",
    "scorelog/format/entry_parts.py read_time": "entry",
    "scorelog/format/evidence.py parse_evidence": "evidence",
    "scorelog/format/keys.py parse_vkey": "vkey",
    "scorelog/format/note.py parse_note": "note",
    "scorelog/format/note.py parse_signature_lines": "signature-lines",
    "scorelog/format/packed.py decode_packed": "packed-upload",
    "scorelog/format/plan.py parse_plan": "plan",
    "scorelog/format/plan_openings.py parse_openings": "plan-answer",
    "scorelog/format/policy.py parse_policy": "policy",
    "scorelog/format/proof.py parse_proof": "proof",
    "scorelog/format/rubric.py parse_rubric": "rubric",
    "scorelog/format/storedzip.py decode_zip": "zip",
    "scorelog/format/text.py unbase64": "proof",
    "scorelog/format/tiles.py parse_tile_path": "tile-path",
    "scorelog/format/tiles.py unframe_entries": "entry-bundle",
    "scorelog/format/upload.py parse_openings": "upload",
    "scorelog/format/upload.py parse_size_answer": "size-answer",
    "scorelog/format/upload.py parse_upload": "upload",
    "scorelog/format/witness.py parse_add_checkpoint": "add-checkpoint",
    "scorelog/journal/failpoints.py parse": "failpoints",
    "scorelog/journal/identity.py read_identity": "log-identity",
    "scorelog/journal/statefile.py parse_state": "state-file",
    "scorelog/journal/statefile.py read_state": "state-file-read",
    "device_adapters/decoding/decode.py decode_entry_raw": "modbus-record",
    "device_adapters/decoding/decode.py decode_record": "modbus-record",
    "device_adapters/decoding/decode.py decode_status": "modbus-status",
    "device_adapters/language/jsonspans.py read_object": "json-spans",
    "device_adapters/decoding/message.py decode_message": "rig-message",
    "device_adapters/decoding/message.py read_message": "record-message",
    "device_adapters/decoding/message.py read_status": "live-status-message",
    "device_adapters/decoding/plain.py decode_plain": "rig-plain-values",
    "device_adapters/decoding/plain.py read_plain": "rig-plain-values",
    "device_adapters/decoding/sent.py decode_sent": "rig-plain-values",
    "device_adapters/decoding/spark_payload.py read_payload": "spark-payload",
    "device_adapters/decoding/sparkplug.py decode_spark": "spark-data",
    "device_adapters/decoding/sparkplug.py read_birth": "spark-birth",
    "device_adapters/decoding/sparkplug.py read_data": "spark-data",
    "device_adapters/http/signing.py read_signature": "push-signature",
    "device_adapters/language/profile.py load_profile": "profile",
    "device_adapters/language/variants.py read_toml": "profile",
    "gateway/settings/config.py parse_config": "gateway-config",
    "gateway/recording/contentkey.py load_content_key": "content-key",
    "gateway/doctor/answer.py read_answer": "doctor-answer",
    "gateway/plan/answer.py parse_answer": "plan-answer",
    "gateway/rig/accept/bench.py parse_scenario": "bench-scenario",
    "gateway/rig/accept/report.py parse": "acceptance-report",
    "gateway/rig/heard/objects.py ObjectReader.read": "heard-message",
    "gateway/rig/heard/plain.py PlainReader.read": "heard-message",
    "gateway/rig/heard/recording.py parse_message_recording": "message-capture",
    "gateway/rig/heard/spark.py SparkReader.read": "heard-message",
    "gateway/rig/recording.py parse_recording": "rig-capture",
    "gateway/rig/sheet.py read_sheet": "register-table",
    "gateway/recording/spool.py Spool.load": "practice-spool",
    "gateway/sending/transport.py parse_heartbeat_answer": "heartbeat-answer",
    "server/config.py parse_config": "server-config",
    "server/config.py read_config": "server-config-file",
    "server/database/location.py parse_url": "database-url",
    "server/ingest/heartbeat.py read": "heartbeat",
    "server/ingest/mirror.py read_checkpoint": "upload-checkpoint",
    "server/ingest/origins.py parse_origin": "origin",
    "server/live/beat.py read_beat": "heartbeat",
    "server/plan/candidates.py read_candidates": "candidates-csv",
    "server/plan/lists.py read_list": "candidates-csv",
    "server/plan/source.py read_source": "plan-source",
    "server/plan/workbook.py read_workbook": "candidates-xlsx",
    "server/projection/facts.py read_fact": "fact",
    "certs/identity.py parse_gateway_uri": "gateway-uri",
    "certs/keys.py load_ed25519": "log-key",
    "certs/keys.py load_private": "private-key",
    "simulators/commands.py parse_command": "simulator-command",
    "simulators/exam/exam_plan.py load_plan": "simulator-plan",
    "simulators/faults/spec.py parse_fault": "simulator-fault",
    "simulators/layouts/layout.py load_layout": "simulator-model",
    "simulators/layouts/layout.py parse_layout": "simulator-model",
    "simulators/layouts/values.py parse_place": "simulator-place",
    "simulators/talk/model.py load_model": "simulator-talk",
    "simulators/talk/model.py parse_model": "simulator-talk",
    "simulators/talk/saying.py parse_saying": "simulator-saying",
    "simulators/modbus/requests.py read_request": "simulator-request",
    "simulators/mqtt/broker.py parse_broker": "simulator-broker",
    "simulators/mqtt/payloads.py read_ack": "simulator-answers",
    "simulators/mqtt/payloads.py read_ready": "simulator-answers",
    "simulators/mqtt/payloads.py read_resend": "simulator-answers",
    "simulators/scenes/scene.py parse_scene": "simulator-scenario",
    "simulators/push/desk.py parse_desk": "simulator-desk",
    "simulators/device/rubric.py load_rubric": "simulator-rubric",
}
ROWS = "reads rows of the log's own database: tests/unit/scorelog_journal/test_journal_bad_rows.py puts any value there"
OWN = "reads rows that this process wrote; their tamper tests are in tests/unit/server_ingest and tests/faults"
WIRE = "reads a wire whose bytes are fuzzed below it; its faults are in tests/faults/test_modbus_*.py"
EXCUSED = {
    "scorelog/journal/clock.py read_time": "reads a clock",
    "scorelog/journal/medium.py read_through": "keeps nothing of what it reads",
    "scorelog/journal/nodes.py TileEdge.read": ROWS,
    "scorelog/journal/nodes.py read_row": ROWS,
    "scorelog/journal/rows.py read_adoptions": ROWS,
    "scorelog/journal/rows.py read_entries": ROWS,
    "scorelog/journal/rows.py read_key": ROWS,
    "scorelog/journal/rows.py read_lengths": ROWS,
    "scorelog/journal/rows.py read_opening_rows": ROWS,
    "scorelog/journal/rows.py read_openings": ROWS,
    "device_adapters/modbus/bus_wire.py BusWire.read": WIRE,
    "device_adapters/streaming/adapter.py StreamAdapter.read": "gives on what the boxes decoded",
    "device_adapters/latching/latched.py LatchedAdapter.read": WIRE,
    "device_adapters/modbus/pages.py StraightPages.read": WIRE,
    "device_adapters/modbus/pages.py WindowPages.read": "every length and head: tests/unit/adapters/test_windows.py",
    "device_adapters/modbus/tcp.py ModbusWire.read": WIRE,
    "device_adapters/modbus/pdu.py read_body": "writes a request",
    "device_adapters/modbus/quirks.py QuirkyWire.read": WIRE,
    "device_adapters/modbus/reading.py read_record": WIRE,
    "gateway/doctor/rigs.py read_status": WIRE,
    "gateway/settings/config_file.py load": "parse_config over a file",
    "gateway/settings/config_file.py parse": "parse_config, its refusal given a line",
    "gateway/settings/config_file.py read_file": "bytes as they are",
    "gateway/plan/shelf.py Shelf.load": "parse_answer over a file that this process wrote",
    "gateway/reload.py read_setup": "parse_config over a file, and the profiles it names",
    "gateway/rig/accept/bench.py read_scenario": "parse_scenario over a file",
    "gateway/rig/capturing.py TapWire.read": WIRE,
    "gateway/rig/capturing.py parse_read": "an option that the integrator typed; test_rig_capture.py",
    "gateway/rig/crowding.py CrowdedWire.read": WIRE,
    "gateway/rig/heard/reader.py RawReader.read": "decodes nothing",
    "gateway/rig/heard/recording.py read_message_recording": "parse_message_recording over a file",
    "gateway/rig/looking.py read_words": WIRE,
    "gateway/rig/place.py ReadOnlyWire.read": WIRE,
    "gateway/rig/recording.py read_recording": "parse_recording over a file",
    "gateway/recording/texts.py load_texts": "load_profile and parse_rubric over files",
    "server/backup.py read": "an operator's own folder; tests/faults/test_server_operator.py damages it",
    "server/commands.py read_password": "one line that the operator typed",
    "server/importer.py read_body_file": "bytes as they are, bounded",
    "server/keys.py load_keys": "load_ed25519 over files",
    "server/people/i18n.py read_catalogue": "a file of this package",
    "server/plan/sheets.py read_bytes": "bytes as they are, bounded",
    "server/plan/sheets.py read_sittings": "read_list and parse_rubric over files",
    "server/projection/plans.py read_plan": "parse_plan over texts that entries hold",
    "simulators/modbus/requests.py read_reply": "writes a reply",
    "simulators/layouts/panel.py LayoutPanel.read": "reads the simulator's own bits",
    "simulators/layouts/rig.py MakerRig.read_away": "reads nothing: a result was taken",
    "simulators/layouts/registers.py LayoutRegisters.read": "reads the simulator's own registers",
    "simulators/device/registers.py V1Registers.read": "reads the simulator's own registers",
}


@cache
def public() -> frozenset[str]:
    """`file function` or `file Class.method` of everything of such a name; protocols and private classes left out."""
    found = set()
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            where = path.relative_to(ROOT).as_posix()
            for owner, node in _functions(ast.parse(path.read_text("utf-8"))):
                if NAMED.match(node.name) and not owner.startswith("_"):
                    found.add(f"{where} {owner}{node.name}")
    return frozenset(found)


def _functions(tree: ast.Module) -> list[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef)
    found = [("", one) for one in tree.body if isinstance(one, kinds)]
    for holder in tree.body:
        if isinstance(holder, ast.ClassDef) and not any(ast.unparse(base) == "Protocol" for base in holder.bases):
            found += [(f"{holder.name}.", one) for one in holder.body if isinstance(one, kinds)]
    return found


def test_every_parser_is_fuzzed_or_excused() -> None:
    """B9: no parser of outside bytes is forgotten."""
    known = {**FUZZED, **EXCUSED}
    assert {one for one in public() - set(known) if not _takes_no_bytes(one)} == set()


def test_the_list_names_what_there_is() -> None:
    """A line for a function or a target that is gone is taken out."""
    there = public()
    assert set(FUZZED) - there == set()
    assert set(EXCUSED) - there == set()
    assert set(FUZZED.values()) <= set(all_targets())
    assert not set(FUZZED) & set(EXCUSED)
    assert all(len(reason) > 10 for reason in EXCUSED.values())


def _takes_no_bytes(name: str) -> bool:
    """Readers of our own database, by their folders: nothing from outside reaches them unparsed."""
    return re.match(r"server/(database|evidence|projection|matches|ingest/routes|people/)", name) is not None
