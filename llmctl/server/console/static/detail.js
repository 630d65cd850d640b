// One exchange in a dialog: what happened, when (the waterfall), what guards said, and what was said.

import { get } from "./api.js";
import { clock, code, el, ms, number, place, usd } from "./dom.js";
import { marked, table } from "./panels.js";

const dialog = document.getElementById("detail");
const PREFIX = "#exchange/";

let drawn = "";

/** Opens the exchange with this id; `started` tells it from another with the same. */
export async function open({ id, started = null }) {
  const title = el("h2", { id: "detail-title", tabindex: -1 }, id);
  const body = el("div", { class: "body" }, el("p", { class: "muted" }, "Reading …"));
  const close = el(
    "button",
    { type: "button", class: "quiet", "aria-label": "Close", onclick: () => dialog.close() },
    "✕",
  );
  dialog.replaceChildren(el("header", {}, title, close), body);
  if (!dialog.open) dialog.showModal();
  title.focus();
  const mine = (drawn = `${PREFIX}${encodeURIComponent(id)}${started === null ? "" : `/${started}`}`);
  if (location.hash !== mine) history.replaceState(null, "", mine);
  try {
    const { record, verdicts } = await get(`exchanges/${encodeURIComponent(id)}`, { started });
    if (drawn === mine) body.replaceChildren(...content(record, verdicts));
  } catch (error) {
    if (drawn === mine)
      body.replaceChildren(
        el("p", { class: "bad" }, error.message),
        el("p", { class: "muted" }, code(`llmctl traces show ${id}`)),
      );
  }
}

/** Opens what the address names, and forgets it when the dialog closes. */
export function follow() {
  const named = location.hash.startsWith(PREFIX) ? location.hash.slice(PREFIX.length).split("/") : null;
  if (named && location.hash !== drawn) open({ id: decoded(named[0]), started: named[1] ?? null });
}

function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a lone % sign
  }
}

dialog.addEventListener("close", () => {
  drawn = "";
  if (location.hash.startsWith(PREFIX)) history.replaceState(null, "", location.pathname);
});
dialog.addEventListener("click", (event) => {
  if (event.target === dialog) dialog.close(); // beside it
});
addEventListener("hashchange", follow);

function* content(record, verdicts) {
  yield head(record);
  if (record.failure)
    yield el(
      "p",
      { class: "notice bad" },
      el("strong", {}, `${record.failure.status} ${record.failure.code}`),
      el("span", {}, record.failure.message),
    );
  yield el("h3", {}, "Timeline");
  yield waterfall(record);
  const found = verdicts.filter((verdict) => verdict.verdict !== undefined);
  if (found.length) {
    yield el("h3", {}, "Guards");
    yield guards(found);
  }
  for (const [title, said] of [
    ["Request", record.request],
    ["Response", record.response],
  ]) {
    if (said === undefined || said === null) continue;
    yield el("h3", {}, title);
    yield conversation(said);
  }
  if (record.request === undefined)
    yield el(
      "p",
      { class: "muted small" },
      "Content is not kept (",
      code("records.content"),
      "), or nothing was read.",
    );
  yield el(
    "details",
    {},
    el("summary", {}, "The record as JSON"),
    el("pre", { tabindex: 0 }, JSON.stringify(record, null, 2)),
  );
}

function head(record) {
  const usage = record.usage ?? {};
  const prompt = (usage.input ?? 0) + (usage.cached_read ?? 0) + (usage.cached_write ?? 0);
  const names = [...new Set([record.requested_model, record.model, record.served_model].filter(Boolean))].join(" → ");
  const pairs = [
    ["State", marked(record.state, `${record.state} ${record.failure?.status ?? record.http_status}`)],
    ["Started", clock(record.started)],
    ["Took", `${ms(record.duration_us / 1000)}, of it ours ${ms((record.overhead_us ?? 0) / 1000)}`],
    ["First token", record.ttft_us === undefined ? null : ms(record.ttft_us / 1000)],
    ["Model", names],
    ["Routed", record.decision ? `by ${record.decision.strategy}: ${record.decision.reason}` : null],
    ["Degraded", record.degraded],
    [
      "Cache",
      record.cache
        ? record.cache.kind + (record.cache.similarity === undefined ? "" : ` at ${record.cache.similarity.toFixed(3)}`)
        : null,
    ],
    [
      "Tokens",
      prompt || usage.output
        ? `${number(prompt)} in, ${number((usage.output ?? 0) + (usage.reasoning ?? 0))} out (${usage.source})`
        : null,
    ],
    ["Cost", record.cost?.usd === undefined ? null : `${usd(record.cost.usd)} (${record.cost.status})`],
    [
      "Caller",
      [record.tenant && `tenant ${record.tenant}`, record.key && `key ${record.key}`].filter(Boolean).join(", "),
    ],
    ["Call", [record.dialect, record.operation, record.stream ? "stream" : ""].filter(Boolean).join(" ")],
    ["Policy", record.policy],
    ["Trace", record.trace_id],
  ];
  return el(
    "dl",
    { class: "head" },
    pairs.filter(([, value]) => value).map(([name, value]) => el("div", {}, el("dt", {}, name), el("dd", {}, value))),
  );
}

