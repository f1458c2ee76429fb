/** Parallel axes: where the value of each run lies on the axis of each setting. Pure functions. */

import { formatNumber } from "../format";

export type Value = number | string | boolean | null;

export interface Axis {
  name: string;
  /** Of numbers: the least and the largest, and whether the scale is logarithmic; of others null. */
  range: [number, number] | null;
  log: boolean;
  /** Of values that are no numbers: all of them, from the bottom up. */
  choices: string[];
  ticks: { at: number; label: string }[];
}

const WIDE = 10; // times: from such a ratio of the largest to the least value on, the scale may be logarithmic
const FEW = 6; // different numbers: each of them is a tick
const MOST_CHOICES = 24; // labels that have room on an axis
const TICKS = 5;
/** Where a run without a value lies: below the axis. */
export const MISSING = -0.1;

export function wordOf(value: Value): string {
  if (typeof value === "boolean") return value ? "on" : "off";
  return typeof value === "number" ? formatNumber(value) : (value ?? "not set");
}

export function axisOf(name: string, values: Value[]): Axis {
  const known = values.filter((value) => value !== null);
  const numbers = known.length > 0 && known.every((value) => typeof value === "number");
  const axis = numbers ? ofNumbers(name, known as number[]) : ofChoices(name, known);
  if (known.length < values.length) axis.ticks.push({ at: MISSING, label: wordOf(null) });
  return axis;
}

function ofChoices(name: string, known: Value[]): Axis {
  const counts = new Map<string, number>();
  for (const value of known) counts.set(wordOf(value), (counts.get(wordOf(value)) ?? 0) + 1);
  const choices = [...counts.keys()].sort().reverse();
  const axis: Axis = { name, range: null, log: false, choices, ticks: [] };
  const step = Math.ceil(choices.length / MOST_CHOICES);
  choices.forEach((label, i) => i % step === 0 && axis.ticks.push({ at: ofChoice(axis, i), label }));
  return axis;
}

function ofNumbers(name: string, values: number[]): Axis {
  const sorted = Float64Array.from(values).sort();
  const [low, middle, high] = [sorted[0]!, sorted[sorted.length >> 1]!, sorted[sorted.length - 1]!];
  const axis: Axis = { name, range: [low, high], log: false, choices: [], ticks: [] };
  const log = { ...axis, log: low > 0 && high / low >= WIDE };
  // the scale on which most values do not lie at one end
  const chosen = log.log && Math.abs(placeOn(log, middle) - 0.5) < Math.abs(placeOn(axis, middle) - 0.5) ? log : axis;
  const different = new Set(sorted);
  const shown = different.size <= FEW ? [...different] : round(chosen);
  chosen.ticks = shown.map((value) => ({ at: placeOn(chosen, value), label: formatNumber(value) }));
  return chosen;
}

/** Round numbers along an axis: powers of ten, or multiples of 1, 2 or 5 times one; its ends where there are none. */
function round({ range, log }: Axis): number[] {
  const [low, high] = range!;
  const found: number[] = [];
  if (log) {
    for (let power = Math.ceil(Math.log10(low)); power <= Math.log10(high); power++) found.push(Number(`1e${power}`));
  } else {
    const rough = (high - low) / TICKS;
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * ([1, 2, 5].find((times) => times * unit >= rough) ?? 10);
    for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(Number((i * step).toPrecision(12)));
  }
  return found.length > 1 ? found : [low, high];
}

function valueAt({ range, log }: Axis, at: number): number {
  const [low, high] = range!;
  return log ? low * (high / low) ** at : low + (high - low) * at;
}

function ofChoice(axis: Axis, i: number): number {
  return axis.choices.length > 1 ? i / (axis.choices.length - 1) : 0.5;
}

/** Where a value lies, from 0 at the bottom to 1. */
export function placeOn(axis: Axis, value: Value): number {
  if (value === null) return MISSING;
  if (!axis.range) return ofChoice(axis, axis.choices.indexOf(wordOf(value)));
  const [low, high] = axis.range;
  if (high <= low) return 0.5;
  return axis.log ? Math.log((value as number) / low) / Math.log(high / low) : ((value as number) - low) / (high - low);
}

/** All places at once: as many as axes times runs, those of a run after one another. */
export function placesOf(axes: Axis[], columns: Value[][], runs: number): Float32Array {
  const places = new Float32Array(axes.length * runs);
  axes.forEach((axis, a) => {
    const known = new Map(axis.choices.map((choice, i) => [choice, ofChoice(axis, i)]));
    columns[a]!.forEach((value, run) => {
      places[run * axes.length + a] = axis.range || value === null ? placeOn(axis, value) : known.get(wordOf(value))!;
    });
  });
  return places;
}

/** The part of an axis in which some runs lie. */
export function extent(places: Float32Array, axes: number, axis: number, runs: Iterable<number>): [number, number] | null {
  let [low, high] = [Infinity, -Infinity];
  for (const run of runs) {
    const place = places[run * axes + axis]!;
    low = Math.min(low, place);
    high = Math.max(high, place);
  }
  return low <= high ? [low, high] : null;
}

/** A marked part of an axis, with the scale of the axis on which it was marked. */
export interface Brush {
  part: [number, number];
  scale: string;
}

/** Marked parts by the names of their axes: a Map, since an object finds something under a name such as `__proto__`. */
export type Brushes = ReadonlyMap<string, Brush>;

export const scaleOf = ({ range, log, choices }: Axis): string => JSON.stringify([range, log, choices]);

/** The parts whose axes have not changed: new runs may have given them another scale. */
export function stillThere(brushes: Brushes, axes: Axis[]): Brushes {
  const scales = new Map(axes.map((axis) => [axis.name, scaleOf(axis)]));
  return new Map([...brushes].filter(([name, { scale }]) => scales.get(name) === scale));
}

/** Whether a run lies in all parts of axes that were marked. */
export function inside(places: Float32Array, axes: Axis[], run: number, brushes: Brushes): boolean {
  return axes.every(({ name }, a) => {
    const part = brushes.get(name)?.part;
    const place = places[run * axes.length + a]!;
    return !part || (place >= part[0] && place <= part[1]);
  });
}

/** The values between two places of an axis, in words. */
export function between(axis: Axis, [low, high]: [number, number]): string {
  if (axis.range) {
    const ends = [Math.max(low, 0), Math.min(high, 1)].map((at) => formatNumber(Number(valueAt(axis, at).toPrecision(3))));
    return high < 0 ? "not set" : `${ends[0]} to ${ends[1]}`;
  }
  const within = axis.choices.filter((_, i) => ofChoice(axis, i) >= low && ofChoice(axis, i) <= high);
  return [...(low < 0 ? ["not set"] : []), ...within].join(", ") || "nothing";
}
