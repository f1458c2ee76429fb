/** What a training run is, and its loss curves with the loss of guessing: shown whatever was found. */

import type { VNode } from "preact";
import { fetchCurve, type Review } from "../api";
import { toPoints, type Points } from "../plot/points";
import { Plot, POINTS } from "./Plot";
import { Text } from "./Text";

export function About({ review }: { review: Review }): VNode | null {
  if (review.about.length === 0) return null;
  return (
    <dl class="about" aria-label="About this run">
      {review.about.map(({ name, value }) => (
        <div>
          <dt>{name}</dt>
          <dd>
            <Text>{value}</Text>
          </dd>
        </div>
      ))}
    </dl>
  );
}

/** Two points at the ends of the curves: the level of guessing. */
function level(value: number, curves: Points[]): Points {
  const steps = curves.flatMap((curve) => curve.steps);
  return { steps: [Math.min(...steps), Math.max(...steps)], values: [value, value], log: false, decimated: false };
}

export function Overview({ review }: { review: Review }): VNode | null {
  const seen = review.overview;
  if (!seen) return null;
  const guess = typeof seen.guess === "number" ? seen.guess : null;
  const lines = seen.curves.map(({ label, ...curve }) => ({ run: review.name, curve, label }));
  const guessed = guess === null ? [] : [{ run: review.name, curve: { tensorboard_run: "", tag: "" }, label: "guessing" }];
  const load = async (part: { from?: number; to?: number }): Promise<Points[]> => {
    const curves = await Promise.all(lines.map((line) => fetchCurve(review.name, line.curve, POINTS, part).then(toPoints)));
    return guess === null || curves.every((curve) => curve.steps.length === 0) ? curves : [...curves, level(guess, curves)];
  };
  return (
    <section class="overview" aria-label="Loss curves">
      <Plot lines={[...lines, ...guessed]} axis={seen.axis} log={seen.log} description={seen.description} load={load} brief />
    </section>
  );
}
