// What the live board's rows look like: one tile a rig, one line a gateway, one line a score. Paints, and decides
// nothing: live.js brings the rows. Words come from the page.
"use strict";
const words = JSON.parse(document.getElementById("words").textContent);
const say = (key, values = {}) =>
  (words.script[key] ?? key).replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
const lang = document.documentElement.lang.startsWith("zh") ? "zh" : "en";
const $ = (selector, root = document) => root.querySelector(selector);

const points = (n) => (n == null ? "–" : (n / 100).toFixed(2));
const total = (e6) => points(Math.floor((e6 + 5000) / 10000));
const two = (n) => String(n).padStart(2, "0");
const clock = (s) => (s == null ? "–" : `${two(Math.floor(s / 60))}:${two(Math.floor(s % 60))}`);
const china = (ms) => new Date(ms + 8 * 3600e3).toISOString().slice(11, 19);
const age = (ms) => (ms < 120e3 ? say("seconds", { n: Math.round(ms / 1000) }) : say("minutes", { n: Math.round(ms / 60e3) }));
const named = (both) => (both ? both[lang] || both.zh || both.code || "" : "");

function made(template) {
  const el = document.getElementById(template).content.firstElementChild.cloneNode(true);
  el.fields = {};
  for (const field of el.querySelectorAll("[data-f]")) el.fields[field.dataset.f] = field;
  return el;
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

const Tiles = {
  SHOWN_DEDUCTIONS: 2,
  pace: new Map(),

  // Elapsed time runs on between beats at the speed that the last two beats showed (a test bench may run fast).
  elapsed(row, now) {
    if (row.elapsed_s == null) return null;
    const run = `${row.attempt}/${row.ordinal}/${row.item?.code}`, before = this.pace.get(row.key);
    if (!before || before.run !== run) {
      this.pace.set(row.key, { run, s: row.elapsed_s, ms: row.elapsed_at_ms, speed: 1 });
    } else if (row.elapsed_at_ms > before.ms) {
      const speed = (row.elapsed_s - before.s) / ((row.elapsed_at_ms - before.ms) / 1000);
      this.pace.set(row.key, { run, s: row.elapsed_s, ms: row.elapsed_at_ms, speed: Math.min(200, Math.max(0, speed)) });
    }
    const at = this.pace.get(row.key);
    const ahead = row.silent ? 0 : Math.min(6000, Math.max(0, now - at.ms));
    return Math.min(at.s + (at.speed * ahead) / 1000, row.limit_s ?? Infinity);
  },

  // `spot`: where the plan has it; `owner`: the gateway that the plan gives it to, where that is another one; `who`: the
  // candidate's own data; `gateway`: its row. Each may be undefined.
  rig(el, row, { spot, owner, who, gateway, now }) {
    const f = el.fields, running = row.state === "running", state = row.silent ? "silent" : row.state;
    const station = spot?.station ?? row.station;
    el.dataset.state = state;
    el.dataset.rig = row.rig;
    set(f.station, station ?? row.rig);
    set(f.serial, station ? row.rig : "");
    const unheard = say(row.gateway_silent ? "silent_gateway" : "silent_rig");
    set(f.state, row.silent ? unheard : row.unheard ? say("unheard") : words.states[row.state] ?? row.state, `state state-${state}`);
    set(f.ticket, row.attempt ? row.ticket ?? who?.ticket ?? say("no_ticket") : "");
    set(f.name, row.attempt ? who?.name ?? "" : "");
    f.link.hidden = !row.attempt;
    if (row.attempt) f.link.href = `/attempts/${row.attempt}`;
    set(f.try, row.attempt && row.try_no === 2 ? say("try2") : "");
    set(f.mode, row.mode && row.mode !== "exam" ? words.modes[row.mode] ?? row.mode : "");
    set(f.purpose, owner ? say("planned_for", { name: owner }) : spot?.purpose === "training_only" ? say("training") : "");
    set(f.held, row.unreadable == null ? "" : say("unreadable", { n: row.unreadable }));
    set(f.lag, gateway?.catching_up ? say("left", { n: gateway.unsent }) : "");
    const over = row.closed === "finished" ? say(row.result && !row.result.over ? "part_over" : "exam_over") : row.closed === "aborted" ? say("exam_broken") : "";
    set(f.item, row.item ? `${row.item.code}  ${named(row.item)}` : over);
    f.item.title = f.item.textContent;
    this.clock(el, row, now);
    this.score(f, row, running);
    this.deductions(f.deductions, row);
    list(f.done, row.done, this.done);
    // Without an exam nothing is receipted; what only a heartbeat says is marked all the same.
    set(f.proof, !row.unheard && (row.attempt || row.proof === "live") ? words.proofs[row.proof] ?? row.proof : "", `proof proof-${row.proof}`);
    set(f.guarantee, row.guarantee ? words.guarantees[row.guarantee] ?? row.guarantee : "", `guarantee guarantee-${row.guarantee}`);
  },
  score(f, row, running) {
    // A rig closes its own part; the total stands here only when the whole is over.
    const ended = row.closed && row.result?.over && row.result.total_e6 != null;
    const shown = running ? (row.score == null ? "" : points(row.score)) : ended ? total(row.result.total_e6) : "";
    const unproven = running && row.score_proof === "live";
    const verdict = row.result?.passed ? "passed" : "failed";
    // An exam that was broken off is neither passed nor failed.
    const judged = ended && !running && row.closed === "finished" && row.result.passed != null;
    set(f.score, shown, unproven ? "big unproven" : "big");
    set(f.score_note, judged ? say(verdict) : unproven && shown ? "◌" : "",
      judged ? `tag tag-${verdict}` : "rig-score-note");
  },
  deductions(field, row) {
    const vetoes = row.deductions.filter((one) => one.veto), rest = row.deductions.filter((one) => !one.veto);
    const newest = [...vetoes.reverse(), ...rest.reverse()].slice(0, this.SHOWN_DEDUCTIONS);
    // A heartbeat tells how many there are, and no more.
    if (!newest.length && row.deduction_count) newest.push({ count: row.deduction_count });
    const hidden = row.deduction_count - newest.length;
    list(field, newest, (li, entry) => {
      const more = hidden > 0 && entry === newest.at(-1);
      li.className = entry.veto ? "deduction deduction-veto" : "deduction";
      const minus = document.createElement("b"), text = document.createElement("span"), at = document.createElement("i");
      if (entry.count) { li.className = "deduction-more"; li.textContent = say("deductions", { n: entry.count }); return; }
      minus.textContent = entry.veto ? say("veto") : entry.points ? `−${points(entry.points)}` : points(entry.points);
      text.textContent = named(entry);
      at.textContent = [entry.at_s == null ? "" : clock(entry.at_s), more ? `+${hidden}` : ""].filter(Boolean).join(" ");
      li.title = more ? `${text.textContent} · ${say("more", { n: hidden })}` : text.textContent;
      li.replaceChildren(minus, text, at);
    });
  },
  done(li, entry) {
    li.className = `done-item done-${entry.outcome} verdict-${entry.verdict}`;
    li.title = `${named(entry.item)} · ${words.outcomes[entry.outcome] ?? entry.outcome} · ${words.verdicts[entry.verdict] ?? ""} · ${words.proofs[entry.proof]}`;
    const code = document.createElement("span"), score = document.createElement("b"), how = document.createElement("i");
    code.textContent = entry.item.code;
    score.textContent = points(entry.recomputed ?? entry.score);
    how.textContent = entry.verdict === "mismatch" ? "≠" : entry.outcome === "finished" ? "" : words.outcomes[entry.outcome] ?? entry.outcome;
    li.replaceChildren(code, score, how);
  },
  clock(el, row, now) {
    const f = el.fields, running = row.state === "running", spent = running ? this.elapsed(row, now) : null;
    f.bar.hidden = !running;
    set(f.clock, running ? `${clock(spent)} / ${clock(row.limit_s)}` : "");
    if (running) {
      f.bar.max = row.limit_s || 1;
      f.bar.value = spent ?? 0;
      f.bar.classList.toggle("late", row.limit_s > 0 && spent > 0.85 * row.limit_s);
    }
  },

  gateway(el, row, now) {
    const f = el.fields;
    const state = row.silent ? "silent" : row.heard_ms == null ? "waiting" : row.catching_up ? "left" : "online";
    el.dataset.state = state;
    el.href = `/gateways/${encodeURIComponent(row.gateway)}`;
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
      const days = Math.floor((row.certificate_ms - now) / 86400e3);
      facts.push((days < 7 ? "⚠ " : "") + say("certificate", { n: days }));
    }
    if (row.accepts_exams === false) facts.push(`⚠ ${say("no_exams")}`);
    // What wants attention stands first: the line may be cut.
    facts.sort((a, b) => b.startsWith("⚠") - a.startsWith("⚠"));
    set(f.facts, facts.join(" · "));
    f.facts.title = f.facts.textContent;
  },

  latest(el, row) {
    const f = el.fields;
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
  },
};
