// The live board: one snapshot and the plans' places, then changes by server-sent events. Rows are keyed; a row is
// painted at once when it has been quiet and at most three times a second when it is busy. Nothing is polled.
//     snapshot, events ─▶ rows ─▶ tiles (tiles.js), each at its place: point ─ room ─ station, or where no plan has it
"use strict";
(() => {
  const PAINT_MS = 330, STALE_MS = 12000, SHOWN_SCORES = 14, ASK_MS = 150, ASK_MAX = 200;
  const wall = $("[data-wall]"), unplanned = $("[data-rigs]"), gateways = $("[data-gateways]"), scores = $("[data-scores]");
  const { scope } = words;

  const rows = new Map();      // key -> newest row
  const nodes = new Map();     // key -> element
  const painted = new Map();   // key -> when it was painted last
  const waiting = new Map();   // key -> timer of the next paint
  const spots = new Map();     // key of a planned rig -> where the plan has it
  const serials = new Map();   // serial -> key of the planned rig
  const people = new Map();    // attempt -> who sits it, null while or when nobody can say
  let skew = 0, heard = 0, source = null, retry = 0, asking = 0, rooms = [];
  const now = () => Date.now() + skew;

  // -- places ---------------------------------------------------------------------------------------------------------

  function build(list) {
    const sections = [];
    spots.clear();
    serials.clear();
    rooms = [];
    for (const point of list) {
      if (scope.point && point.id !== scope.point) continue;
      const section = made("point"), f = section.fields;
      section.dataset.point = point.id;
      f.link.textContent = named(point.name);
      f.link.href = `/points/${encodeURIComponent(point.id)}`;
      f.plan.textContent = point.version == null ? `⚠ ${say("damaged_plan")}` : say("plan_n", { n: point.version });
      f.sessions.replaceChildren(...point.sessions.filter((one) => one.closes_ms + 3600e3 > now()).slice(0, 3).map((one) => session(point, one)));
      for (const room of point.rooms) if (!scope.room || room.id === scope.room) f.rooms.append(roomOf(point, room));
      sections.push(section);
    }
    for (const old of wall.querySelectorAll("[data-point]")) old.remove();
    wall.prepend(...sections);
    for (const [key, row] of rows) if (key.startsWith("rig/") && row.unheard) { rows.delete(key); nodes.get(key)?.remove(); nodes.delete(key); }
    for (const [key, spot] of spots) if (!rows.has(key)) rows.set(key, silence(key, spot));
    for (const key of rows.keys()) if (key.startsWith("rig/")) paint(key);
    count();
  }
  function session(point, one) {
    const link = document.createElement("a");
    link.href = `/sessions/${encodeURIComponent(point.id)}/${encodeURIComponent(one.id)}`;
    link.textContent = `${one.id} ${china(one.opens_ms).slice(0, 5)}–${china(one.closes_ms).slice(0, 5)} · ${say("people_n", { n: one.candidates })}`;
    if (one.opens_ms <= now() && now() < one.closes_ms) link.className = "session-open";
    return link;
  }
  function roomOf(point, room) {
    const section = made("room"), f = section.fields, keys = [];
    section.dataset.room = room.id;
    f.link.textContent = named(room.name);
    f.link.href = `/points/${encodeURIComponent(point.id)}/rooms/${encodeURIComponent(room.id)}`;
    room.stations.forEach((station, place) => {
      for (const rig of station.rigs) {
        const key = `rig/${rig.gateway}/${rig.rig}`;
        spots.set(key, { ...rig, station: station.id, order: `${String(place).padStart(5, "0")}\u0000${rig.rig}`, into: f.rigs });
        serials.set(rig.rig, key);
        keys.push(key);
      }
    });
    rooms.push({ counts: f.counts, keys });
    return section;
  }
  // A planned rig of which nobody has said anything yet.
  function silence(key, spot) {
    return { key, rig: spot.rig, gateway: spot.gateway, station: spot.station, state: "unknown", mode: "exam", unheard: true,
      deductions: [], deduction_count: 0, done: [], proof: "live", attempt: null, unreadable: null };
  }
  const inScope = (key) => !scope.point || spots.has(key);
  function place(el, parent, order) {
    el.dataset.order = order;
    if (el.parentNode === parent && el.dataset.placed === order) return;
    el.dataset.placed = order;
    const next = [...parent.children].find((one) => one !== el && one.dataset.order !== undefined && one.dataset.order > order);
    if (el.parentNode !== parent || el.nextElementSibling !== (next ?? null)) parent.insertBefore(el, next ?? null);
  }

  // -- painting -------------------------------------------------------------------------------------------------------

  function node(key, template) {
    if (!nodes.has(key)) {
      const el = made(template);
      el.dataset.key = key;
      nodes.set(key, el);
    }
    return nodes.get(key);
  }
  function drop(key) {
    nodes.get(key)?.remove();
    nodes.delete(key);
    rows.delete(key);
  }
  function paintRig(key, row) {
    const spot = spots.get(key), el = node(key, "rig");
    const owner = spot ? null : spots.get(serials.get(row.rig))?.gateway;
    Tiles.rig(el, row, { spot, owner, who: people.get(row.attempt), gateway: rows.get(`gateway/${row.gateway}`), now: now() });
    place(el, spot?.into ?? unplanned, spot?.order ?? `${row.station ?? "~"}\u0000${row.rig}`);
    if (words.names && row.attempt && !people.has(row.attempt)) ask(row.attempt);
    count();
  }
  function paintGateway(key, row) {
    if (row.gone) { drop(key); return; }
    if (scope.point && ![...spots.values()].some((one) => one.gateway === row.gateway)) return;
    const el = node(key, "gateway");
    Tiles.gateway(el, row, now());
    place(el, gateways, row.gateway);
    for (const [other, rig] of rows) {
      if (other.startsWith("rig/") && rig.gateway === row.gateway && nodes.has(other)) {
        set(nodes.get(other).fields.lag, row.catching_up ? say("left", { n: row.unsent }) : "");
      }
    }
  }
  function paintScore(key, row) {
    const el = node(key, "score");
    Tiles.latest(el, row);
    if (!el.parentNode) scores.append(el);
    // Only what stands wrong is moved: a moved row would announce itself again.
    const sorted = [...scores.children].sort((a, b) => b.dataset.number - a.dataset.number);
    sorted.forEach((one, at) => { if (scores.children[at] !== one) scores.insertBefore(one, scores.children[at]); });
    sorted.forEach((one, at) => { one.hidden = at >= SHOWN_SCORES; });
    $("[data-no-scores]").hidden = sorted.length > 0;
  }
  function paint(key) {
    waiting.delete(key);
    painted.set(key, performance.now());
    const row = rows.get(key);
    if (!row) return;
    if (key.startsWith("rig/")) { if (inScope(key)) paintRig(key, row); }
    else if (key.startsWith("gateway/")) paintGateway(key, row);
    else if (key.startsWith("score/")) { if (inScope(`rig/${row.gateway}/${row.rig}`)) paintScore(key, row); }
    else if (key === "alerts") {
      const badge = $("[data-alerts]");
      badge.textContent = row.open;
      badge.hidden = row.open === 0;
    }
  }
  function take(key, row) {
    if (key === "plan") { places().catch(() => {}); return; }
    rows.set(key, row);
    if (waiting.has(key)) return;
    const rest = PAINT_MS - (performance.now() - (painted.get(key) ?? -Infinity));
    if (rest <= 0) paint(key);
    else waiting.set(key, setTimeout(paint, rest, key));
  }
  const kind = (row) => {
    if (row.unheard) return "unheard";
    if (row.silent || row.unreadable != null || ["offline", "fault", "unknown"].includes(row.state)) return "bad";
    return row.state === "running" ? "running" : row.state === "open" || row.state === "finished" ? "open" : "idle";
  };
  function count() {
    const sums = { running: 0, open: 0, idle: 0, bad: 0, unheard: 0 };
    let loose = 0, newest = 0;
    for (const [key, row] of rows) {
      if (key.startsWith("score/")) newest = !scope.point ? Math.max(newest, row.number) : newest + inScope(`rig/${row.gateway}/${row.rig}`);
      if (!key.startsWith("rig/") || !inScope(key)) continue;
      sums[kind(row)] += 1;
      if (!spots.has(key)) loose += 1;
    }
    for (const [name, n] of Object.entries({ ...sums, scores: newest })) { const el = $(`[data-count="${name}"]`); if (el) el.textContent = n; }
    for (const room of rooms) {
      const kinds = room.keys.map((key) => kind(rows.get(key) ?? { unheard: true })), of = (name) => kinds.filter((one) => one === name).length;
      const said = [say("rigs_n", { n: kinds.length }), of("running") && say("running_n", { n: of("running") }),
        of("bad") && `⚠ ${say("bad_n", { n: of("bad") })}`, of("unheard") && say("unheard_n", { n: of("unheard") })];
      room.counts.textContent = said.filter(Boolean).join(" · ");
    }
    $("[data-unplanned]").hidden = loose === 0;
    $("[data-unplanned-head]").hidden = spots.size === 0;
    $("[data-empty]").hidden = loose + spots.size > 0;
  }

  // -- who sits there: asked for, never in the shared stream ----------------------------------------------------------

  function ask(attempt) {
    people.set(attempt, null);
    asking ||= setTimeout(names, ASK_MS);
  }
  async function names() {
    asking = 0;
    const attempts = [...people].filter(([, who]) => who === null).map(([attempt]) => attempt).slice(0, ASK_MAX);
    try {
      const answer = await fetch("/api/v1/candidates", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ attempts }) });
      if (!answer.ok) return;
      const { candidates } = await answer.json();
      for (const attempt of attempts) people.set(attempt, candidates[attempt] ?? {});
      for (const [key, row] of rows) if (key.startsWith("rig/") && attempts.includes(row.attempt)) paint(key);
    } catch { /* the line says when the server is away; the next row asks again */
      for (const attempt of attempts) people.delete(attempt);
    }
  }

  // -- the line -------------------------------------------------------------------------------------------------------

  function line(state) {
    const el = $("[data-line]");
    const text = state === "stale" || state === "broken" ? `${say(state)}${heard ? ` · ${say("stale")} ${china(heard)}` : ""}` : say(state);
    if (el.dataset.line !== state || el.dataset.text !== text) {
      el.dataset.line = state;
      el.dataset.text = text;
      $("[data-line-text]").textContent = state === "stale" ? `${say("stale")} ${china(heard)}` : text;
    }
    document.body.classList.toggle("stale", state === "stale" || state === "broken");
  }
  function alive(ms) {
    heard = ms ?? now();
    if (ms) skew = ms - Date.now();
    line("connected");
  }
  async function read(path) {
    const answer = await fetch(path, { headers: { accept: "application/json" }, cache: "no-store" });
    if (answer.status === 401) { location.assign("/login"); throw new Error("login"); }
    if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
    return answer.json();
  }
  async function places() {
    build((await read("/api/v1/wall")).points);
  }
  async function snapshot() {
    const [state, plans] = await Promise.all([read("/api/v1/live"), read("/api/v1/wall")]);
    skew = state.now_ms - Date.now();
    const there = new Map([...state.gateways, ...state.rigs, ...state.scores, state.alerts].map((row) => [row.key, row]));
    for (const key of [...rows.keys()]) if (!there.has(key)) drop(key);
    for (const [key, row] of there) rows.set(key, row);
    build(plans.points);
    for (const [key, row] of there) if (!key.startsWith("rig/")) take(key, row);
    return state.id;
  }
  async function start() {
    clearTimeout(retry);
    source?.close();
    try {
      listen(await snapshot());
    } catch {
      line("broken");
      retry = setTimeout(start, 1500 + Math.random() * 1500);
    }
  }
  function listen(id) {
    source = new EventSource(`/live/events?last=${encodeURIComponent(id)}`);
    source.addEventListener("open", () => alive());
    source.addEventListener("row", (event) => { const { key, row } = JSON.parse(event.data); alive(); take(key, row); });
    source.addEventListener("beat", (event) => alive(JSON.parse(event.data).now_ms));
    // The server does not know our place in the stream: read everything again.
    source.addEventListener("reset", () => snapshot().catch(start));
    source.addEventListener("error", () => {
      line("broken");
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(start, 2000);
    });
  }

  setInterval(() => {
    $("[data-now]").textContent = china(now());
    if (heard && now() - heard > STALE_MS && $("[data-line]").dataset.line === "connected") line("stale");
    for (const [key, row] of rows) {
      if (key.startsWith("rig/") && row.state === "running" && nodes.has(key)) Tiles.clock(nodes.get(key), row, now());
    }
  }, 500);
  start();
})();
