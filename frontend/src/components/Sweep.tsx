/** The runs of one program: which settings separate the good ones from the bad ones, as sentences, as a picture and as a table. */

import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { fetchSweep, type Said, type SweepRuns } from "../api";
import { useFetched } from "../fetched";
import { plural } from "../format";
import { axisOf, type Brushes, inside, placesOf, stillThere } from "../plot/parallel";
import { allRuns, compareAll, heuristics, openSweep, runs, shownRuns, sweepProgram, sweepSaid } from "../store";
import { Parallel } from "./Parallel";
import { RunFilter, SharedFaults } from "./RunList";
import { SweepTable } from "./SweepTable";

const MOST_AXES = 7; // that have room beside one another
const MOST_STEPS = 4; // in which the answer follows while the runs are still reviewed
const LIVE_SECONDS = 20; // after which the measures of live runs are asked for again
const STOPS = "stops";

/** Changes when the answer may be another one. Of live runs the findings count at once, the measures now and then. */
function versionOf(): string {
  const known = runs.value;
  if (!known) return "";
  const { done, total } = known.progress;
  if (done < total) return `${Math.floor((MOST_STEPS * done) / total)}`;
  const live = known.runs.some((run) => run.state === "live") ? Math.floor(known.now / LIVE_SECONDS) : 0;
  return `${live} ${known.runs.map((run) => run.fingerprint.slice(0, 6)).join("")}`;
}

/** What a sentence is about: after an update it may stand elsewhere, with other counts. */
const keyOf = ({ outcome, settings }: Said): string => [outcome, ...settings].join("|");

function Sentences({ shown }: { shown: SweepRuns }): VNode {
  const entry = (key: string, text: string, hint: string): VNode => (
    <li>
      <button type="button" class="sentence" aria-pressed={sweepSaid.value === key} onClick={() => (sweepSaid.value = sweepSaid.value === key ? "" : key)}>
        {text}
      </button>
      {hint && <span class="hint">{hint}</span>}
    </li>
  );
  return (
    <>
      <ul class="sentences" aria-label="What the runs show">
        {shown.statements.map((said) => entry(keyOf(said), said.text, `chance: ${percent(said.chance)}`))}
        {shown.saved && entry(STOPS, shown.saved, "")}
      </ul>
      {shown.note && <p class="note">{shown.note}</p>}
    </>
  );
}

function percent(part: number): string {
  return part < 0.001 ? "below 0.1 %" : `${Number((100 * part).toPrecision(2))} %`;
}

function Axes({ shown, names, choose }: { shown: SweepRuns; names: string[]; choose: (names: string[]) => void }): VNode | null {
  if (shown.settings.length <= 1) return null;
  return (
    <details class="choose-axes">
      <summary>Settings in the picture ({names.length} of {shown.settings.length})</summary>
      <ul>
        {shown.settings.map(({ name, summary }) => (
          <li>
            <label title={summary}>
              <input
                type="checkbox"
                checked={names.includes(name)}
                disabled={!names.includes(name) && names.length >= MOST_AXES}
                onChange={() => choose(names.includes(name) ? names.filter((one) => one !== name) : [...names, name])}
              />{" "}
              {name}
            </label>
          </li>
        ))}
      </ul>
    </details>
  );
}

