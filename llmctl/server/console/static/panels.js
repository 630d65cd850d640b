// The panels that show one overview: tiles, models, alerts, spend, cache, guards.

import { sparkline } from "./charts.js";
import { ago, clock, code, el, empty, ms, number, place, share, usd } from "./dom.js";

/** [class of its mark, its mark] by what it says: colour never speaks alone. */
export const MARKS = {
  ok: ["good", "●"],
  closed: ["good", "●"],
  half_open: ["warn", "◆"],
  allow: ["good", "●"],
  blocked: ["warn", "◆"],
  warn: ["warn", "◆"],
  redact: ["warn", "◆"],
  ticket: ["warn", "◆"],
  failed: ["bad", "▲"],
  open: ["bad", "▲"],
  block: ["bad", "▲"],
  error: ["bad", "▲"],
  page: ["bad", "▲"],
  aborted: ["dim", "■"],
  unscanned: ["dim", "■"],
  unknown: ["dim", "○"],
};

/** A word with its mark. */
export function marked(word, text = word) {
  const [kind, mark] = MARKS[word] ?? ["dim", "○"];
  return el("span", { class: `mark ${kind}` }, el("i", { "aria-hidden": "true" }, mark), ` ${text}`);
}

function tile(id, title, value, note, graph = null, kind = "") {
  return el(
    "article",
    { class: "card tile", id: `tile-${id}` },
    el("h2", {}, title),
    el("p", { class: `value ${kind}` }, value),
    graph,
    el("p", { class: "muted small" }, note),
  );
}

/** The row of numbers that are looked at first. */
export function tiles(o) {
  const { now, series, cost, cache } = o;
  const errors = now.requests_per_s ? now.errors_per_s / now.requests_per_s : null;
  const tightest = o.budgets.toSorted((a, b) => a.remaining - b.remaining)[0];
  const left = tightest ? `${share(tightest.remaining)} of ${tightest.name} left` : "no budget is set";
  const bounds = Object.values(cache.error_bound);
  const bound = bounds.length
    ? `wrong in at most ${share(Math.max(...bounds))}`
    : `${number(cache.saved_tokens)} tokens saved`;
  const graph = (of, kind) => sparkline(series, of, kind, o.time);
  return [
    tile(
      "requests",
      "Requests",
      [number(now.requests_per_s), el("small", {}, " /s")],
      `${number(now.in_flight)} in flight · ${number(o.totals.requests)} in all`,
      graph((p) => p.requests_per_s, "blue"),
    ),
    tile(
      "errors",
      "Errors",
      share(errors),
      `${number(now.errors_per_s)} /s failed · ${number(now.refused_per_s)} /s refused`,
      graph((p) => p.errors_per_s, "red"),
      errors > 0.01 ? "bad" : "",
    ),
    tile(
      "latency",
      "Latency p95",
      ms(now.p95_ms),
      `p50 ${ms(now.p50_ms)} · p99 ${ms(now.p99_ms)}`,
      graph((p) => p.p95_ms, "teal"),
    ),
    tile(
      "first-token",
      "First token p95",
      ms(now.ttft_p95_ms),
      `p50 ${ms(now.ttft_p50_ms)}`,
      graph((p) => p.ttft_p95_ms, "teal"),
    ),
    tile(
      "spend",
      "Spent today",
      usd(cost.usd),
      cost.usd === null ? "nothing with a price yet" : left,
      tightest ? meter(tightest) : null,
    ),
    tile(
      "cache",
      "Cache hits",
      share(cache.hit_share),
      cache.looked_up ? bound : cache.configured ? "nothing looked up yet" : "no cache is set",
      cache.looked_up ? stack(kinds(cache)) : null,
    ),
  ];
}

function bar(pairs, kindOf, label) {
  const all = pairs.reduce((sum, [, count]) => sum + count, 0) || 1;
  let left = 0;
  const pieces = pairs
    .filter(([, count]) => count > 0)
    .map(([word, count]) => {
      const piece = place(el("i", { class: kindOf(word) }), left, (100 * count) / all);
      left += (100 * count) / all;
      return piece;
    });
  return el(
    "div",
    {
      class: "stack",
      role: "img",
      "aria-label": `${label}: ${pairs.map(([word, count]) => `${word} ${count}`).join(", ")}`,
    },
    pieces,
  );
}

