/** The one store: what is known, what is selected, and how both are kept current. */

import { batch, computed, effect, signal } from "@preact/signals";
import { fetchHeuristics, fetchReview, fetchRuns, ServerError, type HeuristicPage, type Review, type Runs } from "./api";
import { parseSpan } from "./plot/points";
import { hidden, loadHidden, withoutHidden } from "./hidden";
import { newsOf } from "./news";
import { announce, notifying, watchNotices } from "./notices";
import { onLinkChange, onReload, readLink, visible, writeLink } from "./parentPage";
import { filtered, sharedFaults } from "./filter";
import { countAll, merged, worstFirst } from "./runs";

export const VIEWS = ["findings", "checks", "sweep", "compare", "catalogue"] as const;
export type View = (typeof VIEWS)[number];

export const runs = signal<Runs | null>(null);
export const review = signal<Review | null>(null);
export const heuristics = signal<HeuristicPage[]>([]);
/** The title of a check; its id if the catalogue is not loaded. */
export const titleOf = (id: string): string => heuristics.value.find((page) => page.id === id)?.title ?? id;
export const problem = signal<string | null>(null);
export const filter = signal("");
export const view = signal<View>("findings");
export const selected = signal("");
export const heuristicId = signal("");
/** The run that `selected` is compared with. */
export const other = signal("");
/** More runs to compare `selected` and `other` with: names. */
export const also = signal<string[]>([]);
export const MOST_COMPARED = 8; // runs, as the server
/** The part of the curve of `heuristicId` that a link asks for. */
export const zoomed = signal<[number, number] | null>(null);
/** The id of the question whose answer is open. */
export const asked = signal("");
/** The statistic of "Inside the model" that is shown; empty if that is closed. */
export const inside = signal("");
/** The order of runs x checks: "worst", "name", or the id of a check; and whether checks without any finding are shown. */
export const sortedBy = signal("worst");
export const allChecks = signal(false);
/** The sweep that is shown: its program (empty: the largest), the sentence that is marked, and the column that sorts its runs. */
export const sweepProgram = signal("");
export const sweepSaid = signal("");
export const sweepOrder = signal("");

const POLL = 2_000; // a new run is seen within 5 s of its first event, of which the server needs a part
const PATIENCE = 1_000; // then the worst run so far is shown, even if not all are reviewed

/** All runs, without what is hidden in this browser. */
export const allRuns = computed(() => {
  const all = [...(runs.value?.runs ?? [])].sort(worstFirst);
  if (hidden.value.length === 0) return all;
  const order = heuristics.value.map((page) => page.id);
  return all.map((run) => withoutHidden(run, hidden.value, order, titleOf)).sort(worstFirst);
});
export const shownRuns = computed(() => filtered(allRuns.value, filter.value, heuristics.value));
export const shared = computed(() => sharedFaults(shownRuns.value, heuristics.value));
export const totals = computed(() => countAll(allRuns.value));
export const selectedEntry = computed(() => runs.value?.runs.find((run) => run.name === selected.value));

let shownVersion = "";
let chosen = false; // by a click or a link; else the worst run is shown

async function loadReview(): Promise<void> {
  const name = selected.value;
  // what a live run is (its length, its last metric) changes with each event, what was found in it does not
  const version = `${selectedEntry.value?.fingerprint} ${selectedEntry.value?.last_event}`;
  if (!name || (review.value?.name === name && version === shownVersion)) return;
  try {
    const answer = await fetchReview(name);
    if (selected.value === name) {
      review.value = answer;
      shownVersion = version;
      problem.value = null;
    }
  } catch (error) {
    problem.value = error instanceof Error ? error.message : String(error);
    if (selected.value === name && review.value?.name !== name) review.value = null;
  }
}

let loading = false;
let begun = 0; // when the page was opened, by its own clock

export async function refresh(): Promise<void> {
  if (loading) return;
  loading = true;
  try {
    const [news, catalogue] = await Promise.all([
      fetchRuns(runs.value?.cursor ?? ""),
      heuristics.value.length === 0 ? fetchHeuristics() : null,
    ]);
    const before = runs.value;
    const answer = merged(before, news);
    loadHidden(answer.logdir);
    batch(() => {
      if (catalogue) heuristics.value = catalogue.heuristics;
      runs.value = answer;
    });
    problem.value = null;
    const done = answer.progress.looked && answer.progress.done === answer.progress.total;
    const gone = !answer.runs.some((run) => run.name === selected.value);
    if ((done || performance.now() - begun > PATIENCE) && (!selected.value || (gone && done && !chosen))) {
      const worst = [...answer.runs].sort(worstFirst)[0];
      if (worst) selected.value = worst.name;
    }
    if (before && news.removed !== null) {
      announce(newsOf(before.runs, news.runs), view.value === "findings" ? selected.value : "", select);
    }
    await loadReview();
  } catch (error) {
    problem.value = error instanceof ServerError ? error.message : "TensorBoard does not answer. Is it still running?";
  } finally {
    loading = false;
  }
}

