/** The curves of a finding: the bad span shaded, the first bad point and the best one marked, values read by hovering. */

import { useEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";
import uPlot from "uplot";
import { fetchCurve, type CurveName, type Finding } from "../api";
import { align, decades, firstView, toPoints, wantsLog, type Points } from "../chart";
import { countsFromOne, formatNumber, placeOf } from "../format";

const HEIGHT = 240;
const POINTS = 1_200;

function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** "validation: epoch_loss", or the tag alone where all curves are of one TensorBoard run. */
function labels(curves: CurveName[]): string[] {
  const several = new Set(curves.map((curve) => curve.tensorboard_run)).size > 1;
  return curves.map((curve) => {
    const tag = curve.tag.replace(/^scram\/(batches|statistics)\//, "").replace(/^(x|y_pred|y)(\d+)\//, tensorName);
    return several ? `${curve.tensorboard_run.split("/").pop() ?? ""}: ${tag}` : tag;
  });
}

const TENSORS: Record<string, string> = { x: "input", y: "target", y_pred: "output" };

/** "x0/" is "input ", "x1/" is "input 2 ". */
function tensorName(_: string, kind: string, index: string): string {
  return `${TENSORS[kind] ?? kind}${index === "0" ? "" : ` ${Number(index) + 1}`} `;
}

function span(finding: Finding, steps: number[]): uPlot.Plugin {
  const draw = (u: uPlot): void => {
    const last = steps[steps.length - 1] ?? finding.steps.last;
    const at = (step: number) => Math.round(u.valToPos(step, "x", true));
    const { left, top, width, height } = u.bbox;
    const clamp = (x: number) => Math.min(Math.max(x, left), left + width);
    u.ctx.save();
    const from = clamp(at(finding.steps.first));
    const to = clamp(at(Math.min(finding.steps.last, last)));
    u.ctx.fillStyle = colour("span");
    u.ctx.fillRect(from, top, Math.max(to - from, 3), height);
    const mark = (step: number, name: string, line: number[], label: string, low: boolean): void => {
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
      u.ctx.fillText(label, x + (right ? 6 : -6) * devicePixelRatio, top + (low ? 20 : 4) * devicePixelRatio);
    };
    const axis = finding.steps.axis;
    if (finding.best_step !== null) mark(finding.best_step, "best", [4, 4], `best, ${placeOf(axis, finding.best_step)}`, false);
    if (finding.bad_step !== null && finding.best_step === null)
      mark(finding.bad_step, "error", [], `first bad ${placeOf(axis, finding.bad_step)}`, false);
    u.ctx.restore();
  };
  return { hooks: { drawClear: draw } };
}

/** Where a curve is not finite there is nothing to draw a line to: crosses along the upper edge say so. */
function crosses(curves: Points[]): uPlot.Plugin {
  const draw = (u: uPlot): void => {
    const { left, top, width } = u.bbox;
    u.ctx.save();
    u.ctx.strokeStyle = colour("error");
    u.ctx.lineWidth = 1.5 * devicePixelRatio;
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

function options(finding: Finding, points: Points[], names: string[], width: number): uPlot.Options {
  const log = wantsLog(points);
  const shift = countsFromOne(finding.steps.axis) ? 1 : 0;
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") }, font: "12px system-ui, sans-serif" };
  const steps = points[0]?.steps ?? [];
  const dots = steps.length <= 60;
  return {
    width,
    height: HEIGHT,
    scales: { x: { time: false }, y: { distr: log ? 3 : 1 } },
    axes: [
      {
        ...axis,
        label: finding.steps.axis,
        labelFont: "12px system-ui, sans-serif",
        labelSize: 18,
        values: (_, ticks) => ticks.map((tick) => (Number.isInteger(tick) ? formatNumber(tick + shift) : "")),
      },
      {
        ...axis,
        size: 64,
        values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : formatNumber(tick))),
        ...(log ? { splits: (_: uPlot, __: number, low: number, high: number) => decades(low, high), filter: (_: uPlot, ticks: number[]) => ticks, incrs: [1e300] } : {}),
      },
    ],
    cursor: { drag: { x: true, y: false }, points: { size: 7 } },
    legend: { live: true },
    plugins: [span(finding, steps), crosses(points)],
    series: [
      { label: finding.steps.axis, value: (_, value: number | null) => (value === null ? "–" : formatNumber(value + shift)) },
      ...names.map((label, i) => ({
        label,
        stroke: colour(`series-${i}`),
        width: 2,
        dash: i === 1 ? [6, 3] : i === 2 ? [2, 3] : undefined,
        points: { show: dots, size: 5 },
        value: (_: uPlot, value: number | null, __: number, index: number | null) => {
          if (index === null) return "–";
          const curve = points[i];
          const at = curve ? curve.steps.indexOf(Number(_.data[0][index])) : -1;
          return at >= 0 ? formatNumber(curve?.values[at]) : formatNumber(value);
        },
      })),
    ],
  } as uPlot.Options;
}

/** What the picture shows, for those who cannot see it. */
function description(finding: Finding, points: Points[], names: string[]): string {
  const parts = names.map((name, i) => {
    const values = points[i]?.values ?? [];
    return `${name} goes from ${formatNumber(values[0])} to ${formatNumber(values[values.length - 1])}`;
  });
  const { first, last, axis } = finding.steps;
  return `Curves over ${axis}: ${parts.join("; ")}. The marked span is ${placeOf(axis, first)} to ${placeOf(axis, last)}.`;
}

export function CurveChart({ run, finding, theme }: { run: string; finding: Finding; theme: string }): VNode | null {
  const holder = useRef<HTMLDivElement>(null);
  const [points, setPoints] = useState<Points[] | null>(null);
  const [failure, fail] = useState<string | null>(null);
  const shown = finding.curves.filter((curve, i, all) => i === 0 || axisOf(curve) === axisOf(all[0]!));
  const key = JSON.stringify([run, shown, finding.steps.last]);
  useEffect(() => {
    let wanted = true;
    Promise.all(shown.map((curve) => fetchCurve(run, curve, POINTS))).then(
      (curves) => {
        if (!wanted) return;
        fail(null);
        setPoints(curves.map(toPoints));
      },
      (error: unknown) => wanted && fail(error instanceof Error ? error.message : String(error)),
    );
    return () => {
      wanted = false;
    };
  }, [key]);
  useEffect(() => {
    const place = holder.current;
    if (!place || !points || points.every((curve) => curve.steps.length === 0)) return;
    let plot: uPlot | null = null;
    const draw = (): void => {
      const width = place.clientWidth;
      if (width === 0) return; // hidden: TensorBoard gives the frame no size
      if (plot) return plot.setSize({ width, height: HEIGHT });
      plot = new uPlot(options(finding, points, labels(shown), width), align(points) as uPlot.AlignedData, place);
      const view = points[0] && firstView(points[0], finding);
      if (view) plot.setScale("x", { min: view[0], max: view[1] });
    };
    const observer = new ResizeObserver(draw);
    observer.observe(place);
    draw();
    return () => {
      observer.disconnect();
      plot?.destroy();
    };
  }, [points, theme]);
  if (failure) return <p class="note">The curve could not be loaded. {failure}</p>;
  return (
    <div class="chart" role="img" aria-label={points ? description(finding, points, labels(shown)) : "Loading the curve"}>
      <div ref={holder} style={{ minHeight: `${HEIGHT}px` }} />
    </div>
  );
}

/** Curves over batches and over epochs do not share an axis. */
function axisOf(curve: CurveName): string {
  return curve.tag.startsWith("scram/") ? "batch" : "other";
}