function Shown({ shown }: { shown: SweepRuns }): VNode {
  const [checked, pick] = useState<string[]>([]);
  const picked = checked.filter((name) => shown.runs.includes(name));
  const [marked, mark] = useState<Brushes>(new Map());
  const [wanted, want] = useState<string[] | null>(null);
  const names = (wanted ?? shown.settings.map(({ name }) => name)).filter((name) => shown.settings.some((one) => one.name === name)).slice(0, MOST_AXES);
  const [axes, places] = useMemo(() => {
    const columns = names.map((name) => shown.settings.find((one) => one.name === name)!.values);
    const measure = shown.measure ? [shown.best] : [];
    const all = [...names.map((name, i) => axisOf(name, columns[i]!)), ...measure.map((values) => axisOf(shown.measure, values))];
    return [all, placesOf(all, [...columns, ...measure], shown.runs.length)] as const;
  }, [shown, names.join("\n")]);
  const brushes = useMemo(() => stillThere(marked, axes), [marked, axes]);
  const entries = useMemo(() => {
    const known = new Map(allRuns.value.map((run) => [run.name, run]));
    return shown.runs.map((name) => known.get(name));
  }, [shown, allRuns.value]);
  const said = shown.statements.find((one) => keyOf(one) === sweepSaid.value);
  const check = said ? heuristics.value.findIndex((page) => page.id === said.outcome) : -1;
  const bad = useMemo(() => {
    const has = (letters: string | undefined): boolean => /[EW]/.test((check < 0 ? letters : letters?.[check]) ?? "");
    return new Set(entries.flatMap((entry, i) => (has(entry?.outcomes) ? [i] : [])));
  }, [entries, check]);
  const chosen = useMemo(() => {
    const fitting = new Set(shownRuns.value.map((run) => run.name));
    const stops = sweepSaid.value === STOPS && shown.saved ? new Set(shown.stops.map(({ run }) => run)) : null;
    const among = said ? new Set(said.runs) : stops;
    return new Set(shown.runs.flatMap((name, i) => (fitting.has(name) && (!among || among.has(i)) && inside(places, axes, i, brushes) ? [i] : [])));
  }, [shown, shownRuns.value, said, sweepSaid.value, places, axes, brushes]);
  const table = useMemo(() => [...chosen], [chosen]);
  const badly = check < 0 ? "with an error or a warning" : `with “${heuristics.value[check]!.title}”`;
  const description =
    `Parallel axes of ${axes.map((axis) => axis.name).join(", ")}: ${plural(chosen.size, "run")} of ${shown.runs.length}, ` +
    `${table.filter((run) => bad.has(run)).length} of them ${badly}. The table below has the values.`;
  return (
    <>
      <Sentences shown={shown} />
      {axes.length > 1 && (
        <Parallel
          axes={axes}
          places={places}
          runs={shown.runs.length}
          chosen={chosen}
          bad={bad}
          shaded={said?.runs ?? []}
          shadedAxes={said?.settings ?? []}
          brushes={brushes}
          onBrush={(name, part) => mark((before) => new Map([...[...before].filter(([other]) => other !== name), ...(part ? [[name, part] as const] : [])]))}
          description={description}
          badly={badly}
        />
      )}
      <div class="sweep-tools">
        <RunFilter />
        <SharedFaults />
        <span class="note" role="status">
          {chosen.size === shown.runs.length ? plural(chosen.size, "run") : `${chosen.size} of ${plural(shown.runs.length, "run")}`}
        </span>
        <Axes shown={shown} names={names} choose={want} />
        <button type="button" disabled={picked.length < 2} onClick={() => compareAll(picked)}>
          {picked.length < 2 ? "Compare: check two runs or more" : `Compare ${plural(picked.length, "run")}`}
        </button>
      </div>
      <SweepTable
        shown={shown}
        places={table}
        entries={entries}
        picked={new Set(picked)}
        toggle={(name) => pick(picked.includes(name) ? picked.filter((one) => one !== name) : [...picked, name])}
      />
      {shown.left_out > 0 && <p class="note">{plural(shown.left_out, "more setting")} are not shown.</p>}
    </>
  );
}

export function Sweep(): VNode {
  const { answer, failure } = useFetched(() => fetchSweep(sweepProgram.value), [sweepProgram.value, versionOf()]);
  const shown = answer?.shown ?? null;
  return (
    <main class="sweep" tabIndex={-1} aria-label="Sweep">
      <div class="run-head">
        <h2>{shown ? `${plural(shown.runs.length, "training run")} ${shown.program}` : "Sweep"}</h2>
        {answer && answer.programs.length > 1 && (
          <label>
            Program{" "}
            <select value={shown?.program} onChange={(event) => openSweep(event.currentTarget.value)}>
              {answer.programs.map(({ name, runs: count }) => (
                <option value={name}>
                  {name} ({count})
                </option>
              ))}
            </select>
          </label>
        )}
        {shown && (
          <span class="note">
            {shown.troubled || "none"} with an error or a warning{shown.measure && `; measured by ${shown.measure}`}
          </span>
        )}
      </div>
      {failure && <p class="note problem">{failure}</p>}
      {!answer && !failure && <p class="note" role="status">Comparing the runs …</p>}
      {answer && !shown && <p class="note">A sweep is several runs of one program, and here is none. Runs belong together if the same file trained them, or their losses have the same tag.</p>}
      {shown && <Shown key={shown.program} shown={shown} />}
    </main>
  );
}
