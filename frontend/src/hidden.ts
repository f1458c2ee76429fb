/** Findings that somebody calls no problem: hidden in this browser, until scram.toml says it for everybody. */

import { signal } from "@preact/signals";
import type { Finding, Headline, Review, RunEntry } from "./api";

export interface Hidden {
  run: string;
  heuristic: string;
}

export const hidden = signal<Hidden[]>([]);

const same = (a: Hidden, b: Hidden): boolean => a.run === b.run && a.heuristic === b.heuristic;
let place = "";

/** What was hidden of a log directory; forgotten where the browser keeps nothing (a frame of another origin). */
export function loadHidden(logdir: string): void {
  if (place === `scram.hidden:${logdir}`) return;
  place = `scram.hidden:${logdir}`;
  try {
    const kept: unknown = JSON.parse(localStorage.getItem(place) ?? "[]");
    hidden.value = Array.isArray(kept) ? kept.filter(isHidden) : [];
  } catch {
    hidden.value = [];
  }
}

function isHidden(entry: unknown): entry is Hidden {
  const { run, heuristic } = (entry ?? {}) as Partial<Record<keyof Hidden, unknown>>;
  return typeof run === "string" && typeof heuristic === "string";
}

export function hide(entry: Hidden): void {
  keep([...hidden.value.filter((other) => !same(other, entry)), entry]);
}

export function show(entry: Hidden): void {
  keep(hidden.value.filter((other) => !same(other, entry)));
}

function keep(entries: Hidden[]): void {
  hidden.value = entries;
  try {
    localStorage.setItem(place, JSON.stringify(entries));
  } catch {
    // for this page only, then
  }
}

/** An entry of the list without its hidden findings; `order` are the ids of the letters in `outcomes`. */
export function withoutHidden(run: RunEntry, entries: Hidden[], order: string[]): RunEntry {
  const ids = entries.filter((entry) => entry.run === run.name).map((entry) => entry.heuristic);
  if (ids.length === 0) return run;
  const counts = { ...run.counts };
  let outcomes = run.outcomes;
  for (const [i, id] of order.entries()) {
    const severity = ({ E: "error", W: "warning", I: "info" } as const)[outcomes[i] ?? ""];
    if (!severity || !ids.includes(id)) continue;
    counts[severity] = Math.max(counts[severity] - 1, 0);
    outcomes = `${outcomes.slice(0, i)}a${outcomes.slice(i + 1)}`;
  }
  const trouble = counts.error + counts.warning > 0;
  const kind = trouble || run.headline.kind !== "trouble" ? run.headline.kind : counts.info > 0 ? "info" : "fine";
  return { ...run, counts, outcomes, headline: { ...run.headline, kind } };
}

/** The headline of a review of which some findings are hidden. */
export function headlineOf(review: Review, left: Finding[], gone: Finding[]): Headline {
  if (gone.length === 0) return review.headline;
  const names = gone.map((finding) => `“${finding.title}”`).join(", ");
  const first = left[0];
  if (!first) return { kind: "fine", text: `Nothing else found. Hidden here as no problem: ${names}.` };
  return { kind: first.severity === "info" ? "info" : "trouble", text: `${first.title}. Hidden here as no problem: ${names}.` };
}

/** A text of TOML: what JSON escapes is escaped there in the same way, and DEL too. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/\u007f/g, "\\u007F");
}

/** The lines for scram.toml that make it last; names are taken as they are, not as patterns. */
export function asToml(entries: Hidden[]): string {
  return entries
    .map(({ run, heuristic }) => {
      const name = run.replace(/[*?[]/g, "[$&]");
      return `[[accept]]\nheuristic = ${quoted(heuristic)}\nruns = ${quoted(name)}\nreason = "why it is no problem here"\n`;
    })
    .join("\n");
}
