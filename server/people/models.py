"""The shapes of the JSON API. Times are RFC 3339 UTC, scores hundredths of a point, exact totals millionths."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from server.people import limits

Verdict = Literal["equal", "mismatch", "impossible", "none"]


class Model(BaseModel):
    """Strict both ways."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class Problem(Model):
    """RFC 9457."""

    type: str
    title: str
    status: int
    detail: str


class Deduction(Model):
    """Points taken off one rubric line."""

    line: int
    points: int
    at_s: int | None = None
    veto: bool = False


class Difference(Model):
    """Where the server's recomputation and the entry or the rig's claim disagree (P4)."""

    what: str
    claimed: Any
    recomputed: Any


class Item(Model):
    """One finished exam item: an `item.finished` entry, decoded and scored again."""

    cursor: str = Field(description="give it as `after` to go on behind this item")
    origin: str
    origin_hash: str
    index: int
    gateway: str
    rig: str
    station: str | None
    attempt: str | None
    ticket: str | None = Field(description="the admission ticket; null after erasure")
    exam_no: int | None
    item: str
    ordinal: int
    mode: str
    outcome: str
    score_claimed: int | None = Field(description="hundredths, as the rig claims")
    score_recomputed: int | None = Field(description="hundredths, as this server computes from the raw words")
    verdict: Verdict
    differences: list[Difference]
    notes: list[str]
    deductions: list[Deduction]
    veto_effect: str | None
    elapsed_s: int | None
    limit_s: int | None
    started: str | None
    finished: str | None
    read_at: str | None
    received_at: str
    receipted: bool = Field(description="covered by the mirror's cosignature")
    cosigned_at: str | None = Field(description="time of the newest cosignature that covers it")
    guarantee: str | None
    source: str | None
    rubric: str | None
    session: str | None = Field(default=None, description="of the plan, as the gateway bound it")
    binding: str | None = Field(default=None, description="who said so: rig, tablet, plan, none")


class Items(Model):
    """A page of items in the order of arrival; `next` is null at the end (ask again later with the last cursor)."""

    items: list[Item]
    next: str | None


class Attempt(Model):
    """One candidate's practical exam, composed over rigs and gateways."""

    attempt: str
    ticket: str | None
    rigs: list[str]
    stations: list[str]
    state: Literal["open", "finished", "aborted"]
    try_no: int | None
    identity: str | None
    ack: str | None
    abort_reason: str | None
    item_count: int
    rubric: str | None
    pass_mark: int | None
    claimed_total: int | None
    total_e6: int | None
    total: str | None = Field(description="rounded half up to two places, for display")
    complete: bool
    failed_by_veto: bool
    passed: bool | None
    verdict: Verdict
    notes: list[str]
    first_at: str
    last_at: str
    session: str | None = Field(default=None, description="of the plan that counts; null: staged or matched elsewhere")
    point: str | None = None
    plan: str | None = Field(default=None, description="SHA-256 of the plan's text")
    planned: list[dict[str, Any]] = Field(default=[], description="item and place, in order")
    runs: list[dict[str, Any]] = Field(default=[], description="every end of an item; `why`: why it does not count")
    staged: bool = False
    matched_to: str | None = Field(default=None, description="the planned attempt that has these records")
    matches: list[dict[str, Any]] = Field(default=[], description="matches that brought records here")


class Attempts(Model):
    """A page of attempts, newest entry first."""

    attempts: list[Attempt]
    next: str | None


class Search(Model):
    """What to look for among the attempts; `before` as the last answer's `next`."""

    search: str = Field(default="", max_length=limits.SEARCH_MAX)
    state: str = Field(default="", pattern="^(open|passed|failed|aborted|mismatch)?$")
    before: str = Field(default="", pattern=r"^(\d{1,18}-[0-9a-f]{32})?$")
    limit: int = Field(default=limits.PAGE_DEFAULT, ge=1, le=limits.PAGE_MAX)


class TimelineEntry(Model):
    """One entry of an attempt."""

    origin: str
    origin_hash: str
    index: int
    type: str
    rig: str | None
    station: str | None
    rig_time: str | None
    read_at: str | None
    received_at: str
    receipted: bool
    fields: dict[str, Any]
    flags: list[str]


class AttemptDetail(Model):
    """An attempt with its items and all its entries."""

    attempt: Attempt
    items: list[Item]
    entries: list[TimelineEntry]


class AlertModel(Model):
    """Something that a person should see."""

    id: str
    kind: str
    severity: str
    at: str
    origin: str | None
    index: int | None
    rig: str | None
    attempt: str | None
    detail: dict[str, Any]
    times: int
    over: bool = Field(description="it has ended by itself, as far as this server knows")
    acknowledged_by: str | None
    acknowledged_at: str | None
    acknowledged_note: str | None


class Alerts(Model):
    """Newest first."""

    alerts: list[AlertModel]


class Acknowledge(Model):
    """What the person who has seen the alert says about it."""

    note: str = Field(default="", max_length=500)


class Rows(Model):
    """Rows of the live board, as the live page gets them."""

    rows: list[dict[str, Any]]


class Live(Model):
    """The live page's whole state; `id` is the event id from which /live/events goes on."""

    id: str
    now_ms: int
    rigs: list[dict[str, Any]]
    gateways: list[dict[str, Any]]
    scores: list[dict[str, Any]]
    alerts: dict[str, Any]


class Log(Model):
    """One log of a gateway, as this server mirrors it."""

    origin: str
    origin_hash: str
    generation: int
    size: int
    cosigned_size: int
    cosigned_at: str | None
    frozen: str | None


class GatewayModel(Model):
    """An enrolled gateway with its logs and what it says of itself (unproven, null before its first heartbeat)."""

    id: str
    status: str
    logs: list[Log]
    live: dict[str, Any] | None


class Gateways(Model):
    """By id."""

    gateways: list[GatewayModel]
