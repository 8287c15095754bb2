// A page that the server has rendered, kept fresh: live events are hints, and a hint makes the page read itself again.
// `data-fresh="alerts gateway/gw-01 rig/gw-01/* attempt=9f1c…"` names the rows whose change is a hint for that element; an
// attempt is hinted at by every row that has it, or had it. `data-part` is what the address is asked for then.
"use strict";
(() => {
  const REST_MS = 1500, RETRY_MS = 3000;
  const parts = () => [...document.querySelectorAll("[data-fresh]")];
  let last = "", timer = 0, busy = false, again = false, readAt = performance.now();

  const had = new Map();  // key -> attempt of the row before
  function hinted(key, row) {
    const attempts = [row.attempt, had.get(key)].filter(Boolean).map((one) => `attempt=${one}`);
    if ("attempt" in row) had.set(key, row.attempt);
    return parts().some((part) => part.dataset.fresh.split(" ").some((one) =>
      one.endsWith("*") ? key.startsWith(one.slice(0, -1)) : key === one || attempts.includes(one)));
  }
  function address() {
    const wanted = new URL(location.href), part = document.querySelector("[data-part]");
    if (part) wanted.searchParams.set("part", part.dataset.part);
    return wanted;
  }
  // What somebody is just doing must not be taken out of their hands.
  function inUse(part) {
    const active = document.activeElement;
    return part.contains(active) && active.matches("input:not([type=hidden]), textarea, select") && active.value !== active.defaultValue;
  }
  function place(el, root) {
    const all = [...root.querySelectorAll(el.tagName)], at = all.indexOf(el);
    return { el, tag: el.tagName, at, name: el.id || el.getAttribute("href") || el.dataset.kept || "" };
  }
  function found(spot, root) {
    const all = [...root.querySelectorAll(spot.tag)];
    return all.find((one) => spot.name && (one.id || one.getAttribute("href") || one.dataset.kept) === spot.name) ?? all[spot.at];
  }
  function renew(part, fresh) {
    if (inUse(part) || part.isEqualNode(fresh)) return;
    const active = document.activeElement;
    const spot = part.contains(active) && active !== part ? place(active.matches("summary") ? active.parentNode : active, part) : null;
    const summary = active.matches?.("summary");
    for (const open of part.querySelectorAll("details[open][data-kept]")) {
      const twin = [...fresh.querySelectorAll("details[data-kept]")].find((one) => one.dataset.kept === open.dataset.kept);
      if (twin) twin.open = true;
    }
    part.replaceWith(fresh);
    if (!spot) return;
    const target = found(spot, fresh);
    (summary ? target?.querySelector("summary") : target)?.focus({ preventScroll: true });
  }
  async function read() {
    timer = 0;
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(address(), { headers: { accept: "text/html" }, cache: "no-store" });
      if (answer.redirected) { location.assign(answer.url); return; }
      if (!answer.ok) throw new Error(`page: ${answer.status}`);
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of parts()) {
        const fresh = page.getElementById(part.id);
        if (fresh) renew(part, document.adoptNode(fresh));
      }
      readAt = performance.now();
    } catch {
      again = true;
    } finally {
      busy = false;
      if (again) { again = false; hint(RETRY_MS); }
    }
  }
  function hint(wait = 0) {
    if (!timer) timer = setTimeout(read, Math.max(wait, REST_MS - (performance.now() - readAt)));
  }
  function badge(row) {
    const el = document.querySelector("[data-alerts]");
    el.textContent = row.open;
    el.hidden = row.open === 0;
  }
  async function listen() {
    try {
      const answer = await fetch("/api/v1/live", { headers: { accept: "application/json" }, cache: "no-store" });
      if (!answer.ok) throw new Error(`snapshot: ${answer.status}`);
      const state = await answer.json();
      last = state.id;
      badge(state.alerts);
      for (const row of state.rigs) had.set(row.key, row.attempt);
    } catch {
      setTimeout(listen, RETRY_MS);
      return;
    }
    const source = new EventSource(`/live/events?last=${encodeURIComponent(last)}`);
    source.addEventListener("row", (event) => {
      const { key, row } = JSON.parse(event.data);
      if (key === "alerts") badge(row);
      if (hinted(key, row)) hint();
    });
    source.addEventListener("reset", () => hint());
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED) setTimeout(listen, RETRY_MS);
    });
  }
  listen();
})();
