/** Marks on a curve: the bad span, the first bad point and the best one, and where values are not finite. */

import uPlot from "uplot";
import { placeOf } from "../format";
import type { Points } from "./points";

export interface Marks {
  axis: string;
  first: number;
  last: number;
  bad: number | null;
  best: number | null;
}

export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export function span(marks: Marks, last: number): uPlot.Plugin {
  const draw = (u: uPlot): void => {
    const at = (step: number) => Math.round(u.valToPos(step, "x", true));
    const { left, top, width, height } = u.bbox;
    const clamp = (x: number) => Math.min(Math.max(x, left), left + width);
    u.ctx.save();
    const from = clamp(at(marks.first));
    const to = clamp(at(Math.min(marks.last, last)));
    u.ctx.fillStyle = colour("span");
    u.ctx.fillRect(from, top, Math.max(to - from, 3), height);
    const mark = (step: number, name: string, line: number[], label: string): void => {
      const x = at(step);
      if (x < left || x > left + width) return;
      u.ctx.strokeStyle = u.ctx.fillStyle = colour(name);
      u.ctx.lineWidth = 2 * devicePixelRatio;
      u.ctx.setLineDash(line.map((dash) => dash * devicePixelRatio));
      u.ctx.beginPath();
      u.ctx.moveTo(x, top);
      u.ctx.lineTo(x, top + height);
      u.ctx.stroke();
      u.ctx.font = `600 ${12 * devicePixelRatio}px system-ui, sans-serif`;
      u.ctx.textBaseline = "top";
      const wide = u.ctx.measureText(label).width + 6 * devicePixelRatio;
      const right = x + wide < left + width;
      u.ctx.textAlign = right ? "left" : "right";
      u.ctx.fillText(label, x + (right ? 6 : -6) * devicePixelRatio, top + 4 * devicePixelRatio);
    };
    if (marks.best !== null) mark(marks.best, "best", [4, 4], `best: ${placeOf(marks.axis, marks.best)}`);
    else if (marks.bad !== null) mark(marks.bad, "error", [], `first bad: ${placeOf(marks.axis, marks.bad)}`);
    u.ctx.restore();
  };
  return { hooks: { drawClear: draw } };
}

/** No line can be drawn where a curve is not finite: crosses along the upper edge mark these points. */
export function crosses(curves: Points[]): uPlot.Plugin {
  const draw = (u: uPlot): void => {
    const { left, top, width } = u.bbox;
    u.ctx.save();
    u.ctx.strokeStyle = colour("error");
    u.ctx.lineWidth = 1.5 * devicePixelRatio;
    u.ctx.setLineDash([]); // the last curve may have been a dashed one
    const size = 3 * devicePixelRatio;
    let previous = -Infinity;
    for (const curve of curves) {
      for (const [i, step] of curve.steps.entries()) {
        if (Number.isFinite(curve.values[i])) continue;
        const x = u.valToPos(step, "x", true);
        if (x < left || x > left + width || Math.abs(x - previous) < 4 * size) continue;
        previous = x;
        const y = top + 44 * devicePixelRatio;
        u.ctx.beginPath();
        u.ctx.moveTo(x - size, y - size);
        u.ctx.lineTo(x + size, y + size);
        u.ctx.moveTo(x + size, y - size);
        u.ctx.lineTo(x - size, y + size);
        u.ctx.stroke();
      }
    }
    u.ctx.restore();
  };
  return { hooks: { draw } };
}
