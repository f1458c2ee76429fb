/** The curves of a finding: the bad span shaded, the first bad point or the best one marked. */

import type { VNode } from "preact";
import type { Finding } from "../api";
import { linkTo } from "../parentPage";
import { heuristicId, zoomed } from "../store";
import { Plot } from "./Plot";

export function CurveChart({ run, finding }: { run: string; finding: Finding }): VNode {
  const { curves, part, log, description } = finding.picture;
  const { first, last, axis } = finding.steps;
  return (
    <Plot
      lines={curves.map(({ label, ...curve }) => ({ run, curve, label }))}
      view={part}
      log={log}
      description={description}
      axis={axis}
      marks={{ axis, first, last, bad: finding.bad_step, best: finding.best_step }}
      zoom={heuristicId.peek() === finding.heuristic ? zoomed.peek() : null}
      onWhole={() => {
        if (heuristicId.peek() === finding.heuristic) zoomed.value = null; // and removes it from the address
      }}
      link={(zoom) => linkTo({ run, heuristic: finding.heuristic, zoom: zoom?.join("-") ?? "" })}
    />
  );
}
