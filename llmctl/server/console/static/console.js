// Asks for the overview every second or two while somebody looks, and shows it.

import { get, hasKey, Refused, useKey } from "./api.js";
import { Chart } from "./charts.js";
import { follow, open } from "./detail.js";
import { ago, clock, el, ms, number, say } from "./dom.js";
import { Exchanges } from "./exchanges.js";
import * as panels from "./panels.js";

const EVERY = 1500; // ms
const SLOWER = 8000; // after failures
const LIST_EVERY = 2; // rounds
const SEARCH_EVERY = 10; // for what takes a reading of many records

const NEEDED = "a key is needed";

const byId = (id) => document.getElementById(id);
const charts = {
  traffic: new Chart(byId("traffic"), {
    title: "Requests",
    unit: "a second",
    format: number,
    lines: [
      { name: "all", of: (p) => p.requests_per_s, kind: "blue", filled: true },
      { name: "failed", of: (p) => p.errors_per_s, kind: "red", filled: true },
    ],
  }),
  latency: new Chart(byId("latency"), {
    title: "Latency",
    unit: "",
    format: ms,
    lines: [
      { name: "p99", of: (p) => p.p99_ms, kind: "violet" },
      { name: "p95", of: (p) => p.p95_ms, kind: "teal" },
      { name: "p50", of: (p) => p.p50_ms, kind: "blue" },
    ],
  }),
  first: new Chart(byId("first-token"), {
    title: "First token",
    unit: "",
    format: ms,
    lines: [
      { name: "p95", of: (p) => p.ttft_p95_ms, kind: "teal" },
      { name: "p50", of: (p) => p.ttft_p50_ms, kind: "blue" },
    ],
  }),
};

let timer = null;
let rounds = 0;
let seen = null; // the last overview
let asking = false;

const exchanges = new Exchanges({ open, refused });

async function round() {
  clearTimeout(timer);
  if (document.hidden || asking) return;
  asking = true;
  let wait = EVERY;
  try {
    show(await get("overview"));
    if (rounds++ % (exchanges.follows ? LIST_EVERY : SEARCH_EVERY) === 0 && !exchanges.searching)
      await exchanges.refresh();
  } catch (error) {
    wait = SLOWER;
    refused(error);
  } finally {
    asking = false;
  }
  if (!byId("key").open) timer = setTimeout(round, wait);
}

function refused(error) {
  if (error instanceof Refused && error.status === 401) {
    askForKey(hasKey() ? error.message : "");
    return;
  }
  status("bad", error instanceof Refused ? error.message : "no connection, trying again");
  document.body.classList.add("stale");
}

function askForKey(message) {
  useKey(null);
  status("warn", NEEDED);
  keyButton();
  say(byId("key-error"), message);
  if (!byId("key").open) byId("key").showModal();
  byId("key-value").focus();
}

function keyButton() {
  const wanting = byId("status").textContent === NEEDED;
  byId("forget").hidden = !hasKey() && !wanting;
  say(byId("forget"), hasKey() ? "Forget key" : "Enter key");
}

function status(kind, text) {
  const pill = byId("status");
  if (pill.textContent === text && pill.classList.contains(kind)) return;
  pill.className = `pill ${kind}`;
  say(pill, text);
}

function show(o) {
  seen = o;
  document.body.classList.remove("stale");
  const reasons = Object.entries(o.reasons);
  if (o.draining) status("warn", "draining");
  else if (!o.ready) status("bad", "not ready");
  else status("good", "ready");
  keyButton();
  fill("notices", notices(o, reasons));
  facts(o);
  fill("tiles", panels.tiles(o));
  charts.traffic.show(o.series, o.time);
  charts.latency.show(o.series, o.time);
  charts.first.show(o.series, o.time);
  for (const name of ["models", "alerts", "spend", "cache", "guards"]) fill(name, panels[name](o));
  const lost = Object.values(o.records.dropped).reduce((sum, count) => sum + count, 0);
  say(
    byId("foot"),
    [
      `counted since ${clock(o.since)}`,
      o.records.enabled
        ? `${number(o.records.written)} records written, ${ms(o.records.lag_s * 1000)} behind, ${number(lost)} lost`
        : "records are off",
      `the gateway's own share of latency: p99 ${ms(o.now.overhead_p99_ms)}`,
      "percentiles and models: the last minute",
    ].join(" · "),
  );
  const urgent = o.alerts.filter((alert) => alert.severity === "page").length;
  document.title = `${urgent ? `(${urgent}) ` : ""}${number(o.now.requests_per_s)} req/s · llmctl`;
}

/** Changes a part only where it differs, so that focus, selection and screen readers are left alone. */
function fill(id, parts) {
  const fresh = el("div", {}, parts);
  const host = byId(id);
  if (fresh.innerHTML !== host.innerHTML) host.replaceChildren(...fresh.childNodes);
}

function notices(o, reasons) {
  const lines = [];
  if (o.reload_error)
    lines.push(
      el(
        "p",
        { class: "notice bad" },
        el("strong", {}, "The configuration was not reloaded; the one before serves."),
        el("span", {}, o.reload_error),
      ),
    );
  for (const [name, reason] of reasons)
    if (!o.draining) lines.push(el("p", { class: "notice warn" }, el("strong", {}, name), el("span", {}, reason)));
  for (const alert of o.alerts)
    if (alert.severity === "page")
      lines.push(
        el(
          "p",
          { class: "notice bad" },
          el("strong", {}, alert.name),
          el("span", {}, `${alert.summary} · since ${clock(alert.since)}`),
        ),
      );
  return lines;
}

function facts(o) {
  const rows = [
    ["Policy", o.policy.slice(0, 12)],
    ["Loaded", `${ago(o.time - o.loaded_at)} ago`],
    ["Workers", (o.serving ?? o.workers) < o.workers ? `only ${o.serving} of ${o.workers}` : String(o.workers)],
    ["Version", o.version],
    ["Time", clock(o.time)],
  ];
  const host = byId("facts");
  if (!host.childElementCount) host.append(...rows.map(([name]) => el("div", {}, el("dt", {}, name), el("dd", {}))));
  rows.forEach(([, value], i) => say(host.children[i].lastElementChild, value));
  host.firstElementChild.title = o.policy;
}

byId("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const key = byId("key-value").value.trim();
  if (!/^[\x21-\x7e]+$/.test(key)) {
    say(byId("key-error"), "A key has no spaces and only plain characters.");
    return;
  }
  useKey(key);
  byId("key-value").value = "";
  byId("key").close();
  rounds = 0;
  round();
});
byId("key").addEventListener("close", () => keyButton());
byId("forget").addEventListener("click", () => askForKey(""));
document.addEventListener("visibilitychange", round);
setInterval(() => {
  if (seen && document.body.classList.contains("stale")) say(byId("foot"), `as of ${clock(seen.time)}`);
}, 1000);

await round();
follow();
