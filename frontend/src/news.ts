/** What is new in live trainings between two answers of the server. Pure functions. */

import type { RunEntry } from "./api";

export interface News {
  run: string;
  kind: "error" | "ended";
  text: string;
}

/** New errors of runs that are or were live, and runs that have ended; `changed` is what the server sent since `before`. */
export function newsOf(before: RunEntry[], changed: RunEntry[]): News[] {
  const known = new Map(before.map((run) => [run.name, run]));
  return changed.flatMap((run): News[] => {
    const old = known.get(run.name);
    const live = run.state === "live";
    if (!live && old?.state !== "live") return [];
    const news: News[] = [];
    if (run.counts.error > (old?.counts.error ?? 0)) news.push({ run: run.name, kind: "error", text: run.headline.text });
    if (!live) news.push({ run: run.name, kind: "ended", text: `The training has ended. ${run.headline.text}` });
    return news;
  });
}

/** The age of the last value of a run, by the server's clock; empty where it is not known. */
export function ageOf(run: RunEntry, now: number | undefined): string {
  return run.last_event === null || now === undefined ? "" : age(now - run.last_event);
}

/** "12 s", "3 min", "5 h", "2 d": how long ago something was. */
export function age(seconds: number): string {
  if (seconds < 100) return `${Math.max(Math.round(seconds), 0)} s`;
  if (seconds < 6_000) return `${Math.round(seconds / 60)} min`;
  if (seconds < 172_800) return `${Math.round(seconds / 3_600)} h`;
  return `${Math.round(seconds / 86_400)} d`;
}
