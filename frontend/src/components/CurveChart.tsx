/** The curves of a finding: the bad span shaded, the first bad point or the best one marked. */

import type { VNode } from "preact";
import type { CurveName, Finding } from "../api";
import { linkTo } from "../parentPage";
import { heuristicId, zoomed } from "../store";
import { Plot } from "./Plot";

const TENSORS: Record<string, string> = { x: "input", y: "target", y_pred: "output" };

/** "x0/" is "input ", "x1/" is "input 2 ". */
function tensorName(_: string, kind: string, index: string): string {
  return `${TENSORS[kind] ?? kind}${index === "0" ? "" : ` ${Number(index) + 1}`} `;
}

/** "validation: epoch_loss", or the tag alone where all curves are of one TensorBoard run. */
function labels(curves: CurveName[]): string[] {
  const several = new Set(curves.map((curve) => curve.tensorboard_run)).size > 1;
  return curves.map((curve) => {
    const tag = curve.tag.replace(/^scram\/(batches|statistics)\//, "").replace(/^(x|y_pred|y)(\d+)\//, tensorName);
    return several ? `${curve.tensorboard_run.split("/").pop() ?? ""}: ${tag}` : tag;
  });
}

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
      link={(zoom) => linkTo({ run, heuristic: finding.heuristic, zoom: zoom?.join("-") ?? "" })}
    />
  );
}
