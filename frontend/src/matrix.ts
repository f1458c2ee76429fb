/** Runs x checks: the meaning of a letter, the columns, and the order of the rows. Pure functions. */

import type { RunEntry } from "./api";
import { worstFirst } from "./runs";

export interface Outcome {
  sign: string;
  /** What a screen reader says. */
  word: string;
  /** The class of its colour. */
  kind: "error" | "warning" | "info" | "passed" | "unknown";
  /** Worst first. */
  rank: number;
}

const OUTCOMES: Record<string, Outcome> = {
  E: { sign: "●", word: "error", kind: "error", rank: 0 },
  W: { sign: "▲", word: "warning", kind: "warning", rank: 1 },
  e: { sign: "○", word: "error that another finding explains", kind: "error", rank: 2 },
  w: { sign: "△", word: "warning that another finding explains", kind: "warning", rank: 3 },
  I: { sign: "ℹ", word: "info", kind: "info", rank: 4 },
  i: { sign: "ℹ", word: "info that another finding explains", kind: "info", rank: 5 },
  a: { sign: "✓", word: "found, accepted as no problem here", kind: "unknown", rank: 6 },
  "?": { sign: "?", word: "inconclusive", kind: "unknown", rank: 7 },
  "-": { sign: "·", word: "not checked", kind: "unknown", rank: 8 },
  "+": { sign: "✓", word: "passed", kind: "passed", rank: 9 },
};

export function outcomeOf(letter: string | undefined): Outcome {
  return OUTCOMES[letter ?? "-"] ?? OUTCOMES["-"]!;
}

/** Whether a letter stands for a finding. */
export function isFound(letter: string | undefined): boolean {
  return "EWIewi".includes(letter ?? "-");
}

/** Columns of the checks that have a finding in some run, or all of them; as places in the order of the catalogue. */
export function columns(runs: RunEntry[], checks: number, all: boolean): number[] {
  const places = Array.from({ length: checks }, (_, i) => i);
  if (all) return places;
  const found = new Set<number>();
  for (const run of runs) {
    for (let i = 0; i < checks; i++) if (isFound(run.outcomes[i])) found.add(i);
  }
  return places.filter((i) => found.has(i));
}

/** Rows: by name, by the outcome of one check (a place in the catalogue), or worst first. */
export function sorted(runs: RunEntry[], by: "name" | "worst" | number): RunEntry[] {
  if (by === "name") return runs;
  if (by === "worst") return [...runs].sort(worstFirst);
  return [...runs].sort((a, b) => outcomeOf(a.outcomes[by]).rank - outcomeOf(b.outcomes[by]).rank || worstFirst(a, b));
}
