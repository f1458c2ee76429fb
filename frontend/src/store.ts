/** The one store: what is known, what is selected, and how both are kept current. */

import { computed, effect, signal } from "@preact/signals";
import { fetchHeuristics, fetchReview, fetchRuns, ServerError, type HeuristicPage, type Review, type RunEntry, type Runs } from "./api";
import { onLinkChange, onReload, readLink, writeLink } from "./parentPage";

export type View = "findings" | "catalogue";

export const runs = signal<Runs | null>(null);
export const review = signal<Review | null>(null);
export const heuristics = signal<HeuristicPage[]>([]);
export const problem = signal<string | null>(null);
export const filter = signal("");
export const view = signal<View>("findings");
export const selected = signal("");
export const heuristicId = signal("");

const POLL_LIVE = 5_000;
const POLL_FINISHED = 30_000;

const RANK = { trouble: 0, info: 1, early: 2, unknown: 3, fine: 4 } as const;

/** Worst first: by kind of headline, then by number of errors and warnings, then by name. */
export function worstFirst(a: RunEntry, b: RunEntry): number {
  return (
    RANK[a.headline.kind] - RANK[b.headline.kind] ||
    b.counts.error - a.counts.error ||
    b.counts.warning - a.counts.warning ||
    (a.name < b.name ? -1 : 1)
  );
}

export const shownRuns = computed(() => {
  const wanted = filter.value.trim().toLowerCase();
  return (runs.value?.runs ?? []).filter((run) => run.name.toLowerCase().includes(wanted));
});

export const totals = computed(() => {
  const sum = { error: 0, warning: 0, info: 0 };
  for (const run of runs.value?.runs ?? []) {
    sum.error += run.counts.error;
    sum.warning += run.counts.warning;
    sum.info += run.counts.info;
  }
  return sum;
});

export const selectedEntry = computed(() => runs.value?.runs.find((run) => run.name === selected.value));

let shownFingerprint = "";
let chosen = false; // by a click or a link; else the worst run is shown

async function loadReview(): Promise<void> {
  const name = selected.value;
  const fingerprint = selectedEntry.value?.fingerprint ?? "";
  if (!name || (review.value?.name === name && fingerprint === shownFingerprint)) return;
  try {
    const answer = await fetchReview(name);
    if (selected.value === name) {
      review.value = answer;
      shownFingerprint = fingerprint;
      problem.value = null;
    }
  } catch (error) {
    problem.value = error instanceof Error ? error.message : String(error);
    if (selected.value === name && review.value?.name !== name) review.value = null;
  }
}

let loading = false;

export async function refresh(): Promise<void> {
  if (loading) return;
  loading = true;
  try {
    const answer = await fetchRuns();
    runs.value = answer;
    if (heuristics.value.length === 0) heuristics.value = (await fetchHeuristics()).heuristics;
    problem.value = null;
    const done = answer.progress.looked && answer.progress.done === answer.progress.total;
    const gone = !answer.runs.some((run) => run.name === selected.value);
    if (done && (!selected.value || (gone && !chosen))) {
      const worst = [...answer.runs].sort(worstFirst)[0];
      if (worst) selected.value = worst.name;
    }
    await loadReview();
  } catch (error) {
    problem.value = error instanceof ServerError ? error.message : "TensorBoard does not answer. Is it still running?";
  } finally {
    loading = false;
  }
}

export function select(run: string): void {
  selected.value = run;
  chosen = true;
  view.value = "findings";
  void loadReview();
}

export function openHeuristic(id: string): void {
  heuristicId.value = id;
  view.value = "catalogue";
}

function followLink(): void {
  const link = readLink();
  view.value = link["view"] === "catalogue" ? "catalogue" : "findings";
  heuristicId.value = link["heuristic"] ?? "";
  if (link["run"]) {
    selected.value = link["run"];
    chosen = true;
    void loadReview();
  }
}

function visible(): boolean {
  return document.visibilityState === "visible" && window.innerHeight > 0;
}

function pollInterval(): number {
  const known = runs.value;
  const quiet = known !== null && known.runs.length > 0 && known.runs.every((run) => run.state === "finished");
  return quiet && known.progress.done === known.progress.total ? POLL_FINISHED : POLL_LIVE;
}

export function start(): void {
  followLink();
  onLinkChange(followLink);
  onReload(() => void refresh());
  effect(() => {
    writeLink({
      run: selected.value,
      view: view.value === "findings" ? "" : view.value,
      heuristic: view.value === "catalogue" ? heuristicId.value : "",
    });
  });
  const poll = async (): Promise<void> => {
    if (visible()) await refresh();
    const first = runs.value === null || !runs.value.progress.looked || runs.value.progress.done < runs.value.progress.total;
    setTimeout(() => void poll(), first ? 500 : pollInterval());
  };
  void poll();
}
