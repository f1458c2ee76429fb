/** One statistic of all layers over the steps, as a heat map; a row opens its curve. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { fetchLayerMap, type Inside, type LayerMap as Map_, type MapRow } from "../api";
import { useFetched } from "../fetched";
import { formatNumber, placeOf, toNumber } from "../format";
import { ramp, rangeOf, strip, type Range } from "../plot/heat";
import { Named } from "./Named";
import { Plot } from "./Plot";

type Quantity = Inside["quantities"][number];

const said = (quantity: Quantity, value: MapRow["values"][number]): string =>
  value === null ? "no value" : quantity.scale === "part" ? `${Math.round(toNumber(value) * 100)} %` : formatNumber(toNumber(value));

function Row({ run, row, quantity, range, point }: {
  run: string;
  row: MapRow;
  quantity: Quantity;
  range: Range;
  point: (row: MapRow, column: number) => void;
}): VNode {
  const [open, show] = useState(false);
  const last = row.values[row.values.length - 1] ?? null;
  return (
    <li class={row.findings.length > 0 ? "map-row troubled" : "map-row"} data-row={row.name}>
      <button
        type="button"
        class="link"
        aria-expanded={open}
        aria-label={`${row.name}: from ${said(quantity, row.values[0] ?? null)} to ${said(quantity, last)}. Show the curve`}
        title={row.name}
        onClick={() => show(!open)}
      >
        {row.name}
      </button>
      <div
        class="strip"
        style={{ background: strip(row.values, range, quantity.scale) }}
        onPointerMove={(event) => {
          const box = event.currentTarget.getBoundingClientRect();
          const column = Math.floor(((event.clientX - box.left) / box.width) * row.values.length);
          point(row, Math.min(Math.max(column, 0), row.values.length - 1));
        }}
      />
      <span class="last">{said(quantity, last)}</span>
      {row.findings.length > 0 && (
        <p>
          <Named run={run} ids={row.findings} />
        </p>
      )}
      {open && <Plot axis="batch" lines={row.curves.map(({ label, ...curve }) => ({ run, curve, label }))} />}
    </li>
  );
}

function Legend({ quantity, range, map }: { quantity: Quantity; range: Range; map: Map_ }): VNode {
  const first = map.steps[0] ?? 0;
  return (
    <p class="map-legend">
      <span>
        {said(quantity, range.low)} <span class="ramp" aria-hidden="true" style={{ background: ramp() }} /> {said(quantity, range.high)}
      </span>
      <span>
        {placeOf("batch", first)} (left) to {placeOf("batch", map.steps[map.steps.length - 1] ?? first)} (right)
      </span>
      {quantity.scale === "log" && (
        <span>
          <span class="ramp zero" aria-hidden="true" /> exactly 0
        </span>
      )}
      <span>
        <span class="ramp not-finite" aria-hidden="true" /> not finite
      </span>
    </p>
  );
}

export function LayerMap({ run, quantity, version }: { run: string; quantity: Quantity; version: string }): VNode {
  const [reading, read] = useState("");
  const { answer: map, failure } = useFetched(() => fetchLayerMap(run, quantity.id), [run, quantity.id, version]);
  if (failure) return <p class="note">The map could not be loaded. {failure}</p>;
  if (!map) return <p class="note" role="status">Reading the layers …</p>;
  const range = rangeOf(map.rows, quantity.scale);
  const point = (row: MapRow, column: number): void =>
    read(`${row.name}, from ${placeOf("batch", map.steps[column] ?? 0)}: ${said(quantity, row.values[column] ?? null)}`);
  return (
    <figure class="layer-map" aria-label={quantity.title} onPointerLeave={() => read("")}>
      <p class="note">{quantity.help}</p>
      <ul>
        {map.rows.map((row) => (
          <Row key={row.name} run={run} row={row} quantity={quantity} range={range} point={point} />
        ))}
      </ul>
      <figcaption>
        <Legend quantity={quantity} range={range} map={map} />
        <p class="reading">{reading || "Point at a row to read its values; click its name to see the curve."}</p>
        {map.left_out > 0 && <p class="note">{map.left_out} more rows are not shown.</p>}
      </figcaption>
    </figure>
  );
}
