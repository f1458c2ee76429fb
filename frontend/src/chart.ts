/** From the server's curves to what uPlot draws. Pure functions. */

import type { Curve, Finding } from "./api";
import { toNumber } from "./format";

export interface Points {
  steps: number[];
  values: number[];
}

export function toPoints(curve: Curve): Points {
  return { steps: curve.steps, values: curve.values.map(toNumber) };
}

/** All curves over the union of their steps; where a curve has no point, undefined; where it is not finite, null. */
export function align(curves: Points[]): [number[], ...(number | null | undefined)[][]] {
  const steps = [...new Set(curves.flatMap((curve) => curve.steps))].sort((a, b) => a - b);
  const rows = curves.map((curve) => {
    const at = new Map(curve.steps.map((step, i) => [step, curve.values[i]]));
    return steps.map((step) => {
      const value = at.get(step);
      return value === undefined ? undefined : Number.isFinite(value) ? value : null;
    });
  });
  return [steps, ...rows];
}

/** Whether a logarithmic axis shows more: all values positive and spread over more than three decades. */
export function wantsLog(curves: Points[]): boolean {
  const finite = curves.flatMap((curve) => curve.values.filter(Number.isFinite));
  if (finite.length === 0) return false;
  let low = Infinity;
  let high = -Infinity;
  for (const value of finite) {
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return low > 0 && high / low > 1000;
}

/** The steps to show first: all of them, but the surroundings of a bad point that would be lost at the edge. */
export function firstView(curve: Points, finding: Finding): [number, number] | null {
  const first = curve.steps[0];
  const last = curve.steps[curve.steps.length - 1];
  const bad = finding.bad_step;
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
