/** The list of training runs, grouped by directory, with what was found in each. */

import type { VNode } from "preact";
import type { RunEntry } from "../api";
import { groupOf, plural, SIGN } from "../format";
import { filter, runs, select, selected, shownRuns } from "../store";

function Counts({ run }: { run: RunEntry }): VNode {
  const { error, warning, info } = run.counts;
  if (error + warning + info === 0) {
    const fine = run.headline.kind === "fine";
    return (
      <span class={`count ${fine ? "passed" : "unknown"}`}>
        <span aria-hidden="true">{fine ? "✓" : "○"}</span>
        <span class="hidden-text">{fine ? "nothing wrong found" : "not judged yet"}</span>
      </span>
    );
  }
  return (
    <span class="counts">
      {(["error", "warning", "info"] as const)
        .filter((severity) => run.counts[severity] > 0)
        .map((severity) => (
          <span class={`count ${severity}`}>
            <span aria-hidden="true">
              {SIGN[severity]} {run.counts[severity]}
            </span>
            <span class="hidden-text">{plural(run.counts[severity], severity)}</span>
          </span>
        ))}
    </span>
  );
}

export function RunList(): VNode {
  const groups = new Map<string, RunEntry[]>();
  for (const run of shownRuns.value) {
    const group = groupOf(run.name);
    groups.set(group, [...(groups.get(group) ?? []), run]);
  }
  return (
    <nav class="runs" aria-label="Training runs">
      <input
        type="search"
        placeholder="Filter runs"
        aria-label="Filter runs"
        value={filter.value}
        onInput={(event) => (filter.value = event.currentTarget.value)}
      />
      {[...groups].map(([group, members]) => (
        <div class="group">
          {group && <h2>{group}</h2>}
          <ul>
            {members.map((run) => (
              <li>
                <button
                  type="button"
                  data-run={run.name}
                  class={run.name === selected.value ? "run selected" : "run"}
                  aria-current={run.name === selected.value ? "true" : undefined}
                  onClick={() => select(run.name)}
                  title={run.headline.text}
                >
                  <span class="name">{group ? run.name.slice(group.length + 1) : run.name}</span>
                  {run.state === "live" && <span class="live">live</span>}
                  <Counts run={run} />
                </button>
              </li>
            ))}
          </ul>
        </div>
      ))}
      {shownRuns.value.length === 0 && (runs.value?.runs.length ?? 0) > 0 && <p class="note">No run has “{filter.value}” in its name.</p>}
    </nav>
  );
}