/** Open a run, at the outcome of one check if that is given. */
export function select(run: string, heuristic = ""): void {
  batch(() => {
    selected.value = run;
    heuristicId.value = heuristic;
    zoomed.value = null;
    asked.value = "";
    view.value = "findings";
  });
  chosen = true;
  void loadReview();
}

/** Choose the two runs to compare. */
export function compare(before: string, after: string): void {
  batch(() => {
    selected.value = before;
    other.value = after;
    also.value = [];
    view.value = "compare";
  });
  chosen = true;
  void loadReview();
}

/** Open the sweep of another program, of which other things are said. */
export function openSweep(program: string): void {
  batch(() => {
    sweepProgram.value = program;
    sweepSaid.value = "";
    sweepOrder.value = "";
  });
}

/** Choose two to eight runs to compare. */
export function compareAll(names: string[]): void {
  const [before, after, ...others] = names;
  if (!before || !after) return;
  batch(() => {
    compare(before, after);
    also.value = others.slice(0, MOST_COMPARED - 2);
  });
}

/** Add a run to those that are compared, or take it out again. */
export function toggleCompared(name: string): void {
  if (name === selected.value || name === other.value) return;
  const without = also.value.filter((one) => one !== name);
  also.value = without.length < also.value.length ? without : [...also.value, name].slice(0, MOST_COMPARED - 2);
}

export function openHeuristic(id: string): void {
  batch(() => {
    heuristicId.value = id;
    view.value = "catalogue";
  });
}

function followLink(): void {
  const link = readLink();
  view.value = VIEWS.find((name) => name === link["view"]) ?? "findings";
  heuristicId.value = link["heuristic"] ?? "";
  other.value = link["with"] ?? "";
  also.value = (link["also"] ?? "").split("\n").filter(Boolean).slice(0, MOST_COMPARED - 2);
  asked.value = link["why"] ?? "";
  inside.value = link["inside"] ?? "";
  zoomed.value = parseSpan(link["zoom"] ?? "");
  filter.value = link["filter"] ?? "";
  sortedBy.value = link["sort"] || "worst";
  allChecks.value = link["all"] === "1";
  sweepProgram.value = link["program"] ?? "";
  sweepSaid.value = link["said"] ?? "";
  sweepOrder.value = link["order"] ?? "";
  if (link["run"]) {
    selected.value = link["run"];
    chosen = true;
    void loadReview();
  }
}

export function start(): void {
  begun = performance.now();
  followLink();
  watchNotices();
  onLinkChange(followLink);
  onReload(() => void refresh());
  let [place, placed] = ["", false]; // what the address says, and whether it names a run yet
  effect(() => {
    const [matrix, comparing, sweeping] = [view.value === "checks", view.value === "compare", view.value === "sweep"];
    const to = {
      run: selected.value,
      view: view.value === "findings" ? "" : view.value,
      heuristic: matrix || comparing || sweeping ? "" : heuristicId.value,
      with: comparing ? other.value : "",
      also: comparing ? also.value.join("\n") : "",
      program: sweeping ? sweepProgram.value : "",
    };
    const looks = {
      filter: filter.value,
      sort: matrix && sortedBy.value !== "worst" ? sortedBy.value : "",
      all: matrix && allChecks.value ? "1" : "",
      said: sweeping ? sweepSaid.value : "",
      order: sweeping ? sweepOrder.value : "",
      why: view.value === "findings" ? asked.value : "",
      inside: view.value === "findings" ? inside.value : "",
      zoom: view.value === "findings" ? (zoomed.value?.join("-") ?? "") : "",
    };
    const moved = JSON.stringify(to) !== place;
    writeLink({ ...to, ...looks }, moved && placed);
    [place, placed] = [JSON.stringify(to), to.run !== ""];
  });
  const poll = async (): Promise<void> => {
    if (visible() || notifying.value) await refresh();
    const first = runs.value === null || !runs.value.progress.looked || runs.value.progress.done < runs.value.progress.total;
    setTimeout(() => void poll(), first ? 500 : POLL);
  };
  void poll();
}
