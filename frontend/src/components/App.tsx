/** The tab: a bar with the totals, the list of runs, and the review of one. */

import type { VNode } from "preact";
import { plural, SIGN } from "../format";
import { hasWord, toggled } from "../filter";
import { filter, problem, review, runs, selected, totals, view, VIEWS, type View } from "../store";
import { Catalogue } from "./Catalogue";
import { Compare } from "./Compare";
import { Empty } from "./Empty";
import { Matrix } from "./Matrix";
import { NotifySwitch, Toasts } from "./Notices";
import { ReviewPane } from "./ReviewPane";
import { RunList } from "./RunList";
import { Shortcuts } from "./Shortcuts";
import { Sweep } from "./Sweep";

const LABELS: Record<View, string> = { findings: "Findings", checks: "Runs × checks", sweep: "Sweep", compare: "Compare", catalogue: "Catalogue" };

function Bar(): VNode {
  const known = runs.value;
  const { done, total } = known?.progress ?? { done: 0, total: 0 };
  return (
    <header class="bar">
      <h1>SCRAM</h1>
      <p class="totals" aria-label="Found in all runs">
        {(["error", "warning", "info"] as const)
          .filter((severity) => severity !== "info" || totals.value.info > 0)
          .map((severity) => (
            <button
              type="button"
              class={`count ${totals.value[severity] > 0 ? severity : "unknown"}`}
              disabled={totals.value[severity] === 0}
              aria-pressed={hasWord(filter.value, `is:${severity}`)}
              title={`Show only runs with ${severity === "info" ? "an info" : `a${severity === "error" ? "n" : ""} ${severity}`}`}
              onClick={() => (filter.value = toggled(filter.value, `is:${severity}`))}
            >
              <span aria-hidden="true">{SIGN[severity]}</span> {plural(totals.value[severity], severity)}
            </button>
          ))}
        <span>in {plural(total, "training run")}</span>
      </p>
      {known !== null && !known.progress.looked && known.progress.read.total > 0 && (
        <label class="progress">
          <progress max={known.progress.read.total} value={known.progress.read.done} aria-label="Reading" />{" "}
          {known.progress.read.done} of {known.progress.read.total} directories read
        </label>
      )}
      {done < total && (
        <label class="progress">
          <progress max={total} value={done} aria-label="Reviewing" /> {done} of {total} reviewed
        </label>
      )}
      {known?.runs.some((run) => run.state === "live") && <NotifySwitch />}
      <div class="views" role="group" aria-label="View">
        {VIEWS.map((name) => (
          <button type="button" aria-pressed={view.value === name} onClick={() => (view.value = name)}>
            {LABELS[name]}
          </button>
        ))}
      </div>
    </header>
  );
}

export function App(): VNode {
  const known = runs.value;
  const empty = known !== null && known.progress.looked && known.progress.total === 0;
  return (
    <div class="app">
      <Bar />
      {known?.notes.map((note) => <p class="note problem">{note}</p>)}
      {problem.value && known !== null && review.value?.name === selected.value && (
        <p class="note problem" role="status">{problem.value}</p>
      )}
      <div class="columns">
        {view.value === "catalogue" ? (
          <Catalogue />
        ) : empty ? (
          <Empty />
        ) : view.value === "checks" ? (
          <Matrix />
        ) : view.value === "sweep" ? (
          <Sweep />
        ) : view.value === "compare" ? (
          <Compare />
        ) : (
          <>
            <RunList />
            <ReviewPane />
          </>
        )}
      </div>
      <Toasts />
      <Shortcuts />
    </div>
  );
}
