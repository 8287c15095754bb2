"""What the commands do, as functions: settings in, values out. Printing and exit codes are cli.py's."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, Any

from certs.contexts import gateway_client_context
from certs.identity import gateway_identity
from gateway import limits
from gateway.errors import ConfigError, GatewayError, NoReceiptYet, ReceiptRefused, Refuse
from gateway.identity import first_certificate, mirror_verifier
from gateway.lifecycle import refuse_untellable
from gateway.plan.shelf import Shelf
from gateway.push.identity import identities
from gateway.recording.contentkey import load_content_key
from gateway.recording.opening import signer_of
from gateway.recording.readonly import open_generation, open_read_only
from gateway.recording.texts import load_texts
from gateway.reload import read_setup
from gateway.run import run_file, still_runs
from gateway.sending import carriage
from gateway.supervising.brokers import account
from scorelog.format.checkpoint import parse_checkpoint
from scorelog.format.errors import FormatError
from scorelog.journal.clock import SystemClock
from scorelog.journal.errors import LogRefused
from scorelog.journal.sqlite import open_log

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.settings.config import Config
    from scorelog.format.keys import CosignatureVerifier
    from scorelog.format.plan import Plan

_ASK_S = 3.0
_RELOAD_S = 30.0
_LOOK_S = 0.1


def check(config: Config) -> None:
    """Everything that can be wrong before a rig is asked. Raises ConfigError or CertsError with the reason."""
    refuse_untellable(config, load_texts(config))
    for broker in config.brokers:
        account(broker, config.gateway_id)
    identities(config)
    mirror_of(config)
    server = config.server
    gateway_client_context(server.cert, server.key, server.ca, pin=server.pin)
    identity = gateway_identity(ssl.PEM_cert_to_DER_cert(first_certificate(server.cert)))
    if identity.origin_base != config.origin_base:
        raise ConfigError(f"{server.cert} speaks for {identity.origin_base}, this gateway is {config.origin_base}")
    if config.log_key.exists():
        signer_of(config)
    if config.content_key.exists() or config.log_directory.exists():
        load_content_key(config.content_key)


def mirror_of(config: Config) -> CosignatureVerifier:
    """The key of the receipts. Raises ConfigError."""
    try:
        return mirror_verifier(config.server.mirror_vkey)
    except (FormatError, TypeError) as error:
        raise ConfigError(f"[server] mirror_vkey: {error}") from None


def status_document(config: Config) -> dict[str, Any]:
    """The running process's own word, or what the log says."""
    answer = _ask(config, "/status")
    if answer is not None:
        document: dict[str, Any] = json.loads(answer)
        return document
    with open_read_only(config.log_directory) as log:
        return {
            "running": False,
            "origin": log.origin,
            "size": log.size,
            "receipted": log.receipted_size,
            "unsent": log.size - log.receipted_size,
            "rigs": [],
        }


def reload(config_file: Path) -> str:
    """What became of it. The file is checked here first, then the running process does it again and tells."""
    config = read_setup(config_file).config
    before = _ask(config, "/status")
    if before is None or not still_runs(config.data):
        raise Refuse("no gateway runs with this configuration's data; `run` will read it")
    tried = json.loads(before)["configuration"]["tried"]
    os.kill(int(json.loads(run_file(config.data).read_bytes())["pid"]), signal.SIGHUP)
    until = time.monotonic() + _RELOAD_S
    while time.monotonic() < until:
        told = json.loads(_ask(config, "/status") or b"{}").get("configuration", {"tried": tried})
        if told["tried"] > tried:
            if told["refused"]:
                raise ConfigError(f"the running gateway goes on with what it has: {told['refused']}")
            return f"in use: {len(config.rigs)} rigs, {config.sha256}"
        if not still_runs(config.data):
            raise Refuse("the gateway has ended meanwhile; its log says why, and its next start reads the new file")
        time.sleep(_LOOK_S)
    raise Refuse(f"the running gateway has not answered for {_RELOAD_S:.0f} s; its log says why")


def status_text(document: dict[str, Any]) -> str:
    """For a terminal."""
    lines = [
        f"{document['origin']}  {'running' if document['running'] else 'NOT RUNNING'}",
        f"entries {document['size']}, confirmed {document['receipted']}, unsent {document['unsent']}"
        + _age(document.get("oldest_unsent_ms")),
    ]
    lines += [f"{label}: {document[key]}" for key, label in _TROUBLES.items() if document.get(key)]
    if document.get("accepts_exams") is False:
        lines.append("NO NEW EXAM can be recorded")
    lines += [
        f"broker {one['id']}: offline, {one['reason'].removeprefix('broker: ')}"
        for one in document.get("brokers", [])
        if not one["online"]
    ]
    lines += [
        f"bus {one['id']}: {one['waiting']} waiting, turn {one['turn_ms']:.0f} ms, {one['silent']} silent, "
        f"{one['odd']} odd, {one['strays']} strays" + (f", {one['held']} units left alone" if one["held"] else "")
        for one in document.get("buses", [])
    ]
    lines += [
        f"push {one['id']}: not listening, {one['reason']}"
        for one in document.get("pushes", [])
        if not one["listening"]
    ]
    lines += _plan_lines(document)
    lines += [_rig_line(rig) for rig in document["rigs"]]
    return "\n".join(lines)


