/** The list of training runs: kept current by what changed, filtered, sorted. Pure functions. */

import type { RunEntry, Runs, Severity } from "./api";

const RANK = { trouble: 0, info: 1, early: 2, unknown: 3, fine: 4 } as const;

const byName = (a: RunEntry, b: RunEntry): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** Worst first: by kind of headline, then by number of errors and warnings, then by name. */
export function worstFirst(a: RunEntry, b: RunEntry): number {
  return (
    RANK[a.headline.kind] - RANK[b.headline.kind] ||
    b.counts.error - a.counts.error ||
    b.counts.warning - a.counts.warning ||
    byName(a, b)
  );
}

/** An answer of the server merged with the runs that were known before: all runs, by name. */
export function merged(known: Runs | null, answer: Runs): Runs {
  if (known === null || answer.removed === null) return answer;
  if (answer.runs.length === 0 && answer.removed.length === 0) return { ...answer, runs: known.runs };
  const all = new Map(known.runs.map((run) => [run.name, run]));
  for (const name of answer.removed) all.delete(name);
  for (const run of answer.runs) all.set(run.name, run);
  return { ...answer, runs: [...all.values()].sort(byName) };
}

/** Runs whose name contains all words of the filter. */
export function filtered(runs: RunEntry[], filter: string): RunEntry[] {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  if (words.length === 0) return runs;
  return runs.filter((run) => {
    const name = run.name.toLowerCase();
    return words.every((word) => name.includes(word));
  });
}

export function countAll(runs: RunEntry[]): Record<Severity, number> {
  const sum = { error: 0, warning: 0, info: 0 };
  for (const { counts } of runs) {
    sum.error += counts.error;
    sum.warning += counts.warning;
    sum.info += counts.info;
  }
  return sum;
}
