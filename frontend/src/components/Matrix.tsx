/** Runs x checks: the outcome of every check in every run. A click opens the run at that check. */

import type { JSX, VNode } from "preact";
import { useMemo, useRef, useState } from "preact/hooks";
import type { RunEntry } from "../api";
import { commonDirectory, plural } from "../format";
import { columns, outcomeOf, sorted } from "../matrix";
import { allChecks, heuristics, openHeuristic, runs, select, shownRuns, sortedBy } from "../store";
import { bringIntoSight, useRowsInSight } from "../visible";
import { Name, RunFilter, SharedFaults } from "./RunList";
import { Text } from "./Text";

const ROW = 30;
const HEAD = 210; // pixels: titles of checks are vertical

const MOVES: Record<string, [number, number]> = {
  ArrowUp: [-1, 0],
  ArrowDown: [1, 0],
  ArrowLeft: [0, -1],
  ArrowRight: [0, 1],
  PageUp: [-20, 0],
  PageDown: [20, 0],
  Home: [0, -Infinity],
  End: [0, Infinity],
};

function Head({ shown, active }: { shown: number[]; active: (row: number, column: number) => object }): VNode {
  const sortButton = (by: string, label: string, column: number): VNode => (
    <button type="button" onClick={() => (sortedBy.value = by)} aria-label={`Sort by ${label}`} {...active(0, column)}>
      {label}
    </button>
  );
  const direction = (by: string): "ascending" | "none" => (sortedBy.value === by ? "ascending" : "none");
  return (
    <div role="row" class="matrix-head" aria-rowindex={1}>
      <div role="columnheader" class="corner" aria-sort={direction("name")}>
        {sortButton(sortedBy.value === "worst" ? "name" : "worst", sortedBy.value === "worst" ? "Run, worst first" : "Run", 0)}
      </div>
      {shown.map((place, i) => {
        const { id, title } = heuristics.value[place]!;
        return (
          <div role="columnheader" class="check" aria-sort={direction(id)} title={`${title} (${id})`}>
            {sortButton(id, title, i + 1)}
          </div>
        );
      })}
      <div role="columnheader" class="said">
        Summary
      </div>
    </div>
  );
}

export function Matrix(): VNode {
  const scroller = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState<[number, number]>([1, 1]); // the cell with the keyboard focus; row 0 is the head, column 0 holds the names
  const pages = heuristics.value;
  const shown = useMemo(() => columns(shownRuns.value, pages.length, allChecks.value), [shownRuns.value, pages, allChecks.value]);
  const rows = useMemo(() => {
    const place = pages.findIndex((page) => page.id === sortedBy.value);
    return sorted(shownRuns.value, place >= 0 ? place : sortedBy.value === "name" ? "name" : "worst");
  }, [shownRuns.value, pages, sortedBy.value]);
  const common = useMemo(() => commonDirectory(rows.map((run) => run.name)), [rows]);
  const [first, last] = useRowsInSight(scroller, ROW, rows.length);
  const row = Math.min(at[0], rows.length);
  const column = Math.min(at[1], shown.length);
  const active = (r: number, c: number) => ({
    "data-at": `${r}/${c}`,
    tabIndex: r === row && c === column ? 0 : -1,
    onFocus: () => setAt([r, c]),
  });
  const move = (event: JSX.TargetedKeyboardEvent<HTMLDivElement>): void => {
    const by = MOVES[event.key];
    const element = scroller.current;
    if (!by || !element) return;
    event.preventDefault();
    const to: [number, number] = [
      Math.min(Math.max(row + by[0], 0), rows.length),
      Math.min(Math.max(column + by[1], 0), shown.length),
    ];
    setAt(to);
    // the head is always in sight
    bringIntoSight(element, Math.max(to[0] - 1, 0), ROW, HEAD, `[data-at="${to[0]}/${to[1]}"]`);
  };
  const cells = (run: RunEntry, r: number): VNode[] =>
    shown.map((place, i) => {
      const { id, title } = pages[place]!;
      const outcome = outcomeOf(run.outcomes[place]);
      return (
        <div role="gridcell">
          <button
            type="button"
            class={`outcome ${outcome.kind}`}
            aria-label={`${title}: ${outcome.word}`}
            onClick={() => select(run.name, id)}
            {...active(r, i + 1)}
          >
            {outcome.sign}
          </button>
        </div>
      );
    });
  return (
    <main class="matrix" tabIndex={-1} aria-label="Runs and checks">
      <div class="matrix-tools">
        <RunFilter />
        <SharedFaults />
        <span class="note">
          {plural(rows.length, "run")}
          {common && <> in {common}</>}, {shown.length} of {plural(pages.length, "check")}
        </span>
        <label>
          <input type="checkbox" checked={allChecks.value} onChange={(event) => (allChecks.value = event.currentTarget.checked)} /> also
          checks without a finding
        </label>
        <Legend />
      </div>
      <div
        class="scroller"
        ref={scroller}
        role="grid"
        aria-label="Outcome of every check in every run"
        aria-rowcount={rows.length + 1}
        aria-colcount={shown.length + 2}
        onKeyDown={move}
        style={{ "--row": `${ROW}px`, "--head": `${HEAD}px`, "--columns": shown.length }}
      >
        <Head shown={shown} active={active} />
        <div class="matrix-body" role="rowgroup" style={{ height: `${rows.length * ROW}px` }}>
          {rows.slice(first, last).map((run, i) => {
            const r = first + i + 1;
            return (
              <div role="row" class="matrix-row" key={run.name} aria-rowindex={r + 1} style={{ top: `${(r - 1) * ROW}px` }}>
                <div role="rowheader">
                  <button type="button" class="link" data-run={run.name} title={`${run.name}\n${run.headline.text}`} onClick={() => select(run.name)} {...active(r, 0)}>
                    <Name>{run.name.slice(common.length)}</Name>
                  </button>
                </div>
                {cells(run, r)}
                <div role="gridcell" class="said">
                  <Text>{run.headline.text}</Text>
                </div>
              </div>
            );
          })}
        </div>
      </div>
      {rows.length === 0 && runs.value !== null && <p class="note">No run to show.</p>}
      {shown.length === 0 && rows.length > 0 && pages.length > 0 && (
        <p class="note">
          No check has a finding in these runs. <button type="button" class="link" onClick={() => openHeuristic("")}>What is checked?</button>
        </p>
      )}
    </main>
  );
}

function Legend(): VNode {
  return (
    <ul class="legend" aria-label="Signs">
      {["E", "W", "I", "+", "?", "-"].map((letter) => {
        const { sign, word, kind } = outcomeOf(letter);
        return (
          <li>
            <span class={`count ${kind}`} aria-hidden="true">
              {sign}
            </span>{" "}
            {word}
          </li>
        );
      })}
      <li>
        <span aria-hidden="true">○ △</span> consequence of another finding
      </li>
    </ul>
  );
}