_TROUBLES = {"trouble": "TROUBLE", "upload_trouble": "upload delayed", "plan_refused": "plan not taken"}


def _plan_lines(document: dict[str, Any]) -> list[str]:
    plan = document.get("plan")
    if not plan:
        return []
    opened = [one["id"] for one in document["sessions"] if one["open"]]
    return [f"plan {plan['point']} version {plan['version']}, sessions open: {', '.join(opened) or 'none'}"]


def kept_plan(config: Config) -> Plan:
    """The plan on this box's disk, its public text. Raises Refuse."""
    plan = Shelf(config.data / "plan").public()
    if plan is None:
        raise Refuse("this box has no plan yet: it fetches one as soon as the server names this gateway in one")
    return plan


def _age(milliseconds: int | None) -> str:
    return "" if milliseconds is None else f" (the oldest for {milliseconds / 1000:.1f} s)"


def _rig_line(rig: dict[str, Any]) -> str:
    item = f"{rig['item']} {rig['elapsed_s']}/{rig['limit_s']} s" if rig["item"] else ""
    rarely = " (asked rarely)" if rig.get("breaker", "closed") != "closed" else ""
    live = f"{item}{rig.get('reason', '')}{rarely}"
    return f"  {rig['station']:12} {rig['rig']:16} {rig['state']:9} {live}{_stored(rig, '; ' if live else '')}".rstrip()


def _stored(rig: dict[str, Any], between: str) -> str:
    """Whether the item that was just done is counted: a result is counted when it is in the log."""
    if rig.get("stored_seq") is None:
        return ""
    return f"{between}stored to no. {rig['stored_seq']}, {rig['results']} results since start"


def receipt_of(config: Config, index: int) -> tuple[bytes, bytes]:
    """(entry, tlog-proof). Raises NoReceiptYet."""
    with open_read_only(config.log_directory) as log:
        if index >= log.size:
            raise Refuse(f"entry {index}: the log {log.origin} has {log.size} entries")
        proof = log.proof(index)
        if proof is None:
            raise NoReceiptYet(
                f"entry {index}: stored here, not yet confirmed (the receipts cover {log.receipted_size})"
            )
        return log.entries(index, index + 1)[0], proof.encode()


def export(config: Config, directory: Path, generation: int | None = None, start: int = 0) -> list[Path]:
    """The files made: of what has no receipt yet, or of what a given generation has receipts for, from `start` on."""
    if generation is not None:
        with open_generation(config.log_directory, generation) as log:
            return carriage.export_receipted(log, start, directory)
    with open_read_only(config.log_directory) as log:
        return carriage.export(log, directory)


def import_receipt(config: Config, data: bytes) -> int:
    """The size that is confirmed now. A running process takes it in itself, since it holds the log."""
    if len(data) > limits.ANSWER_BYTES_MAX:
        raise ReceiptRefused("no receipt: `kaofen-server import` writes it beside the upload, as FILE.receipt")
    answer = _ask(config, "/receipt", data)
    if answer is not None:
        size: int = json.loads(answer)["size"]
        return size
    with open_read_only(config.log_directory) as log:
        waiting = [row.note for row in log.checkpoints_above(log.receipted_size)]
    note = carriage.receipt_in(data, waiting, mirror_verifier(config.server.mirror_vkey))
    asyncio.run(_keep(config, note))
    return parse_checkpoint(note)[0].size


async def _keep(config: Config, note: bytes) -> None:
    log = open_log(config.log_directory, signer_of(config), SystemClock(), config.state_file)
    try:
        await log.save_receipt(note)
    except LogRefused as error:
        raise ReceiptRefused(str(error)) from None
    finally:
        await log.close()


def _ask(config: Config, path: str, body: bytes | None = None) -> bytes | None:
    """The running process's answer, None when none runs. Loopback only, whatever the environment says of proxies."""
    host, port = config.listen
    if port == 0:
        try:
            port = int(json.loads(run_file(config.data).read_bytes())["port"])
        except (FileNotFoundError, ValueError, KeyError):
            return None
    url = f"http://{f'[{host}]' if ':' in host else host}:{port}{path}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(url, data=body), timeout=_ASK_S) as response:
            answer: bytes = response.read(1 << 20)
            return answer
    except urllib.error.HTTPError as error:
        raise ReceiptRefused(error.read(1 << 16).decode(errors="replace").strip()) from None
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        if still_runs(config.data):
            raise GatewayError(f"a gateway seems to run and does not answer on {url}: {error}") from None
        return None
