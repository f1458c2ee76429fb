/** The checks that passed: each with what it measured in this run and where a finding begins; its curve and its thresholds
 * one click away. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { Measure, Review } from "../api";
import { heuristics, openHeuristic, titleOf } from "../store";
import { Plot } from "./Plot";
import { Text } from "./Text";
import { Thresholds } from "./Thresholds";

/** "2 % (a finding above 50 %)" */
function Value({ measure }: { measure: Measure }): VNode {
  return (
    <span class="measure">
      <Text>{measure.what}</Text> <strong>{measure.value}</strong>
      {measure.limit && ` (a finding ${measure.limit})`}
    </span>
  );
}

function Behind({ review, id }: { review: Review; id: string }): VNode {
  const page = heuristics.value.find((entry) => entry.id === id);
  const curve = review.measured[id]?.curve;
  const axis = Object.values(review.signals).find((signal) => signal.tag === curve?.tag)?.axis ?? "batch";
  return (
    <div class="behind">
      {curve && <Plot lines={[{ run: review.name, curve, label: curve.label }]} axis={axis} brief />}
      {page && <Thresholds run={review.name} page={page} turns="a finding" />}
      <button type="button" class="link" onClick={() => openHeuristic(id)}>
        All about “{titleOf(id)}”
      </button>
    </div>
  );
}

function Check({ review, id }: { review: Review; id: string }): VNode {
  const [open, show] = useState(false);
  const measure = review.measured[id];
  return (
    <li>
      <details onToggle={(event) => event.target === event.currentTarget && show(event.currentTarget.open)}>
        <summary data-check={id}>
          {heuristics.value.find((entry) => entry.id === id)?.title_passed ?? titleOf(id)}
          {measure && <Value measure={measure} />}
        </summary>
        {open && <Behind review={review} id={id} />}
      </details>
    </li>
  );
}

export function Passed({ review }: { review: Review }): VNode | null {
  if (review.passed.length === 0) return null;
  return (
    <details open={review.findings.length === 0}>
      <summary>
        <span class="count passed" aria-hidden="true">✓</span> Passed ({review.passed.length})
      </summary>
      <ul class="passed-checks">
        {review.passed.map((id) => (
          <Check key={id} review={review} id={id} />
        ))}
      </ul>
    </details>
  );
}