const CACHE_KINDS = { exact: "blue", semantic: "teal", shared: "violet", stale: "amber" };
const kinds = (cache) => Object.entries(cache.by_kind).toSorted(([a], [b]) => order(a) - order(b));
const order = (kind) => [...Object.keys(CACHE_KINDS), kind].indexOf(kind);
const stack = (pairs) => bar(pairs, (word) => CACHE_KINDS[word] ?? "none", "Cache");

function meter(budget) {
  const used = 1 - budget.remaining;
  const kind = used >= 1 ? "red" : used >= budget.soft ? "amber" : "blue";
  const spoken = `${budget.name}: ${share(used)} used`;
  return el(
    "div",
    {
      class: "stack",
      role: "meter",
      "aria-valuemin": 0,
      "aria-valuemax": 1,
      "aria-valuenow": used.toFixed(3),
      "aria-label": spoken,
    },
    place(el("i", { class: kind }), 0, 100 * Math.min(1, used)),
  );
}

/** A table; a column is [title, class]. */
export function table(columns, rows, caption) {
  return el(
    "table",
    {},
    el("caption", { class: "hidden" }, caption),
    el(
      "thead",
      {},
      el(
        "tr",
        {},
        columns.map(([title, kind]) => el("th", { scope: "col", class: kind }, title)),
      ),
    ),
    el("tbody", {}, rows),
  );
}

const MODEL_COLUMNS = [
  ["Model", ""],
  ["Breaker", ""],
  ["Req/s", "n"],
  ["Errors", "n"],
  ["p50", "n"],
  ["p95", "n"],
  ["Tokens/s", "n"],
  ["Queue", "n"],
  ["Today", "n"],
];

const words = (name) => name.replace("_", " ");

/** A line for each model. */
export function models(o) {
  if (!o.by_model.length)
    return empty("No model is configured.", "Name one under ", code("models:"), " in gateway.yaml.");
  const rows = o.by_model.map((m) =>
    el(
      "tr",
      { class: m.requests_per_s ? "" : "idle" },
      el("th", { scope: "row" }, m.model),
      el(
        "td",
        {},
        m.breaker === "unknown"
          ? "–"
          : marked(
              m.breaker,
              m.breakers_open && o.workers > 1
                ? `${words(m.breaker)} in ${m.breakers_open} of ${o.workers}`
                : words(m.breaker),
            ),
      ),
      el("td", { class: "n" }, number(m.requests_per_s)),
      el("td", { class: m.error_share > 0 ? "n bad" : "n" }, share(m.error_share)),
      el("td", { class: "n" }, ms(m.p50_ms)),
      el("td", { class: "n" }, ms(m.p95_ms)),
      el("td", { class: "n" }, number(m.tokens_per_s)),
      el("td", { class: "n" }, number(m.queue)),
      el("td", { class: "n" }, usd(m.usd_today)),
    ),
  );
  return table(MODEL_COLUMNS, rows, "Models over the last minute");
}

/** What is open, the gravest first. */
export function alerts(o) {
  if (!o.alerts.length)
    return el("p", { class: "calm" }, el("i", { class: "good", "aria-hidden": "true" }, "●"), " Nothing is open.");
  const gravest = o.alerts.toSorted((a, b) =>
    a.severity === b.severity ? a.since - b.since : a.severity === "page" ? -1 : 1,
  );
  return el(
    "ul",
    { class: "plain" },
    gravest.map((a) =>
      el(
        "li",
        { class: `alert ${a.severity}` },
        el("p", {}, marked(a.severity, a.name), el("span", { class: "muted small" }, ` for ${ago(o.time - a.since)}`)),
        el("p", {}, a.summary),
        a.runbook ? el("p", { class: "muted small" }, "what to do: ", code(a.runbook)) : null,
      ),
    ),
  );
}

