/** Two training runs compared: what changed in the findings, the curves of both, and how models and settings differ. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { fetchComparison, type Change, type Comparison, type CurveEnd, type ShortFinding } from "../api";
import { useFetched } from "../fetched";
import { formatNumber, groupOf, placeOf, plural, SIGN, toNumber } from "../format";
import { also, compare, MOST_COMPARED, openHeuristic, other, runs, select, selected, titleOf, toggleCompared } from "../store";
import { TextDiff } from "./Code";
import { Plot } from "./Plot";
import { RunList } from "./RunList";
import { Several } from "./Several";
import { SignalButton } from "./SignalButton";
import { Text } from "./Text";

/** Worst first. */
const CHANGES: Record<Change, { sign: string; word: string }> = {
  came: { sign: "+", word: "new" },
  stayed: { sign: "=", word: "still there" },
  unsure: { sign: "?", word: "not clear" },
  gone: { sign: "✓", word: "gone" },
};
const LOOKS = { fixed: "fine", better: "info", worse: "trouble", mixed: "trouble", unsure: "unknown", same: "unknown" };

/** The run to compare with before the user has chosen one: a neighbour in the same directory. */
function neighbour(name: string): string {
  const others = (runs.value?.runs ?? []).filter((run) => run.name !== name);
  return (others.find((run) => groupOf(run.name) === groupOf(name)) ?? others[0])?.name ?? "";
}

function Table({ first, shown, last, children }: { first: string; shown: Comparison; last?: string; children: VNode[] }): VNode {
  return (
    <table class="compared">
      <thead>
        <tr>
          {[first, shown.before, shown.after, ...(last ? [last] : [])].map((head) => (
            <th scope="col">{head}</th>
          ))}
        </tr>
      </thead>
      <tbody>{children}</tbody>
    </table>
  );
}

function Said({ finding, absent }: { finding: ShortFinding | null; absent: string }): VNode {
  if (!finding) return <span class="hint">{absent}</span>;
  return (
    <>
      <span class={`sign ${finding.severity}`} role="img" aria-label={finding.severity}>
        {SIGN[finding.severity]}
      </span>{" "}
      <Text>{finding.title}</Text>
    </>
  );
}

