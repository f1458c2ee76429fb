/** Numbers and words as the tab shows them. */

import type { Confidence, Severity, WireNumber } from "./api";

export const SIGN: Record<Severity, string> = { error: "●", warning: "▲", info: "ℹ" };

export function toNumber(value: WireNumber): number {
  return typeof value === "number" ? value : value === "NaN" ? NaN : value === "Infinity" ? Infinity : -Infinity;
}

/** A value under the pointer: written as the server writes numbers in sentences (`words.number`), with one digit more. */
export function formatNumber(value: number | null | undefined): string {
  if (value === null || value === undefined) return "–";
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "infinity" : "-infinity";
  const size = Math.abs(value);
  if (Number.isInteger(value) && size < 1e6) return value.toLocaleString("en");
  if (size < 1e-4 || size >= 1e6) return value.toExponential(1).replace(".0e", "e").replace("e+", "e");
  return Number(value.toPrecision(4)).toLocaleString("en", { maximumFractionDigits: 10 });
}

export function plural(count: number, word: string): string {
  return `${count} ${word}${count === 1 ? "" : "s"}`;
}

export const CONFIDENCE_HELP: Record<Confidence, string> = {
  certain: "A fact: it was read from the log.",
  likely: "SCRAM is right about this in most cases; look at the curve.",
  possible: "Worth a look; the evidence is weak.",
};

/** The group under which a run is listed: everything before the last slash. */
export function groupOf(name: string): string {
  const at = name.lastIndexOf("/");
  return at < 0 ? "" : name.slice(0, at);
}

/** The directory that all names share, with its last slash; empty if there is none, or only one name. */
export function commonDirectory(names: string[]): string {
  if (names.length < 2) return "";
  let common = names[0]!.slice(0, names[0]!.lastIndexOf("/") + 1);
  for (const name of names) {
    while (!name.startsWith(common)) common = common.slice(0, common.lastIndexOf("/", common.length - 2) + 1);
  }
  return common;
}

/** The part of each name that tells it from the others: without the directory that all share. */
export function shortNames(names: string[]): string[] {
  const common = commonDirectory(names).length;
  return names.map((name) => name.slice(common) || name);
}

/** Keras counts epochs and batches from 1 on the screen and from 0 in its logs: the screen's number is shown. */
export function countsFromOne(axis: string): boolean {
  return axis === "epoch" || axis === "batch";
}

export function placeOf(axis: string, step: number): string {
  return `${axis} ${countsFromOne(axis) ? step + 1 : step.toLocaleString("en")}`;
}