/** The rows of a timeline: the exchange, its stages, and attempts below the stage that they began in. */
function timeline(record) {
  const stages = (record.stages ?? []).map((stage) => ({
    kind: "stage",
    name: stage.name,
    start: stage.start_us,
    took: stage.duration_us,
    note: "",
  }));
  const attempts = (record.attempts ?? []).map((attempt, i) => ({
    kind: attempt.error === undefined ? "attempt" : "attempt broken",
    name: `${attempt.why ?? "first"} · ${attempt.target || attempt.model}`,
    start: attempt.start_us,
    took: attempt.duration_us ?? 0,
    first: attempt.first_byte_us,
    note: [attempt.provider, attempt.status, attempt.error]
      .filter((part) => part !== undefined && part !== "")
      .join(" "),
    number: i + 1,
  }));
  const rows = [...stages, ...attempts].sort((a, b) => a.start - b.start || b.took - a.took);
  return [
    { kind: "whole", name: "exchange", start: 0, took: record.duration_us, first: record.ttft_us, note: "" },
    ...rows,
  ];
}

function waterfall(record) {
  const rows = timeline(record);
  const end = Math.max(1, ...rows.map((row) => row.start + row.took));
  const percent = (us) => (100 * us) / end;
  const ticks = [0, 0.25, 0.5, 0.75, 1].map((part) => {
    const tick = el("span", {}, ms((end * part) / 1000));
    tick.style.left = `${100 * part}%`;
    return tick;
  });
  return el(
    "div",
    { class: "waterfall" },
    el(
      "div",
      { class: "axis", "aria-hidden": "true" },
      el("span", {}, ""),
      el("div", { class: "lane" }, ticks),
      el("span", {}, ""),
    ),
    el(
      "ol",
      { "aria-label": "Timeline: each with its start and duration" },
      rows.map((row) => {
        const bar = place(
          el("i", { class: `bar ${row.kind}`, "data-us": row.took, "data-start": row.start }),
          percent(row.start),
          percent(row.took),
        );
        const mark =
          row.first === undefined || row.first === null
            ? null
            : el("i", { class: "first", title: `first byte at ${ms(row.first / 1000)}` });
        if (mark) mark.style.left = `${percent(row.first)}%`;
        const times = `begins at ${ms(row.start / 1000)}, takes ${ms(row.took / 1000)}`;
        const spoken = `${row.name}: ${times}${row.note ? `, ${row.note}` : ""}`;
        return el(
          "li",
          { class: row.kind, "aria-label": spoken },
          el(
            "span",
            { class: "name", title: row.note ? `${row.name} (${row.note})` : row.name },
            row.name,
            row.note ? el("small", { class: "muted" }, ` ${row.note}`) : null,
          ),
          el("div", { class: "lane" }, bar, mark),
          el("span", { class: "n" }, ms(row.took / 1000)),
        );
      }),
    ),
  );
}

function guards(verdicts) {
  const rows = verdicts.map((v) =>
    el(
      "tr",
      { class: v.verdict === "allow" ? "idle" : "" },
      el("th", { scope: "row" }, v.guard),
      el("td", {}, v.direction),
      el("td", {}, marked(v.verdict)),
      el("td", {}, v.action),
      el("td", { class: "n" }, v.score === undefined ? "–" : v.score.toFixed(2)),
      el("td", { class: "n" }, v.duration_us ? ms(v.duration_us / 1000) : "–"),
      el("td", { class: "what" }, [v.category, v.reason].filter(Boolean).join(": ")),
    ),
  );
  return el(
    "div",
    { class: "scroll" },
    table(
      [
        ["Guard", ""],
        ["On", ""],
        ["Verdict", ""],
        ["Done", ""],
        ["Score", "n"],
        ["Took", "n"],
        ["Why", "what"],
      ],
      rows,
      "Guards' verdicts",
    ),
  );
}

/** Turns of a conversation where it is one, else its JSON. */
function conversation(said) {
  const turns = [];
  const add = (role, content) => content !== undefined && content !== null && turns.push([role ?? "", plain(content)]);
  if (said && typeof said === "object") {
    add("system", said.system ?? said.instructions);
    for (const message of list(said.messages)) turn(message, add);
    for (const choice of list(said.choices)) turn(choice?.message ?? { role: "assistant", content: choice?.text }, add);
    if (!said.messages && said.content !== undefined) add(said.role, said.content);
    if (said.input !== undefined) add("user", said.input);
    if (said.prompt !== undefined) add("prompt", said.prompt);
  }
  if (!turns.length) return el("pre", { tabindex: 0 }, typeof said === "string" ? said : JSON.stringify(said, null, 2));
  return el(
    "div",
    { class: "said" },
    turns.map(([role, text]) => el("div", { class: "turn" }, el("span", { class: "role" }, role), el("p", {}, text))),
  );
}

function turn(message, add) {
  add(message?.role, message?.content);
  for (const call of list(message?.tool_calls))
    add("calls", `${call?.function?.name}(${call?.function?.arguments ?? ""})`);
}

const list = (value) => (Array.isArray(value) ? value : []);

function plain(content) {
  if (typeof content === "string") return content;
  const parts = list(content);
  return parts.length && parts.every((part) => typeof part?.text === "string")
    ? parts.map((part) => part.text).join("\n")
    : JSON.stringify(content);
}
