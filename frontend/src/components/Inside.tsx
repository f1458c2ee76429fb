/** The inside of the model: its layers, their statistics as heat maps, and the data in numbers. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { fetchInside, type Inside as Answer } from "../api";
import { useFetched } from "../fetched";
import { inside, selectedEntry } from "../store";
import { LayerMap } from "./LayerMap";
import { Named } from "./Named";
import { Plot } from "./Plot";

const CLOSED = "none";

function Layers({ run, layers }: { run: string; layers: Answer["layers"] }): VNode {
  return (
    <section>
      <h4>The model</h4>
      <ol class="layers" tabIndex={0} aria-label="Layers, in the order in which data flow">
        {layers.map((layer) => (
          <li class={layer.findings.length > 0 ? "troubled" : ""} data-layer={layer.path}>
            {layer.text}{" "}
            <Named run={run} ids={layer.findings} />
          </li>
        ))}
      </ol>
    </section>
  );
}

function Maps({ run, quantities, version }: { run: string; quantities: Answer["quantities"]; version: string }): VNode {
  const shown = quantities.find((quantity) => quantity.id === inside.value) ?? quantities[0]!;
  return (
    <section>
      <h4>Layer by layer</h4>
      <div class="tools" role="group" aria-label="Statistic">
        {quantities.map((quantity) => (
          <button type="button" aria-pressed={quantity === shown} onClick={() => (inside.value = quantity.id)}>
            {quantity.title}
          </button>
        ))}
      </div>
      <LayerMap key={shown.id} run={run} quantity={shown} version={version} />
    </section>
  );
}

function Tensor({ run, tensor }: { run: string; tensor: Answer["tensors"][number] }): VNode {
  const [open, show] = useState(false);
  return (
    <details onToggle={(event) => show(event.currentTarget.open)}>
      <summary>The {tensor.name} of each measured batch: largest, mean and smallest value</summary>
      {open && <Plot axis="batch" lines={tensor.curves.map(({ label, ...curve }) => ({ run, curve, label: `${tensor.name} ${label}` }))} />}
    </details>
  );
}

function Classes({ classes }: { classes: NonNullable<Answer["classes"]> }): VNode {
  const percent = (part: number): string => `${(100 * part).toFixed(part < 0.1 ? 1 : 0)} %`;
  const most = Math.max(...classes.labelled, ...classes.predicted);
  const count = Math.max(classes.labelled.length, classes.predicted.length);
  const bar = (kind: string, part: number): VNode => (
    <td>
      <span class={`bar-of ${kind}`} aria-hidden="true" style={{ width: `${(70 * part) / most}%` }} /> {percent(part)}
    </td>
  );
  return (
    <details>
      <summary>Classes: how often each is labelled and predicted in the last measured batches</summary>
      <table class="classes">
        <thead>
          <tr>
            <th scope="col">class</th>
            <th scope="col">labelled</th>
            <th scope="col">predicted</th>
          </tr>
        </thead>
        <tbody>
          {Array.from({ length: count }, (_, i) => (
            <tr>
              <th scope="row">{i}</th>
              {bar("labelled", classes.labelled[i] ?? 0)}
              {bar("predicted", classes.predicted[i] ?? 0)}
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}

/** `expanded`: whether it is open unless somebody closes it. */
export function Inside({ run, expanded }: { run: string; expanded: boolean }): VNode {
  const open = inside.value === "" ? expanded : inside.value !== CLOSED;
  const version = `${selectedEntry.value?.fingerprint} ${selectedEntry.value?.last_event}`;
  const { answer, failure } = useFetched(open ? () => fetchInside(run) : null, [run, open, version]);
  const empty = answer && answer.layers.length + answer.quantities.length + answer.tensors.length === 0;
  return (
    <details
      class="why inside"
      open={open}
      onToggle={(event) => {
        if (event.target !== event.currentTarget) return;
        if (event.currentTarget.open === open) return;
        inside.value = event.currentTarget.open ? (expanded ? "" : "all") : expanded ? CLOSED : "";
      }}
    >
      <summary>
        <h3>Inside the model</h3> <span class="hint">its layers over the steps, inputs, outputs and classes</span>
      </summary>
      {failure && <p class="note">The statistics could not be loaded. {failure}</p>}
      {open && !answer && !failure && <p class="note" role="status">Reading the layers …</p>}
      {empty && <p class="note">
          Nothing is known about the inside of this model: SCRAM's recorder (Keras callback or watch), which measures it, did not run.
        </p>}
      {answer && answer.layers.length > 0 && <Layers run={run} layers={answer.layers} />}
      {answer && answer.quantities.length > 0 && <Maps run={run} quantities={answer.quantities} version={version} />}
      {answer && answer.tensors.length > 0 && (
        <section>
          <h4>The data</h4>
          {answer.tensors.map((tensor) => (
            <Tensor key={tensor.id} run={run} tensor={tensor} />
          ))}
          {answer.classes && <Classes classes={answer.classes} />}
        </section>
      )}
    </details>
  );
}
