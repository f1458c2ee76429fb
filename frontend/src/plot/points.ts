/** From the server's curves to what uPlot draws. Pure functions. */

import type { Curve } from "../api";
import { toNumber } from "../format";

export interface Points {
  steps: number[];
  values: number[];
  /** Whether the server has more points between these. */
  decimated: boolean;
}

export function toPoints(curve: Curve): Points {
  return { steps: curve.steps, values: curve.values.map(toNumber), decimated: curve.decimated };
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

/**
 * Whether a logarithmic axis shows more: all values are positive and span more than three decades; or those of the first curve
 * do, or a peak of it would flatten the rest.
 */
export function wantsLog(curves: Points[]): boolean {
  const all = extent(curves);
  const first = extent(curves.slice(0, 1));
  const wide = ({ low, high }: Extent): boolean => low > 0 && high > 1000 * low;
  return wide(all) || wide(first) || (first.low > 0 && first.high > 100 * first.middle);
}

interface Extent {
  low: number;
  middle: number;
  high: number;
}

function extent(curves: Points[]): Extent {
  const values = curves.flatMap((curve) => curve.values.filter(Number.isFinite)).sort((a, b) => a - b);
  const at = (index: number): number => values[index] ?? 0;
  return { low: at(0), middle: at(Math.floor(values.length / 2)), high: at(values.length - 1) };
}

/** The steps to show first: all of them, or only the start if a bad point would be lost at the edge. */
export function firstView(curve: Points, bad: number | null): [number, number] | null {
  const first = curve.steps[0];
  const last = curve.steps[curve.steps.length - 1];
  if (first === undefined || last === undefined || last <= first) return null;
  if (bad === null || bad - first > (last - first) * 0.05) return [first, last];
  return [first, Math.min(last, bad + Math.max(2 * (bad - first), 12))];
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
