/** The list of training runs: kept current by what changed, filtered, sorted. Pure functions. */

import type { RunEntry, Runs, Severity } from "./api";
import { groupOf } from "./format";

const byName = (a: RunEntry, b: RunEntry): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);

/** Worst first, by the rank that the server gives; by name among equals. */
export function worstFirst(a: RunEntry, b: RunEntry): number {
  const differs = a.rank.findIndex((part, i) => part !== b.rank[i]);
  return differs < 0 ? byName(a, b) : a.rank[differs]! - b.rank[differs]!;
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

/** The groups of a list, each with its runs: runs without a group come first, since after one they would seem to belong to it. */
export function grouped(runs: RunEntry[]): [string, RunEntry[]][] {
  const groups = new Map<string, RunEntry[]>();
  for (const run of runs) {
    const group = groupOf(run.name);
    const members = groups.get(group);
    if (members) members.push(run);
    else groups.set(group, [run]);
  }
  const alone = groups.get("") ?? [];
  groups.delete("");
  return [["", alone], ...groups];
}

/** Runs in the order in which the list shows them. */
export function inListOrder(runs: RunEntry[]): RunEntry[] {
  return grouped(runs).flatMap(([, members]) => members);
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
