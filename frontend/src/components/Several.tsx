/** Up to eight runs side by side, as those of a sweep: what they have in common, what was found in which, where curves end, and
 * which settings differ. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { fetchSeveral, type CurveEnd, type Several as Answer } from "../api";
import { useFetched } from "../fetched";
import { formatNumber, shortNames, SIGN, toNumber } from "../format";
import { openHeuristic, select, titleOf } from "../store";
import { Plot } from "./Plot";
import { SignalButton } from "./SignalButton";

function Table({ first, names, shown, children }: { first: string; names: string[]; shown: Answer; children: VNode[] }): VNode {
  return (
    <div class="wide" tabIndex={0} role="region" aria-label={first}>
      <table class="compared several">
        <thead>
          <tr>
            <th scope="col">{first}</th>
            {names.map((name, i) => (
              <th scope="col" title={shown.runs[i]!.name}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>{children}</tbody>
      </table>
    </div>
  );
}

function Findings({ shown, names }: { shown: Answer; names: string[] }): VNode | null {
  if (shown.findings.length === 0) return null;
  return (
    <section>
      <h3>Findings</h3>
      <Table first="check" names={names} shown={shown}>
        {shown.findings.map(({ heuristic, findings, outcomes }) => (
          <tr data-several={heuristic}>
            <th scope="row">
              <button type="button" class="link" onClick={() => openHeuristic(heuristic)}>
                {titleOf(heuristic)}
              </button>
            </th>
            {findings.map((finding, i) => (
              <td>
                {finding ? (
                  <button type="button" class="link" onClick={() => select(shown.runs[i]!.name, heuristic)} title={finding.title}>
                    <span class={`sign ${finding.severity}`} aria-hidden="true">
                      {SIGN[finding.severity]}
                    </span>{" "}
                    {finding.severity}
                    {finding.explained_by !== null && <span class="hint"> consequence</span>}
                  </button>
                ) : (
                  <span class="hint">{outcomes[i]}</span>
                )}
              </td>
            ))}
          </tr>
        ))}
      </Table>
    </section>
  );
}

const best = (end: CurveEnd): string => formatNumber(toNumber(end.best ?? end.last));

function Curves({ shown, names }: { shown: Answer; names: string[] }): VNode | null {
  const [signal, choose] = useState("validation loss");
  const curve = shown.curves.find((entry) => entry.signal === signal) ?? shown.curves[0];
  if (!curve) return null;
  const lines = curve.ends.flatMap((end, i) =>
    end ? [{ run: shown.runs[i]!.name, curve: { tensorboard_run: end.tensorboard_run, tag: end.tag }, label: names[i]! }] : [],
  );
  return (
    <section>
      <h3>Curves</h3>
      <Table first="best, and last" names={names} shown={shown}>
        {shown.curves.map((entry) => (
          <tr>
            <SignalButton name={entry.signal} drawn={entry === curve} draw={choose} />
            {entry.ends.map((end) => (
              <td>
                {end ? (
                  <>
                    {best(end)}
                    {end.best !== null && end.best_step !== end.last_step && <span class="hint">, {formatNumber(toNumber(end.last))}</span>}
                  </>
                ) : (
                  <span class="hint">none</span>
                )}
              </td>
            ))}
          </tr>
        ))}
      </Table>
      <h4>The {curve.signal} of these runs</h4>
      <Plot key={`${curve.signal} ${curve.axis}`} axis={curve.axis} lines={lines} />
    </section>
  );
}

function Settings({ shown, names }: { shown: Answer; names: string[] }): VNode {
  const { facts, facts_missing: missing } = shown;
  return (
    <section>
      <h3>Settings that differ</h3>
      {missing.length > 0 && (
        <p class="note">
          Of {missing.length === shown.runs.length ? "these runs" : missing.join(", ")} no settings are known: their logs tell none, and
          SCRAM's recorder (Keras callback or watch), which logs them, did not run.
        </p>
      )}
      {missing.length === 0 && facts.length === 0 && <p class="note">None that SCRAM knows of.</p>}
      {facts.length > 0 && (
        <Table first="setting" names={names} shown={shown}>
          {facts.map(({ name, values }) => (
            <tr>
              <th scope="row">{name}</th>
              {values.map((value) => (
                <td>{value ?? <span class="hint">none</span>}</td>
              ))}
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

export function Several({ runs, version }: { runs: string[]; version: string }): VNode {
  const { answer: shown, failure } = useFetched(() => fetchSeveral(runs), [runs.join("\n"), version]);
  const current = shown && shown.runs.map((run) => run.name).join("\n") === runs.join("\n") ? shown : null;
  if (failure) return <p class="note problem">{failure}</p>;
  if (!current) return <p class="note" role="status">Comparing …</p>;
  const names = shortNames(runs);
  return (
    <>
      <p class="headline unknown" role="status">
        {current.sentence}
      </p>
      <Findings shown={current} names={names} />
      <Curves shown={current} names={names} />
      <Settings shown={current} names={names} />
    </>
  );
}
