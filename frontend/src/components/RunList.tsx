/** The list of training runs, grouped by directory, with the findings of each. Only the rows in sight are in the page. */

import type { JSX, VNode } from "preact";
import { useEffect, useMemo, useRef } from "preact/hooks";
import type { RunEntry } from "../api";
import { groupOf, plural, SIGN } from "../format";
import { ageOf } from "../news";
import { grouped } from "../runs";
import { FILTER_HELP, hasWord, toggled } from "../filter";
import { filter, MOST_COMPARED, runs, select, selected, shared, shownRuns } from "../store";
import { bringIntoSight, useRowsInSight } from "../visible";

const ROW = 34;
const UNCUT = 22; // characters of a name that have room
const TAIL = 14; // characters at the end of a longer one that are never cut off
const MANY = 8; // runs: with fewer, shared faults are seen at a glance

function Counts({ run }: { run: RunEntry }): VNode {
  const { error, warning, info } = run.counts;
  if (error + warning + info === 0) {
    const fine = run.headline.kind === "fine";
    return (
      <span class={`count ${fine ? "passed" : "unknown"}`}>
        <span aria-hidden="true">{fine ? "✓" : "·"}</span>
        <span class="hidden-text">{fine ? "nothing wrong found" : "too little data to check"}</span>
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

/** Headings of groups and runs, in the order in which they are shown. */
function rowsOf(entries: RunEntry[]): (string | RunEntry)[] {
  return grouped(entries).flatMap(([group, members]) => (group ? [group, ...members] : members));
}

export interface Compared {
  names: string[];
  /** Those that cannot be taken out. */
  kept: string[];
  toggle: (name: string) => void;
}

interface RunProps {
  run: RunEntry;
  chosen: boolean;
  pick: (name: string) => void;
  compared?: Compared | undefined;
}

function Run({ run, chosen, pick, compared }: RunProps): VNode {
  const group = groupOf(run.name);
  return (
    <>
    {compared && (
      <input
        type="checkbox"
        aria-label={`Compare ${run.name}`}
        title="Compare this run, too"
        checked={compared.names.includes(run.name)}
        disabled={compared.kept.includes(run.name) || (!compared.names.includes(run.name) && compared.names.length >= MOST_COMPARED)}
        onChange={() => compared.toggle(run.name)}
      />
    )}
    <button
      type="button"
      data-run={run.name}
      class={chosen ? "run selected" : "run"}
      aria-current={chosen ? "true" : undefined}
      onClick={() => pick(run.name)}
      title={`${run.name}\n${run.headline.text}`}
    >
      <Name>{group ? run.name.slice(group.length + 1) : run.name}</Name>
      {run.state === "live" && <span class="live">live {ageOf(run, runs.value?.now)}</span>}
      <Counts run={run} />
    </button>
    </>
  );
}

/** A name of which the middle is cut where there is too little room: the end tells runs of a sweep apart. */
export function Name({ children }: { children: string }): VNode {
  if (children.length <= UNCUT) return <span class="name">{children}</span>;
  const at = children.length - TAIL;
  return (
    <span class="name cut">
      <span class="start">{children.slice(0, at)}</span>
      <span class="end">{children.slice(at)}</span>
    </span>
  );
}

export function RunFilter(): VNode {
  return (
    <input
      type="search"
      placeholder="Filter: name, finding …"
      aria-label="Filter runs"
      title={FILTER_HELP}
      value={filter.value}
      onInput={(event) => (filter.value = event.currentTarget.value)}
    />
  );
}

/** Faults that several runs share: a click shows these runs only. */
export function SharedFaults(): VNode | null {
  if (shared.value.length === 0 || (runs.value?.runs.length ?? 0) < MANY) return null;
  return (
    <ul class="shared" aria-label="Found in several runs">
      {shared.value.map(({ id, title, runs: count }) => {
        const word = `check:${id}`;
        return (
          <li>
            <button
              type="button"
              aria-pressed={hasWord(filter.value, word)}
              onClick={() => (filter.value = toggled(filter.value, word))}
              title={`${title}: ${plural(count, "run")}`}
            >
              <span class="name">{id}</span> <span>{count}</span>
            </button>
          </li>
        );
      })}
    </ul>
  );
}

interface ListProps {
  chosen?: string;
  pick?: (name: string) => void;
  compared?: Compared;
}

/** `chosen` is marked, a click picks another; those that are `compared` are checked. */
export function RunList({ chosen = selected.value, pick = select, compared }: ListProps): VNode {
  const scroller = useRef<HTMLDivElement>(null);
  const rows = useMemo(() => rowsOf(shownRuns.value), [shownRuns.value]);
  const [first, last] = useRowsInSight(scroller, ROW, rows.length);
  const place = rows.findIndex((row) => typeof row !== "string" && row.name === chosen);
  useEffect(() => {
    if (scroller.current && place >= 0) bringIntoSight(scroller.current, place, ROW, 0);
  }, [chosen, place >= 0]);
  const move = (event: JSX.TargetedKeyboardEvent<HTMLDivElement>): void => {
    const by = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    const element = scroller.current;
    const from = document.activeElement?.getAttribute("data-run");
    if (!by || !element || !from) return;
    event.preventDefault();
    let to = rows.findIndex((row) => typeof row !== "string" && row.name === from) + by;
    if (typeof rows[to] === "string") to += by;
    const row = rows[to];
    if (row === undefined || typeof row === "string") return;
    bringIntoSight(element, to, ROW, 0, `[data-run="${CSS.escape(row.name)}"]`);
  };
  return (
    <nav class="runs" aria-label="Training runs">
      <button type="button" class="skip" onClick={() => document.querySelector("main")?.focus()}>
        Skip the list of runs
      </button>
      <RunFilter />
      <SharedFaults />
      <div class="scroller" ref={scroller} onKeyDown={move} style={{ "--row": `${ROW}px` }}>
        <ul style={{ height: `${rows.length * ROW}px` }}>
          {rows.slice(first, last).map((row, i) => (
            <li
              key={typeof row === "string" ? `${row}/` : row.name}
              style={{ top: `${(first + i) * ROW}px` }}
              aria-setsize={rows.length}
              aria-posinset={first + i + 1}
            >
              {typeof row === "string" ? <h2 title={row}><Name>{row}</Name></h2> : <Run run={row} chosen={row.name === chosen} pick={pick} compared={compared} />}
            </li>
          ))}
        </ul>
      </div>
      {rows.length === 0 && (runs.value?.runs.length ?? 0) > 0 && <p class="note">No run fits “{filter.value}”. {FILTER_HELP}</p>}
    </nav>
  );
}