function Findings({ shown }: { shown: Comparison }): VNode | null {
  const entries = Object.keys(CHANGES).flatMap((change) => shown.findings.filter((entry) => entry.change === change));
  if (entries.length === 0) return null;
  return (
    <section>
      <h3>Findings</h3>
      <Table first="check" shown={shown} last="change">
        {entries.map(({ heuristic, change, before, after, reason, accepted }) => (
          <tr data-change={change}>
            <th scope="row">
              <button type="button" class="link" onClick={() => openHeuristic(heuristic)}>
                {titleOf(heuristic)}
              </button>
            </th>
            <td>
              <Said finding={before} absent="not found" />
            </td>
            <td>
              <Said finding={after} absent={change === "unsure" ? `could not be checked: ${reason}` : "passed"} />
            </td>
            <td class={`change ${change}`}>
              <span aria-hidden="true">{CHANGES[change].sign}</span> {CHANGES[change].word}
              {accepted && <span class="hint">, accepted</span>}
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function End({ axis, end }: { axis: string; end: CurveEnd }): VNode {
  return (
    <td>
      {formatNumber(toNumber(end.last))}
      {end.best !== null && end.best_step !== null && end.best_step !== end.last_step && (
        <span class="hint">
          , best {formatNumber(toNumber(end.best))} in {placeOf(axis, end.best_step)}
        </span>
      )}
    </td>
  );
}

function Curves({ shown }: { shown: Comparison }): VNode | null {
  const [signal, choose] = useState("validation loss");
  const curve = shown.curves.find((entry) => entry.signal === signal) ?? shown.curves[0];
  if (!curve) return null;
  const line = (label: string, { tensorboard_run, tag }: CurveEnd) => ({ run: label, curve: { tensorboard_run, tag }, label });
  return (
    <section>
      <h3>Curves</h3>
      <Table first="at the end" shown={shown}>
        {shown.curves.map((entry) => (
          <tr>
            <SignalButton name={entry.signal} drawn={entry === curve} draw={choose} />
            <End axis={entry.axis} end={entry.before} />
            <End axis={entry.axis} end={entry.after} />
          </tr>
        ))}
      </Table>
      <h4>The {curve.signal} of both runs</h4>
      <Plot key={curve.signal} axis={curve.axis} lines={[line(shown.before, curve.before), line(shown.after, curve.after)]} />
    </section>
  );
}

function Built({ shown }: { shown: Comparison }): VNode {
  const { facts, layers, code, facts_missing: missing } = shown;
  const same = missing.length === 0 && facts.length === 0 && !layers && !code;
  const value = (text: string | null) => <td>{text ?? <span class="hint">none</span>}</td>;
  return (
    <section>
      <h3>Model and settings</h3>
      {missing.length > 0 && (
        <p class="note">
          The model and settings of {missing.join(" and ")} are not known: the log tells none, and SCRAM's recorder (Keras callback or
          watch), which logs them, did not run.
        </p>
      )}
      {same && <p class="note">SCRAM knows of no difference in settings, layers or code.</p>}
      {facts.length > 0 && (
        <Table first="setting" shown={shown}>
          {facts.map(({ name, before, after }) => (
            <tr>
              <th scope="row">{name}</th>
              {value(before)}
              {value(after)}
            </tr>
          ))}
        </Table>
      )}
      {layers && <TextDiff before={layers.before} after={layers.after} label="Layers" what="Changes to the layers" />}
      {code && <TextDiff before={code.before} after={code.after} label="Code" what="Changes to the code" />}
    </section>
  );
}

export function Compare(): VNode {
  const [before, after] = [selected.value, other.value || neighbour(selected.value)];
  const names = [...new Set([before, after, ...also.value])].filter(Boolean);
  const many = names.length > 2;
  const version = names.map((name) => runs.value?.runs.find((run) => run.name === name)?.fingerprint).join();
  const { answer: shown, failure } = useFetched(before && after && !many ? () => fetchComparison(before, after) : null, [before, after, version, many]);
  const current = shown?.before === before && shown.after === after ? shown : null;
  return (
    <>
      <RunList
        chosen={after}
        pick={(name) => compare(before, name)}
        compared={{ names, kept: [before, after], toggle: toggleCompared }}
      />
      <main class="review comparison" tabIndex={-1} aria-label={`${before} compared with ${many ? plural(names.length - 1, "other") : after}`}>
        <div class="run-head">
          <h2>
            <button type="button" class="link" onClick={() => select(before)}>
              {before}
            </button>{" "}
            <span aria-hidden="true">→</span>
            <span class="hidden-text">compared with</span>{" "}
            {many ? (
              plural(names.length - 1, "other")
            ) : (
              <button type="button" class="link" onClick={() => select(after)}>
                {after}
              </button>
            )}
          </h2>
          {many ? (
            <button type="button" onClick={() => compare(before, after)}>
              Only two
            </button>
          ) : (
            <button type="button" onClick={() => compare(after, before)}>
              Swap
            </button>
          )}
        </div>
        <p class="note">Choose the run to compare with in the list; check more of them for up to {MOST_COMPARED} side by side.</p>
        {failure && <p class="note problem">{failure}</p>}
        {after === "" && <p class="note">There is only one training run in this log directory: nothing to compare with.</p>}
        {many ? (
          <Several runs={names} version={version} />
        ) : current ? (
          <>
            <p class={`headline ${LOOKS[current.verdict.kind]}`} role="status">
              {current.verdict.text}
            </p>
            <Findings shown={current} />
            <Curves shown={current} />
            <Built shown={current} />
          </>
        ) : (
          !failure && after !== "" && <p class="note" role="status">Comparing …</p>
        )}
      </main>
    </>
  );
}