/** Money of today, and budgets. */
export function spend(o) {
  const { cost } = o;
  const head =
    cost.usd === null
      ? empty(
          "No price is known yet.",
          "Prices of hosted models are built in; declare others under ",
          code("prices:"),
          ".",
        )
      : el(
          "dl",
          { class: "pairs" },
          pair("Today", usd(cost.usd), `since ${clock(cost.since)}`),
          pair("Pace", cost.per_hour_usd === null ? "–" : usd(cost.per_hour_usd), "an hour"),
        );
  if (!o.budgets.length)
    return [
      head,
      empty("No budget is set.", "Under ", code("budgets.limits"), " requests can be kept below a sum a day or month."),
    ];
  return [
    head,
    el(
      "ul",
      { class: "plain" },
      o.budgets.map((b) =>
        el(
          "li",
          {},
          el(
            "p",
            { class: "row" },
            el("span", {}, b.name),
            el(
              "span",
              { class: "n" },
              usd(b.spent_usd),
              b.usd === null ? "" : el("span", { class: "muted" }, ` of ${usd(b.usd)} a ${b.every}`),
            ),
          ),
          meter(b),
        ),
      ),
    ),
  ];
}

const pair = (name, value, note = "") =>
  el("div", {}, el("dt", {}, name), el("dd", {}, value, note ? el("span", { class: "muted small note" }, note) : null));

/** What the cache said. */
export function cache(o) {
  const { cache: c } = o;
  if (!c.configured && !c.looked_up)
    return empty(
      "There is no cache.",
      "A section ",
      code("cache:"),
      " in gateway.yaml serves repeated questions without a model.",
    );
  if (!c.looked_up) return empty("Nothing was looked up yet.", "Requests show up here as soon as they are looked up.");
  const routes = Object.entries(c.error_bound);
  return [
    stack(kinds(c)),
    el(
      "ul",
      { class: "plain legend" },
      kinds(c).map(([word, count]) =>
        el(
          "li",
          {},
          el("i", { class: `swatch ${CACHE_KINDS[word] ?? "none"}` }),
          word,
          " ",
          el("strong", {}, number(count)),
        ),
      ),
    ),
    el(
      "dl",
      { class: "pairs" },
      pair("Hits", share(c.hit_share), `of ${number(c.looked_up)}`),
      pair("Saved", number(c.saved_tokens), "tokens"),
    ),
    routes.length
      ? el(
          "dl",
          { class: "rows" },
          el("dt", { class: "muted small" }, "Wrong answers by meaning, at most"),
          routes.map(([route, bound]) =>
            el("dd", { class: "row" }, el("span", {}, route), el("strong", { class: "n" }, share(bound))),
          ),
        )
      : null,
  ];
}

const VERDICTS = { allow: "none", warn: "amber", redact: "violet", block: "red", error: "red", unscanned: "grey" };

/** What guards judged, those that found most first. */
export function guards(o) {
  if (!o.guards.length)
    return empty("No guard has judged anything yet.", "See ", code("guardrails.preset"), " in gateway.yaml.");
  const found = (g) => g.judged - (g.verdicts.allow ?? 0);
  return el(
    "ul",
    { class: "plain pairwise" },
    o.guards
      .toSorted((a, b) => found(b) - found(a) || a.guard.localeCompare(b.guard))
      .map((g) => {
        const pairs = Object.keys(VERDICTS)
          .filter((word) => g.verdicts[word])
          .map((word) => [word, g.verdicts[word]]);
        const loud = pairs
          .filter(([word]) => word !== "allow")
          .map(([word, count]) => `${number(count)} ${word}`)
          .join(", ");
        return el(
          "li",
          {},
          el(
            "p",
            { class: "row" },
            el("span", {}, g.guard),
            el(
              "span",
              { class: "n small" },
              loud || "nothing found",
              el("span", { class: "muted" }, ` of ${number(g.judged)}`),
            ),
          ),
          bar(pairs, (word) => VERDICTS[word], g.guard),
        );
      }),
  );
}
