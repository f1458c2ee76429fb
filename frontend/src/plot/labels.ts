/** The names of curves in a legend. */

import type { CurveName } from "../api";

const TENSORS: Record<string, string> = { x: "input", y: "target", y_pred: "output" };

/** "x0/" is "input ", "x1/" is "input 2 ". */
function tensorName(_: string, kind: string, index: string): string {
  return `${TENSORS[kind] ?? kind}${index === "0" ? "" : ` ${Number(index) + 1}`} `;
}

/** "validation: epoch_loss", or only the tag if all curves are of one TensorBoard run. */
export function labels(curves: CurveName[]): string[] {
  const several = new Set(curves.map((curve) => curve.tensorboard_run)).size > 1;
  return curves.map((curve) => {
    const tag = curve.tag.replace(/^scram\/(batches|statistics)\//, "").replace(/^(x|y_pred|y)(\d+)\//, tensorName);
    return several ? `${curve.tensorboard_run.split("/").pop() ?? ""}: ${tag}` : tag;
  });
}
