/** How far this run is from the thresholds of one check: loaded when opened, because the check must run many times. */

import type { VNode } from "preact";
import { fetchThresholds, type HeuristicPage } from "../api";
import { useFetched } from "../fetched";
import { formatNumber } from "../format";

export function Thresholds({ run, page }: { run: string; page: HeuristicPage }): VNode {
  const { answer, failure } = useFetched(() => fetchThresholds(run, page.id), [run, page.id]);
  if (failure) return <p class="note">The thresholds could not be loaded. {failure}</p>;
  if (!answer) return <p class="note" role="status">Computing how near this run is to the thresholds …</p>;
  if (answer.thresholds.length === 0) return <p class="note">Moving any one threshold by a factor of up to 4 would not change this outcome.</p>;
  return (
    <table class="thresholds">
      <caption>How near this run is to another outcome</caption>
      <thead>
        <tr>
          <th scope="col">threshold</th>
          <th scope="col">set to</th>
          <th scope="col">no finding at</th>
        </tr>
      </thead>
      <tbody>
        {answer.thresholds.map(({ option, value, turns_at }) => (
          <tr>
            <th scope="row">
              <code>{option}</code>
              <span class="hint">{page.options.find((known) => known.name === option)?.help}</span>
            </th>
            <td>{formatNumber(value)}</td>
            <td>{formatNumber(turns_at)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
