/** What a training run is, and its first picture, which depends on the kind of the training: shown whatever was found. */

import { useSignal } from "@preact/signals";
import type { VNode } from "preact";
import { fetchCurve, type Chart, type Overview as Seen, type Review } from "../api";
import { toPoints, type Points } from "../plot/points";
import { Plot, POINTS, type Column } from "./Plot";
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

interface CurvesProps {
  run: string;
  seen: Seen;
  chart: Chart;
  column: Column;
}

function Curves({ run, seen: { axis, steps }, chart, column }: CurvesProps): VNode {
  const guess = typeof chart.guess === "number" ? chart.guess : null;
  const lines = chart.curves.map(({ label, ...curve }) => ({ run, curve, label }));
  const guessed = guess === null ? [] : [{ run, curve: { tensorboard_run: "", tag: "" }, label: "guessing" }];
  const load = async (part: { from?: number; to?: number }): Promise<Points[]> => {
    const curves = await Promise.all(lines.map((line) => fetchCurve(run, line.curve, POINTS, part).then(toPoints)));
    return guess === null || curves.every((curve) => curve.steps.length === 0) ? curves : [...curves, level(guess, curves)];
  };
  return (
    <Plot
      lines={[...lines, ...guessed]}
      axis={axis}
      log={chart.log}
      description={chart.description}
      load={load}
      view={steps[0]! < steps[1]! ? steps : null}
      column={column}
      brief
    />
  );
}

/** The charts have one axis: what is zoomed in one of them is zoomed in all. */
export function Overview({ review }: { review: Review }): VNode | null {
  const zoom = useSignal<[number, number] | null>(null);
  const seen = review.overview;
  if (!seen) return null;
  return (
    <section class="overview" aria-label="Curves of this run">
      {seen.charts.map((chart, i) => (
        <Curves
          key={chart.curves.map(({ label }) => label).join()}
          run={review.name}
          seen={seen}
          chart={chart}
          column={{ zoom, first: i === 0, last: i === seen.charts.length - 1 }}
        />
      ))}
    </section>
  );
}
