/** The filter of the runs: words, regular expressions, and words with a field. Pure functions. */

import type { RunEntry } from "./api";
import { isFound } from "./matrix";

export interface Check {
  id: string;
  title: string;
}

export const FILTER_HELP =
  "Words or regular expressions, all of which must be found in the name, the summary or the findings. " +
  "is:error, is:warning, is:info, is:fine, is:live; check:overfitting; framework:keras. A minus in front: without it.";

const LETTERS = new Map([["error", "E"], ["warning", "W"], ["info", "I"]]);

/** The checks with a finding in a run. */
function foundIn(run: RunEntry, checks: Check[]): Check[] {
  return checks.filter((_, i) => isFound(run.outcomes[i]));
}

/** A regular expression as in TensorBoard's own filters, or the text itself if it is none. */
function pattern(text: string): RegExp {
  try {
    return new RegExp(text, "i");
  } catch {
    return new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"), "i");
  }
}

type Test = (run: RunEntry) => boolean;

function testOf(word: string, checks: Check[]): Test {
  const [, field, value] = /^(is|check|framework):(.+)$/i.exec(word) ?? [];
  const asked = value?.toLowerCase() ?? "";
  switch (field?.toLowerCase()) {
    case "is":
      if (asked === "live") return (run) => run.state === "live";
      if (LETTERS.has(asked)) return (run) => run.outcomes.includes(LETTERS.get(asked)!);
      return (run) => run.headline.kind === asked;
    case "check":
      return (run) => foundIn(run, checks).some(({ id, title }) => id.includes(asked) || title.toLowerCase().includes(asked));
    case "framework":
      return (run) => (run.framework ?? "").toLowerCase().includes(asked);
    default: {
      const wanted = pattern(word);
      return (run) =>
        wanted.test(run.name) ||
        wanted.test(run.headline.text) ||
        foundIn(run, checks).some(({ id, title }) => wanted.test(id) || wanted.test(title));
    }
  }
}

/** The runs that fit all words of a filter. */
export function filtered(runs: RunEntry[], filter: string, checks: Check[]): RunEntry[] {
  const words = wordsOf(filter);
  if (words.length === 0) return runs;
  const tests = words.map((word): Test => {
    if (!word.startsWith("-") || word.length === 1) return testOf(word, checks);
    const unwanted = testOf(word.slice(1), checks);
    return (run) => !unwanted(run);
  });
  return runs.filter((run) => tests.every((test) => test(run)));
}

export interface Shared extends Check {
  runs: number;
}

const LEAST_SHARED = 2; // runs
const MOST_SHARED = 6; // faults that are listed

/** Errors and warnings that several runs have, the most frequent first. */
export function sharedFaults(runs: RunEntry[], checks: Check[]): Shared[] {
  return checks
    .map((check, i) => ({ ...check, runs: runs.filter((run) => "EW".includes(run.outcomes[i] ?? "-")).length }))
    .filter((fault) => fault.runs >= LEAST_SHARED)
    .sort((a, b) => b.runs - a.runs)
    .slice(0, MOST_SHARED);
}

function wordsOf(filter: string): string[] {
  return filter.split(/\s+/).filter(Boolean);
}

export function hasWord(filter: string, word: string): boolean {
  return wordsOf(filter).includes(word);
}

/** A filter with a word added, or without it if it was there. */
export function toggled(filter: string, word: string): string {
  const words = wordsOf(filter);
  return (words.includes(word) ? words.filter((other) => other !== word) : [...words, word]).join(" ");
}
