/** From the server's curves to what uPlot draws. Pure functions. */

import type { Curve } from "../api";
import { toNumber } from "../format";

export interface Points {
  steps: number[];
  values: number[];
  /** Whether the server has more points between these. */
  decimated: boolean;
  /** Whether a logarithmic axis shows more, as the server says. */
  log: boolean;
}

export function toPoints(curve: Curve): Points {
  return { steps: curve.steps, values: curve.values.map(toNumber), decimated: curve.decimated, log: curve.log };
}

/** All curves over the union of their steps; undefined if a curve has no point there, null if it cannot be drawn. */
export function align(curves: Points[], log = false): [number[], ...(number | null | undefined)[][]] {
  const steps = [...new Set(curves.flatMap((curve) => curve.steps))].sort((a, b) => a - b);
  const rows = curves.map((curve) => {
    const at = new Map(curve.steps.map((step, i) => [step, curve.values[i]]));
    return steps.map((step) => {
      const value = at.get(step);
      return value === undefined ? undefined : Number.isFinite(value) && !(log && value <= 0) ? value : null;
    });
  });
  return [steps, ...rows];
}

const FLATTENED = 15; // times its own spread: a curve drawn over so much is hardly more than a line

/** Which curves would flatten the first one, or be flattened by it, on one axis. Losses belong together whatever their size. */
export function apart(curves: Points[], labels: string[]): boolean[] {
  const [first, ...others] = curves.map(({ values }) => {
    const finite = values.filter(Number.isFinite);
    return { low: Math.min(...finite), high: Math.max(...finite) };
  });
  const isLoss = labels.map((label) => /\bloss\b/.test(label));
  return [
    false,
    ...others.map(({ low, high }, i) => {
      const both = Math.max(high, first!.high) - Math.min(low, first!.low);
      const least = Math.min(first!.high - first!.low, high - low || Infinity);
      return !(isLoss[0] && isLoss[i + 1]) && least > 0 && both > FLATTENED * least;
    }),
  ].slice(0, curves.length);
}

/** An exponential moving average without bias towards 0, as in TensorBoard's Time Series; `weight` from 0 (none) to below 1. */
export function smoothed(curve: Points, weight: number): Points {
  let sum = 0;
  let seen = 0;
  const values = curve.values.map((value) => {
    if (!Number.isFinite(value)) return NaN;
    sum = weight * sum + (1 - weight) * value;
    seen += 1;
    return sum / (1 - weight ** seen);
  });
  return { ...curve, values };
}

/** At most about six powers of ten between two positive bounds. */
export function decades(low: number, high: number): number[] {
  const from = Math.ceil(Math.log10(low));
  const to = Math.floor(Math.log10(high));
  const every = Math.max(1, Math.ceil((to - from) / 5));
  const ticks: number[] = [];
  for (let power = from; power <= to; power += every) ticks.push(10 ** power);
  return ticks;
}

/** "120-480" as in a link; null if it is no span. */
export function parseSpan(text: string): [number, number] | null {
  const match = /^(\d+)-(\d+)$/.exec(text);
  const [from, to] = [Number(match?.[1]), Number(match?.[2])];
  return match && from < to ? [from, to] : null;
}
