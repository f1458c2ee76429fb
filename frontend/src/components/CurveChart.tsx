/** The curves of a finding: the bad span shaded, the first bad point or the best one marked. */

import type { VNode } from "preact";
import type { CurveName, Finding } from "../api";
import { linkTo } from "../parentPage";
import { labels } from "../plot/labels";
import { heuristicId, zoomed } from "../store";
import { Plot } from "./Plot";

/** Curves over batches and over epochs do not share an axis. */
function axisOf(curve: CurveName): string {
  return curve.tag.startsWith("scram/") ? "batch" : "other";
}

export function CurveChart({ run, finding }: { run: string; finding: Finding }): VNode {
  const shown = finding.curves.filter((curve, i, all) => i === 0 || axisOf(curve) === axisOf(all[0]!));
  const names = labels(shown);
  const { first, last, axis } = finding.steps;
  return (
    <Plot
      lines={shown.map((curve, i) => ({ run, curve, label: names[i]! }))}
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
