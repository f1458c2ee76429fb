/** Findings that the user marked as no problem: hidden in this browser only. Lines in scram.toml accept them for everybody. */

import { signal } from "@preact/signals";
import { plural } from "./format";
import type { Finding, Headline, Review, RunEntry, Severity } from "./api";

export interface Hidden {
  run: string;
  heuristic: string;
}

/** With the number of findings of each severity when it was hidden. */
interface Kept extends Hidden {
  counts: Partial<Record<Severity, number>>;
}

export const hidden = signal<Kept[]>([]);

const same = (a: Hidden, b: Hidden): boolean => a.run === b.run && a.heuristic === b.heuristic;
let place = "";

/** Load what is hidden for a log directory; nothing if the browser stores nothing (a frame of another origin). */
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

function isHidden(entry: unknown): entry is Kept {
  const { run, heuristic, counts } = (entry ?? {}) as Partial<Record<keyof Kept, unknown>>;
  return typeof run === "string" && typeof heuristic === "string" && typeof counts === "object" && counts !== null;
}

/** Hide what a check found in a run. */
export function hide(review: Review, heuristic: string): void {
  const entry: Kept = { run: review.name, heuristic, counts: {} };
  for (const finding of review.findings) {
    if (finding.heuristic !== heuristic || finding.explained_by !== null) continue;
    entry.counts[finding.severity] = (entry.counts[finding.severity] ?? 0) + 1;
  }
  keep([...hidden.value.filter((other) => !same(other, entry)), entry]);
}

export function show(entry: Hidden): void {
  keep(hidden.value.filter((other) => !same(other, entry)));
}

function keep(entries: Kept[]): void {
  hidden.value = entries;
  try {
    localStorage.setItem(place, JSON.stringify(entries));
  } catch {
    // then it lasts until the page is closed
  }
}

/** An entry of the list without its hidden findings; `order` holds the heuristic of each letter in `outcomes`. */
export function withoutHidden(run: RunEntry, entries: Kept[], order: string[], titleOf = (id: string) => id): RunEntry {
  const counts = { ...run.counts };
  let outcomes = run.outcomes;
  const gone: string[] = [];
  for (const { heuristic, counts: were } of entries.filter((entry) => entry.run === run.name)) {
    const i = order.indexOf(heuristic);
    if (!"EWI".includes(outcomes[i] ?? "-")) continue; // it is not found there any more
    outcomes = `${outcomes.slice(0, i)}a${outcomes.slice(i + 1)}`;
    for (const severity of ["error", "warning", "info"] as const) {
      counts[severity] = Math.max(counts[severity] - (were[severity] ?? 0), 0);
    }
    gone.push(`“${titleOf(heuristic)}”`);
  }
  if (gone.length === 0) return run;
  const kind = counts.error + counts.warning > 0 ? "trouble" : counts.info > 0 ? "info" : "fine";
  const left = (["error", "warning", "info"] as const).filter((s) => counts[s] > 0).map((s) => plural(counts[s], s));
  const text = `${left.length > 0 ? `${left.join(", ")} left` : "Nothing else found"}. Hidden in this browser: ${gone.join(", ")}.`;
  return { ...run, counts, outcomes, headline: { kind, text } };
}

/** The headline of a review with some findings hidden. */
export function headlineOf(review: Review, left: Finding[], gone: Finding[]): Headline {
  if (gone.length === 0) return review.headline;
  const names = gone.map((finding) => `“${finding.title}”`).join(", ");
  const first = left[0];
  if (!first) return { kind: "fine", text: `Nothing else found. Hidden in this browser: ${names}.` };
  return { kind: first.severity === "info" ? "info" : "trouble", text: `${first.title}. Hidden in this browser: ${names}.` };
}

/** A TOML string: escaped as in JSON, and DEL too. */
function quoted(text: string): string {
  return JSON.stringify(text).replace(/\u007f/g, "\\u007F");
}

/** The lines for scram.toml that accept the findings; names are taken literally, not as patterns. */
export function asToml(entries: Hidden[]): string {
  return entries
    .map(({ run, heuristic }) => {
      const name = run.replace(/[*?[]/g, "[$&]");
      return `[[accept]]\nheuristic = ${quoted(heuristic)}\nruns = ${quoted(name)}\nreason = "why it is no problem here"\n`;
    })
    .join("\n");
}
