/** uPlot's options for one chart. */

import uPlot from "uplot";
import { countsFromOne, formatNumber } from "../format";
import { colour, crosses, span, type Marks } from "./marks";
import { apart, decades, type Points } from "./points";

export const HEIGHT = 240;
export const LOW = 180; // without tools
export const LOWER = 140; // below another chart
export const AXIS = 56; // what the numbers and the name of an axis take
const FONT = "12px Roboto, system-ui, sans-serif";
const DASHES = [undefined, [6, 3], [2, 3]];
const BORDERS = ["solid", "dashed", "dotted"]; // the same in the legend
const FEW = 60; // up to this number of points each is drawn as a dot

export interface Look {
  axis: string;
  labels: string[];
  marks: Marks | null;
  log: boolean;
  smooth: boolean;
  width: number;
  height: number;
  /** Without the numbers of the axis, which the chart below has. */
  bare: boolean;
  /** The least and the largest value of the axis; otherwise those of the curves. */
  bounds: [number, number] | null;
  onZoom: (from: number, to: number) => void;
}

/** The colour of each curve: the validation and the training have the same in all charts, others what is left. */
export function coloursOf(labels: string[]): number[] {
  const wanted = labels.map((label) => (label.startsWith("validation") ? 0 : label.startsWith("training") ? 1 : -1));
  const taken = new Set<number>();
  const first = wanted.map((colour) => {
    if (colour < 0 || taken.has(colour)) return -1;
    taken.add(colour);
    return colour;
  });
  return first.map((colour) => {
    if (colour >= 0) return colour;
    let free = 0;
    while (taken.has(free)) free += 1;
    taken.add(free);
    return free;
  });
}

/** Where to draw ticks of a given distance, so that what is shown, `shift` higher, is round. */
export function rounded(low: number, high: number, step: number, shift: number): number[] {
  const [every, ticks] = [Math.max(1, Math.round(step)), [] as number[]];
  if (low <= 0 && every > 1) ticks.push(0); // shown as 1
  for (let tick = Math.ceil((low + shift) / every) * every - shift; tick <= high; tick += every) if (tick >= 0) ticks.push(tick);
  return ticks;
}

export function options(look: Look, points: Points[]): uPlot.Options {
  const shift = countsFromOne(look.axis) ? 1 : 0;
  const axis = { stroke: colour("muted"), grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line") }, font: FONT };
  const steps = points[0]?.steps ?? [];
  const last = steps[steps.length - 1] ?? look.marks?.last ?? 0;
  const exact = (i: number) => (u: uPlot, value: number | null, _: number, index: number | null): string => {
    const curve = points[i];
    if (index === null) return formatNumber(curve?.values[curve.values.length - 1]); // without the pointer: the last value
    const at = curve ? curve.steps.indexOf(Number(u.data[0][index])) : -1;
    return at >= 0 ? formatNumber(curve?.values[at]) : formatNumber(value);
  };
  const colours = coloursOf(look.labels);
  const off = look.log ? [] : apart(points, look.labels);
  const raw = look.labels.map((label, i) => ({
    label,
    show: !off[i],
    stroke: colour(`series-${colours[i]}`),
    width: look.smooth ? 1 : 2,
    alpha: look.smooth ? 0.45 : 1,
    dash: DASHES[i % DASHES.length],
    points: { show: steps.length <= FEW, size: 5 },
    value: exact(i),
  }));
  const smooth = look.labels.map((label, i) => ({
    label: `${label}, smoothed`,
    show: !off[i],
    stroke: colour(`series-${colours[i]}`),
    width: 2.5,
    dash: DASHES[i % DASHES.length],
    points: { show: false },
    value: (_: uPlot, value: number | null) => formatNumber(value),
  }));
  const logarithmic = {
    splits: (_: uPlot, __: number, low: number, high: number) => decades(low, high),
    filter: (_: uPlot, ticks: number[]) => ticks,
    incrs: [1e300],
  };
  // uPlot would draw a curve that is always 0 up to 100
  const bounds = look.bounds ?? (!look.log && points.every((curve) => curve.values.every((value) => value === 0)) ? ([-1, 1] as [number, number]) : null);
  const across = {
    ...axis,
    label: look.axis,
    labelFont: FONT,
    labelSize: 18,
    // epochs and batches are shown from 1 on: ticks at round numbers of these
    ...(shift ? { splits: (_: uPlot, __: number, low: number, high: number, step: number) => rounded(low, high, step, shift) } : {}),
    values: (_: uPlot, ticks: number[]) => ticks.map((tick) => (Number.isInteger(tick) ? (tick + shift).toLocaleString("en") : "")),
  };
  const bare = { label: "", labelSize: 0, size: 12, ticks: { show: false }, values: (_: uPlot, ticks: number[]) => ticks.map(() => "") };
  return {
    width: look.width,
    height: look.height,
    scales: { x: { time: false }, y: { distr: look.log ? 3 : 1, ...(bounds && { range: bounds }) } },
    axes: [
      look.bare ? { ...across, ...bare } : across,
      {
        ...axis,
        size: 64,
        space: look.height < LOW ? 20 : 30,
        values: (_, ticks) => ticks.map((tick) => (tick === null ? "" : formatNumber(tick))),
        ...(look.log ? logarithmic : {}),
      },
    ],
    // charts over the same axis show the values of the same step
    cursor: { drag: { x: true, y: false, setScale: false }, points: { size: 7 }, sync: { key: look.axis, scales: ["x", null] } },
    legend: { live: true, markers: { dash: (_: uPlot, i: number) => BORDERS[((i - 1) % look.labels.length) % BORDERS.length] } },
    plugins: [...(look.marks ? [span(look.marks, last)] : []), crosses(points, colours)],
    hooks: {
      setSelect: [
        (u) => {
          if (u.select.width < 4) return;
          const [from, to] = [u.posToVal(u.select.left, "x"), u.posToVal(u.select.left + u.select.width, "x")];
          u.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
          look.onZoom(Math.floor(from), Math.ceil(to));
        },
      ],
    },
    series: [
      { label: look.axis, value: (_, value: number | null) => ((value ?? last) + shift).toLocaleString("en") },
      ...raw,
      ...(look.smooth ? smooth : []),
    ],
  } as uPlot.Options;
}
