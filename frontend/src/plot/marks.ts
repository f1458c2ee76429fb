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
  const at = (u: uPlot, step: number) => Math.round(u.valToPos(step, "x", true));
  const shade = (u: uPlot): void => {
    const { left, top, width, height } = u.bbox;
    const clamp = (x: number) => Math.min(Math.max(x, left), left + width);
    const from = clamp(at(u, marks.first));
    const to = clamp(at(u, Math.min(marks.last, last)));
    u.ctx.save();
    u.ctx.fillStyle = colour("span");
    u.ctx.fillRect(from, top, Math.max(to - from, 3), height);
    u.ctx.restore();
  };
  const draw = (u: uPlot): void => {
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    const mark = (step: number, name: string, line: number[], label: string): void => {
      const x = at(u, step);
      if (x < left || x > left + width) return;
      u.ctx.strokeStyle = u.ctx.fillStyle = colour(name);
      u.ctx.lineWidth = 2 * devicePixelRatio;
      u.ctx.setLineDash(line.map((dash) => dash * devicePixelRatio));
      u.ctx.beginPath();
      u.ctx.moveTo(x, top);
      u.ctx.lineTo(x, top + height);
      u.ctx.stroke();
      u.ctx.font = `600 ${12 * devicePixelRatio}px Roboto, system-ui, sans-serif`;
      u.ctx.textBaseline = "top";
      u.ctx.textAlign = "left";
      const [gap, text] = [5 * devicePixelRatio, u.ctx.measureText(label).width];
      const start = x + text + 3 * gap < left + width ? x + gap : x - text - 3 * gap;
      const plate = u.ctx.fillStyle;
      u.ctx.fillStyle = colour("surface"); // the label is not struck through by the grid and the curves
      u.ctx.fillRect(start, top + 2 * devicePixelRatio, text + 2 * gap, 18 * devicePixelRatio);
      u.ctx.fillStyle = plate;
      u.ctx.fillText(label, start + gap, top + 5 * devicePixelRatio);
    };
    if (marks.best !== null) mark(marks.best, "best", [4, 4], `best: ${placeOf(marks.axis, marks.best)}`);
    else if (marks.bad !== null) mark(marks.bad, "error", [], `first bad: ${placeOf(marks.axis, marks.bad)}`);
    u.ctx.restore();
  };
  return { hooks: { drawClear: shade, draw } };
}

/** No line can be drawn where a curve is not finite: crosses in its colour along the lower edge mark these points. */
export function crosses(curves: Points[], colours: number[]): uPlot.Plugin {
  const draw = (u: uPlot): void => {
    const { left, top, width, height } = u.bbox;
    u.ctx.save();
    u.ctx.lineWidth = 1.5 * devicePixelRatio;
    u.ctx.setLineDash([]); // the last curve may have been a dashed one
    const size = 3 * devicePixelRatio;
    let y = top + height - 2 * size;
    for (const [number, curve] of curves.entries()) {
      u.ctx.strokeStyle = colour(`series-${colours[number]}`);
      let previous = -Infinity;
      for (const [i, step] of curve.steps.entries()) {
        if (Number.isFinite(curve.values[i])) continue;
        const x = u.valToPos(step, "x", true);
        if (x < left || x > left + width || Math.abs(x - previous) < 4 * size) continue;
        previous = x;
        u.ctx.beginPath();
        u.ctx.moveTo(x - size, y - size);
        u.ctx.lineTo(x + size, y + size);
        u.ctx.moveTo(x + size, y - size);
        u.ctx.lineTo(x - size, y + size);
        u.ctx.stroke();
      }
      if (previous > -Infinity) y -= 3 * size; // each curve has its own row
    }
    u.ctx.restore();
  };
  return { hooks: { draw } };
}
