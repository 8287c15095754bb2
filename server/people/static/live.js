// The live board: one snapshot, then changes by server-sent events. Rows are keyed; a row is painted at once when it
// has been quiet and at most three times a second when it is busy. Nothing is polled. Words come from the page.
"use strict";
(() => {
  const words = JSON.parse(document.getElementById("words").textContent);
  const say = (key, values = {}) =>
    (words.script[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  const lang = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
  const PAINT_MS = 330, STALE_MS = 12000, SHOWN_SCORES = 14, SHOWN_DEDUCTIONS = 3;
  const $ = (selector, root = document) => root.querySelector(selector);
  const rigs = $("[data-rigs]"), gateways = $("[data-gateways]"), scores = $("[data-scores]");

  const rows = new Map();      // key -> newest row
  const nodes = new Map();     // key -> element
  const painted = new Map();   // key -> when it was painted last
  const waiting = new Map();   // key -> timer of the next paint
  let skew = 0, heard = 0, source = null, retry = 0;

  const points = (n) => (n == null ? "–" : (n / 100).toFixed(2));
  const total = (e6) => points(Math.floor((e6 + 5000) / 10000));
  const two = (n) => String(n).padStart(2, "0");
  const clock = (s) => (s == null ? "–" : `${two(Math.floor(s / 60))}:${two(Math.floor(s % 60))}`);
  const china = (ms) => new Date(ms + 8 * 3600e3).toISOString().slice(11, 19);
  const now = () => Date.now() + skew;
  const age = (ms) => (ms < 120e3 ? say("seconds", { n: Math.round(ms / 1000) }) : say("minutes", { n: Math.round(ms / 60e3) }));
  const named = (both) => (both ? both[lang] || both.zh || both.code || "" : "");

  function node(key, template, parent) {
    let found = nodes.get(key);
    if (!found) {
      found = document.getElementById(template).content.firstElementChild.cloneNode(true);
      found.fields = {};
      for (const field of found.querySelectorAll("[data-f]")) found.fields[field.dataset.f] = field;
      found.dataset.key = key;
      nodes.set(key, found);
      parent.append(found);
    }
    return found;
  }
  function set(field, text, kind) {
    if (field.textContent !== text) field.textContent = text;
    if (kind !== undefined && field.className !== kind) field.className = kind;
    field.hidden = text === "";
  }
  function list(field, entries, make) {
    const kept = entries.map((entry, place) => {
      const li = field.children[place] || document.createElement("li");
      make(li, entry);
      return li;
    });
    field.replaceChildren(...kept);
    field.hidden = kept.length === 0;
  }

  // Elapsed time runs on between beats at the speed that the last two beats showed (a test bench may run fast).
  const pace = new Map();
  function elapsed(row) {
    if (row.elapsed_s == null) return null;
    const run = `${row.attempt}/${row.ordinal}/${row.item?.code}`, before = pace.get(row.key);
    if (!before || before.run !== run) {
      pace.set(row.key, { run, s: row.elapsed_s, ms: row.elapsed_at_ms, speed: 1 });
    } else if (row.elapsed_at_ms > before.ms) {
      const speed = (row.elapsed_s - before.s) / ((row.elapsed_at_ms - before.ms) / 1000);
      pace.set(row.key, { run, s: row.elapsed_s, ms: row.elapsed_at_ms, speed: Math.min(200, Math.max(0, speed)) });
    }
    const at = pace.get(row.key);
    const ahead = row.silent ? 0 : Math.min(6000, Math.max(0, now() - at.ms));
    return Math.min(at.s + (at.speed * ahead) / 1000, row.limit_s ?? Infinity);
  }

  function paintRig(row) {
    const el = node(row.key, "rig", rigs), f = el.fields;
    const running = row.state === "running", state = row.silent ? "silent" : row.state;
    el.dataset.state = state;
    el.dataset.rig = row.rig;
    el.dataset.order = `${row.station ?? "~"}\u0000${row.rig}`;
    set(f.station, row.station ?? row.rig);
    set(f.serial, row.station ? row.rig : "");
    set(f.state, row.silent ? say(row.gateway_silent ? "silent_gateway" : "silent_rig") : words.states[row.state] ?? row.state, `state state-${state}`);
    set(f.ticket, row.attempt ? row.ticket ?? say("no_ticket") : "");
    set(f.try, row.attempt && row.try_no === 2 ? say("try2") : "");
    set(f.mode, row.mode && row.mode !== "exam" ? words.modes[row.mode] ?? row.mode : "");
    set(f.held, row.unreadable == null ? "" : say("unreadable", { n: row.unreadable }));
    const over = row.closed === "finished" ? say("exam_over") : row.closed === "aborted" ? say("exam_broken") : "";
    set(f.item, row.item ? `${row.item.code}  ${named(row.item)}` : over);
    paintClock(row, f);
    const ended = row.closed && row.result?.total_e6 != null;
    const shown = running ? (row.score == null ? "" : points(row.score)) : ended ? total(row.result.total_e6) : "";
    const unproven = running && row.score_proof === "live";
    const verdict = row.result?.passed ? "passed" : "failed";
    // An exam that was broken off is neither passed nor failed.
    const judged = ended && !running && row.closed === "finished" && row.result.passed != null;
    set(f.score, shown, unproven ? "big unproven" : "big");
    set(f.score_note, judged ? say(verdict) : unproven && shown ? words.proofs.live : "",
      judged ? `tag tag-${verdict}` : "rig-score-note");
    const newest = row.deductions.slice(-SHOWN_DEDUCTIONS).reverse(), rest = row.deduction_count - newest.length;
    list(f.deductions, rest > 0 ? [...newest, rest] : newest, (li, entry) => {
      if (typeof entry === "number") { li.className = "deduction-more"; li.textContent = say("more", { n: entry }); return; }
      li.className = entry.veto ? "deduction deduction-veto" : "deduction";
      const minus = document.createElement("b"), text = document.createElement("span"), at = document.createElement("i");
      minus.textContent = entry.veto ? say("veto") : entry.points ? `−${points(entry.points)}` : points(entry.points);
      text.textContent = named(entry);
      at.textContent = entry.at_s == null ? "" : clock(entry.at_s);
      li.title = text.textContent;
      li.replaceChildren(minus, text, at);
    });
    list(f.done, row.done, (li, entry) => {
      li.className = `done-item done-${entry.outcome} verdict-${entry.verdict}`;
      li.title = `${named(entry.item)} · ${words.outcomes[entry.outcome] ?? entry.outcome} · ${words.verdicts[entry.verdict] ?? ""} · ${words.proofs[entry.proof]}`;
      const code = document.createElement("span"), score = document.createElement("b"), how = document.createElement("i");
      code.textContent = entry.item.code;
      score.textContent = points(entry.recomputed ?? entry.score);
      how.textContent = entry.verdict === "mismatch" ? "≠" : entry.outcome === "finished" ? "" : words.outcomes[entry.outcome] ?? entry.outcome;
      li.replaceChildren(code, score, how);
    });
    // Without an exam nothing is receipted; what only a heartbeat says is marked all the same.
    set(f.proof, row.attempt || row.proof === "live" ? words.proofs[row.proof] ?? row.proof : "", `proof proof-${row.proof}`);
    set(f.guarantee, row.guarantee ? words.guarantees[row.guarantee] ?? row.guarantee : "");
    f.link.hidden = !row.attempt;
    if (row.attempt) f.link.href = `/attempts/${row.attempt}`;
  }
  function paintClock(row, f) {
    const running = row.state === "running", spent = running ? elapsed(row) : null;
    f.bar.hidden = !running;
    set(f.clock, running ? `${clock(spent)} / ${clock(row.limit_s)}` : "");
    if (running) {
      f.bar.max = row.limit_s || 1;
      f.bar.value = spent ?? 0;
      f.bar.classList.toggle("late", row.limit_s > 0 && spent > 0.85 * row.limit_s);
    }
  }

  function paintGateway(row) {
    const el = node(row.key, "gateway", gateways), f = el.fields;
    if (row.gone) { el.remove(); nodes.delete(row.key); rows.delete(row.key); return; }
    el.dataset.order = row.gateway;
    const state = row.silent ? "silent" : row.heard_ms == null ? "waiting" : row.catching_up ? "left" : "online";
    el.dataset.state = state;
    set(f.name, row.gateway);
    set(f.state, state === "silent" ? say("silent_gateway") : state === "left" ? say("left", { n: row.unsent }) : say(state));
    const facts = [];
    if (row.heard_ms != null) {
      const oldest = row.oldest_unsent_ms == null ? "" : ` · ${say("oldest", { t: age(row.oldest_unsent_ms) })}`;
      facts.push(say("unsent", { n: row.unsent }) + oldest);
    }
    if (row.clock_offset_ms != null) facts.push(Math.abs(row.clock_offset_ms) > 2000 ? `⚠ ${say("clock_off", { t: age(Math.abs(row.clock_offset_ms)) })}` : say("clock_ok"));
    if (row.disk_percent_free != null) facts.push((row.disk_percent_free < 10 ? "⚠ " : "") + say("disk", { n: row.disk_percent_free }));
    if (row.certificate_ms != null) {
      const days = Math.floor((row.certificate_ms - now()) / 86400e3);
      facts.push((days < 7 ? "⚠ " : "") + say("certificate", { n: days }));
    }
    if (row.accepts_exams === false) facts.push(`⚠ ${say("no_exams")}`);
    set(f.facts, facts.join("  ·  "));
  }

  function paintScore(row) {
    const el = node(row.key, "score", scores), f = el.fields;
    el.dataset.number = row.number;
    el.dataset.score = `${row.origin_hash}/${row.index}`;
    el.dataset.outcome = row.outcome;
    set(f.points, points(row.recomputed ?? row.score), `score-points${row.verdict === "mismatch" ? " wrong" : ""}`);
    set(f.item, `${row.item.code}  ${named(row.item)}`);
    set(f.who, [row.station, row.ticket ?? say("no_ticket")].filter(Boolean).join(" · "));
    const veto = row.veto_effect ? words.vetoes[row.veto_effect] : "";
    const wrong = row.verdict === "mismatch" ? words.verdicts.mismatch : veto || words.outcomes[row.outcome] || row.outcome;
    set(f.outcome, wrong, `tag tag-${row.verdict === "mismatch" ? "failed" : row.outcome}`);
    set(f.proof, words.proofs[row.proof], `proof proof-${row.proof}`);
    set(f.time, china(row.received_ms));
    sortScores();
  }
  function sortScores() {
    const sorted = [...scores.children].sort((a, b) => b.dataset.number - a.dataset.number);
    // Only what stands wrong is moved: a moved row would announce itself again.
    sorted.forEach((el, place) => { if (scores.children[place] !== el) scores.insertBefore(el, scores.children[place]); });
    sorted.forEach((el, place) => { el.hidden = place >= SHOWN_SCORES; });
    $("[data-no-scores]").hidden = sorted.length > 0;
  }
  function place(el, parent) {
    if (el.parentNode !== parent || el.dataset.placed === el.dataset.order) return;
    el.dataset.placed = el.dataset.order;
    const next = [...parent.children].find((one) => one !== el && one.dataset.order !== undefined && one.dataset.order > el.dataset.order);
    if (el.nextElementSibling !== (next ?? null)) parent.insertBefore(el, next ?? null);
  }

  function paint(key) {
    waiting.delete(key);
    painted.set(key, performance.now());
    const row = rows.get(key);
    if (!row) return;
    if (key.startsWith("rig/")) { paintRig(row); place(nodes.get(key), rigs); count(); }
    else if (key.startsWith("gateway/")) { paintGateway(row); if (nodes.has(key)) place(nodes.get(key), gateways); }
    else if (key.startsWith("score/")) paintScore(row);
    else if (key === "alerts") {
      const badge = $("[data-alerts]");
      badge.textContent = row.open;
      badge.hidden = row.open === 0;
    }
  }
  function take(key, row) {
    rows.set(key, row);
    if (waiting.has(key)) return;
    const rest = PAINT_MS - (performance.now() - (painted.get(key) ?? -Infinity));
    if (rest <= 0) paint(key);
    else waiting.set(key, setTimeout(paint, rest, key));
  }
  function count() {
    const sums = { running: 0, open: 0, idle: 0, bad: 0 };
    for (const [key, row] of rows) {
      if (!key.startsWith("rig/")) continue;
      if (row.silent || row.unreadable != null || ["offline", "fault", "unknown"].includes(row.state)) sums.bad += 1;
      else if (row.state === "running") sums.running += 1;
      else if (row.state === "open" || row.state === "finished") sums.open += 1;
      else sums.idle += 1;
    }
    let newest = 0;
    for (const [key, row] of rows) if (key.startsWith("score/")) newest = Math.max(newest, row.number);
    for (const [name, n] of Object.entries({ ...sums, scores: newest })) $(`[data-count="${name}"]`).textContent = n;
    $("[data-empty]").hidden = sums.running + sums.open + sums.idle + sums.bad > 0;
  }

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

  async function snapshot() {
    const answer = await fetch("/api/v1/live", { headers: { accept: "application/json" }, cache: "no-store" });
    if (answer.status === 401) { location.assign("/login"); throw new Error("login"); }
    if (!answer.ok) throw new Error(`snapshot: ${answer.status}`);
    const state = await answer.json();
    skew = state.now_ms - Date.now();
    const there = new Set();
    for (const row of [...state.gateways, ...state.rigs, ...state.scores, state.alerts]) { there.add(row.key); take(row.key, row); }
    for (const key of [...rows.keys()]) {
      if (there.has(key)) continue;
      rows.delete(key);
      nodes.get(key)?.remove();
      nodes.delete(key);
    }
    count();
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
      if (key.startsWith("rig/") && row.state === "running" && nodes.has(key)) paintClock(row, nodes.get(key).fields);
    }
  }, 500);
  start();
})();
