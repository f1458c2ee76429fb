/** How far this run is from the thresholds of one check: loaded when opened, because the check must run many times. A slider
 * judges again with another value, and the lines for scram.toml keep it. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { fetchJudged, fetchThresholds, type HeuristicPage } from "../api";
import { useFetched } from "../fetched";
import { formatNumber } from "../format";
import { Code } from "./Code";
import { Text } from "./Text";

const WIDE = 4; // times the value, up and down, as the server tries it
const STEPS = 200;

/** The value at a place of the slider: equal moves are equal factors. */
export function valueAt(middle: number, place: number): number {
  return Number((middle * WIDE ** (place / STEPS)).toPrecision(3));
}

function Slider({ run, page, option, value }: { run: string; page: HeuristicPage; option: string; value: number }): VNode {
  const [place, move] = useState(0);
  const tried = place === 0 ? value : valueAt(value, place);
  const { answer, failure } = useFetched(() => fetchJudged(run, page.id, option, tried), [run, page.id, option, tried]);
  const said = answer?.undecided ? `no answer, ${answer.undecided}` : answer?.titles.length === 0 ? "nothing found" : answer?.titles.join("; ");
  return (
    <div class="tried">
      <label>
        Try <code>{option}</code>{" "}
        <input type="range" min={-STEPS} max={STEPS} value={place} onInput={(event) => move(Number(event.currentTarget.value))} />{" "}
        <output>{formatNumber(tried)}</output>
      </label>
      <p role="status">
        {failure || <Text>{said ?? "Judging again …"}</Text>}
      </p>
      {place !== 0 && <Code text={`[${page.id}]\n${option} = ${tried}\n`} label="scram.toml, to keep it" />}
    </div>
  );
}

/** `turns`: what is found where the outcome changes. */
export function Thresholds({ run, page, turns }: { run: string; page: HeuristicPage; turns: "a finding" | "no finding" }): VNode {
  const { answer, failure } = useFetched(() => fetchThresholds(run, page.id), [run, page.id]);
  const [chosen, choose] = useState("");
  if (failure) return <p class="note">The thresholds could not be loaded. {failure}</p>;
  if (!answer) return <p class="note" role="status">Computing how near this run is to the thresholds …</p>;
  if (answer.thresholds.length === 0) return <p class="note">This check has no threshold that could be moved.</p>;
  const shown = answer.thresholds.find(({ option }) => option === chosen) ?? answer.thresholds[0]!;
  return (
    <>
      <table class="thresholds">
        <caption>How near this run is to another outcome</caption>
        <thead>
          <tr>
            <th scope="col">threshold</th>
            <th scope="col">set to</th>
            <th scope="col">{turns} at</th>
          </tr>
        </thead>
        <tbody>
          {answer.thresholds.map(({ option, value, turns_at }) => (
            <tr>
              <th scope="row">
                <button type="button" class="link" aria-pressed={option === shown.option} onClick={() => choose(option)}>
                  <code>{option}</code>
                </button>
                <span class="hint">{page.options.find((known) => known.name === option)?.help}</span>
              </th>
              <td>{formatNumber(value)}</td>
              <td>{turns_at === null ? <span class="hint">not within a factor of {WIDE}</span> : formatNumber(turns_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <Slider key={shown.option} run={run} page={page} option={shown.option} value={shown.value} />
    </>
  );
}
