/** The runs of a sweep as a table: the measure, what was found, and the settings of each. Only the rows in sight are in the page. */

import type { VNode } from "preact";
import { useMemo, useRef } from "preact/hooks";
import type { RunEntry, SweepRuns } from "../api";
import { commonDirectory, formatNumber, SIGN } from "../format";
import { wordOf } from "../plot/parallel";
import { heuristics, MOST_COMPARED, select, sweepOrder } from "../store";
import { useRowsInSight } from "../visible";
import { Name } from "./RunList";

const ROW = 30;

interface Props {
  shown: SweepRuns;
  /** The places of the runs to show. */
  places: number[];
  entries: (RunEntry | undefined)[];
  picked: Set<string>;
  toggle: (name: string) => void;
}

const MEASURE = "measure";
const NAME = "run";
const FOUND = "found";

/** How two values of a column follow each other: what is missing comes last. */
function compared(a: string | number | boolean | null, b: string | number | boolean | null): number {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
}

/** The places in the order that is asked for: "measure", "run", "found" or a setting, with a minus in front downwards. */
export function ordered({ shown, places, entries }: Pick<Props, "shown" | "places" | "entries">, order: string): number[] {
  const down = order.startsWith("-");
  const by = order.replace(/^-/, "");
  const setting = shown.settings.find((one) => one.name === by);
  const valueOf = (place: number): string | number | boolean | null => {
    if (setting) return setting.values[place] ?? null;
    if (by === NAME) return shown.runs[place]!;
    if (by === FOUND) return entries[place] ? entries[place].counts.error * 1e6 + entries[place].counts.warning * 1e3 : null;
    return shown.best[place] ?? null;
  };
  return [...places].sort((a, b) => {
    const [x, y] = [valueOf(a), valueOf(b)];
    const by = compared(x, y);
    return (down && x !== null && y !== null ? -by : by) || a - b;
  });
}

function Found({ entry }: { entry: RunEntry | undefined }): VNode | null {
  if (!entry) return null;
  const places = [...entry.outcomes].flatMap((letter, i) => ("EW".includes(letter) ? [{ letter, page: heuristics.value[i] }] : []));
  const first = places.find(({ letter }) => letter === "E") ?? places[0];
  if (!first?.page) return <span class="hint">{entry.headline.kind === "fine" ? "nothing" : ""}</span>;
  const severity = first.letter === "E" ? "error" : "warning";
  return (
    <button type="button" class="link" onClick={() => select(entry.name, first.page!.id)} title={places.map(({ page }) => page?.title).join("\n")}>
      <span class={`sign ${severity}`} aria-hidden="true">
        {SIGN[severity]}
      </span>{" "}
      <span class="hidden-text">{severity}: </span>
      {first.page.title}
      {places.length > 1 && ` +${places.length - 1}`}
    </button>
  );
}

export function SweepTable({ shown, places, entries, picked, toggle }: Props): VNode {
  const scroller = useRef<HTMLDivElement>(null);
  const order = sweepOrder.value || (shown.higher ? `-${MEASURE}` : MEASURE);
  const rows = useMemo(() => ordered({ shown, places, entries }, order), [shown, places, entries, order]);
  const common = useMemo(() => commonDirectory(shown.runs), [shown]);
  const stops = useMemo(() => new Map(shown.stops.map(({ run, reason }) => [run, reason])), [shown]);
  const [first, last] = useRowsInSight(scroller, ROW, rows.length);
  const head = (by: string, label: string, title: string): VNode => {
    const sorted = order === by ? "ascending" : order === `-${by}` ? "descending" : "none";
    return (
      <div role="columnheader" aria-sort={sorted} class={by === NAME ? "cell named-cell" : by === FOUND ? "cell found-cell" : "cell"} title={title}>
        <button type="button" onClick={() => (sweepOrder.value = order === by ? `-${by}` : by)}>
          {label}
          <span aria-hidden="true">{sorted === "ascending" ? " ↑" : sorted === "descending" ? " ↓" : ""}</span>
        </button>
      </div>
    );
  };
  return (
    <div class="scroller sweep-table" ref={scroller} role="table" aria-label="Runs and their settings" aria-rowcount={rows.length + 1} tabIndex={0} style={{ "--row": `${ROW}px` }}>
      <div role="rowgroup" class="sweep-head">
        <div role="row">
          {head(NAME, "run", "the name of the run")}
          {shown.measure && head(MEASURE, shown.measure, `the best ${shown.measure}`)}
          {head(FOUND, "found", "errors and warnings")}
          {shown.settings.map(({ name, summary, verdict }) => head(name, name, `${name}: ${summary}${verdict && `; ${verdict}`}`))}
        </div>
      </div>
      <div role="rowgroup" class="sweep-body" style={{ height: `${rows.length * ROW}px` }}>
        {rows.slice(first, last).map((place, i) => {
          const name = shown.runs[place]!;
          return (
            <div role="row" key={name} aria-rowindex={first + i + 2} style={{ top: `${(first + i) * ROW}px` }}>
              <div role="rowheader" class="cell named-cell">
                <input
                  type="checkbox"
                  aria-label={`Compare ${name}`}
                  checked={picked.has(name)}
                  disabled={!picked.has(name) && picked.size >= MOST_COMPARED}
                  onChange={() => toggle(name)}
                />
                <button type="button" class="link" data-run={name} title={name} onClick={() => select(name)}>
                  <Name>{name.slice(common.length)}</Name>
                </button>
              </div>
              {shown.measure && (
                <div role="cell" class="cell number">
                  {formatNumber(shown.best[place])}
                  {stops.has(place) && (
                    <span class="stoppable" title={stops.get(place)}>
                      stop<span class="hidden-text">: {stops.get(place)}</span>
                    </span>
                  )}
                </div>
              )}
              <div role="cell" class="cell found-cell">
                <Found entry={entries[place]} />
              </div>
              {shown.settings.map(({ values }) => (
                <div role="cell" class={typeof values[place] === "number" ? "cell number" : "cell"} title={wordOf(values[place] ?? null)}>
                  {values[place] === null ? <span class="hint">–</span> : wordOf(values[place] ?? null)}
                </div>
              ))}
            </div>
          );
        })}
      </div>
    </div>
  );
}
