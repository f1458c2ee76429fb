/** From statistics of layers to colours. Pure functions. */

import type { MapRow, WireNumber } from "../api";
import { toNumber } from "../format";

export interface Range {
  low: number;
  high: number;
}

/** Dark to light, readable without colour vision (like Matplotlib's viridis); the same in light and dark mode. */
const RAMP: [number, number, number][] = [
  [43, 30, 94],
  [45, 84, 134],
  [31, 142, 139],
  [106, 196, 100],
  [246, 227, 90],
];
export const NOT_FINITE = "var(--error)";
/** Zero has no place on a logarithmic scale, and a meaning of its own, for example no gradient at all. */
export const ZERO = "var(--zero)";

/** The least and the largest of the values that have a place on the scale. */
export function rangeOf(rows: MapRow[], scale: "log" | "part"): Range {
  if (scale === "part") return { low: 0, high: 1 };
  let low = Infinity;
  let high = 0;
  for (const row of rows) {
    for (const wire of row.values) {
      const value = wire === null ? 0 : toNumber(wire);
      if (!(value > 0) || !Number.isFinite(value)) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return high > 0 ? { low, high } : { low: 1, high: 1 };
}

/** Where a value lies between the ends of the scale, from 0 to 1. */
export function share(value: number, range: Range, scale: "log" | "part"): number {
  if (scale === "part") return Math.min(Math.max(value, 0), 1);
  if (value <= range.low) return 0;
  return range.high > range.low ? Math.min(Math.log(value / range.low) / Math.log(range.high / range.low), 1) : 1;
}

function colourOf(value: number, range: Range, scale: "log" | "part"): string {
  if (!Number.isFinite(value)) return NOT_FINITE;
  return value === 0 && scale === "log" ? ZERO : colourAt(share(value, range, scale));
}

export function colourAt(at: number): string {
  const place = at * (RAMP.length - 1);
  const i = Math.min(Math.floor(place), RAMP.length - 2);
  const [from, to] = [RAMP[i]!, RAMP[i + 1]!];
  return `rgb(${from.map((channel, c) => Math.round(channel + (to[c]! - channel) * (place - i))).join(" ")})`;
}

/** A row as hard stops of a CSS gradient: prints, scales, and needs no canvas. */
export function strip(values: (WireNumber | null)[], range: Range, scale: "log" | "part"): string {
  const width = 100 / Math.max(values.length, 1);
  const stops: string[] = [];
  let [colour, from] = ["", 0];
  values.forEach((wire, i) => {
    const value = wire === null ? null : toNumber(wire);
    const here = value === null ? "transparent" : colourOf(value, range, scale);
    if (here === colour) return;
    if (i > 0) stops.push(`${colour} ${(from * width).toFixed(2)}% ${(i * width).toFixed(2)}%`);
    [colour, from] = [here, i];
  });
  if (values.length > 0) stops.push(`${colour} ${(from * width).toFixed(2)}% 100%`);
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/** The colours of the whole scale, for its legend. */
export function ramp(): string {
  return `linear-gradient(to right, ${RAMP.map((_, i) => colourAt(i / (RAMP.length - 1))).join(", ")})`;
}
