/** Curves over one axis: zoomed by dragging, with exact values from the server; logarithmic or smoothed when asked. */

import { useSignal, type Signal } from "@preact/signals";
import { useEffect, useRef, useState } from "preact/hooks";
import type { VNode } from "preact";
import uPlot from "uplot";
import { fetchCurve, type CurveName } from "../api";
import { useFetched } from "../fetched";
import { formatNumber, placeOf } from "../format";
import type { Marks } from "../plot/marks";
import { AXIS, HEIGHT, LOW, LOWER, options } from "../plot/options";
import { align, apart, smoothed, toPoints, type Points } from "../plot/points";
import { selectedEntry } from "../store";
import { theme } from "../theme";
import { CopyButton } from "./Code";

export const POINTS = 1_200;

export interface Line {
  run: string;
  curve: CurveName;
  label: string;
}

export interface Column {
  zoom: Signal<[number, number] | null>;
  first: boolean;
  last: boolean;
}

interface Props {
  lines: Line[];
  axis: string;
  marks?: Marks | null;
  /** The part that the address asks for. */
  zoom?: [number, number] | null;
  /** The part to show at first, where the whole would hide the point that matters. */
  view?: number[] | null;
  /** Whether to begin with a logarithmic axis; otherwise as the first curve asks for. */
  log?: boolean;
  /** What the picture shows, for those who cannot see it; otherwise it is made of the points. */
  description?: string;
  /** The address of this chart with the part that is shown. */
  link?: (zoom: [number, number] | null) => string;
  /** Called when the whole curve is shown again. */
  onWhole?: () => void;
  /** Loads the points, if they are not the server's curves alone. */
  load?: (part: { from?: number; to?: number }) => Promise<Points[]>;
  /** The least and the largest value of the axis, where charts share it. */
  bounds?: [number, number] | null;
  /** Without tools: they stand at the curves of the findings. */
  brief?: boolean;
  /** The place in a column of charts over one axis, which share what is zoomed: the first has the tools, the last the axis. */
  column?: Column;
}

function described(lines: Line[], points: Points[], axis: string, marks: Marks | null): string {
  const parts = lines.map(({ label }, i) => {
    const values = points[i]?.values ?? [];
    return `${label} goes from ${formatNumber(values[0])} to ${formatNumber(values[values.length - 1])}`;
  });
  const marked = marks ? ` The marked span is ${placeOf(axis, marks.first)} to ${placeOf(axis, marks.last)}.` : "";
  return `Curves over ${axis}: ${parts.join("; ")}.${marked}`;
}

export function Plot({ lines, axis, marks = null, zoom: asked = null, view = null, log: wanted, description, link, onWhole, load, bounds = null, brief, column }: Props): VNode {
  const bare = column?.last === false;
  const height = (column?.first === false ? LOWER : brief ? LOW : HEIGHT) - (bare ? AXIS : 0);
  const holder = useRef<HTMLDivElement>(null);
  const own = useSignal<[number, number] | null>(asked);
  const zoomed = column?.zoom ?? own;
  const zoom = zoomed.value;
  const [log, setLog] = useState<boolean | null>(null);
  const [weight, setWeight] = useState(0);
  const key = JSON.stringify([lines, marks?.last, selectedEntry.value?.last_event]); // a live run has more points each time
  const fetchAll = (part: { from?: number; to?: number }) =>
    load?.(part) ??
    Promise.all(lines.map((line) => fetchCurve(line.run, line.curve, POINTS, part))).then((curves) => curves.map(toPoints));

  const { answer: points, failure } = useFetched(() => fetchAll({}), [key]);
  const part = zoom && points?.some((curve) => curve.decimated) ? { from: zoom[0], to: zoom[1] } : null;
  // if this fails, the current drawing stays
  const { answer: exact } = useFetched(part && (() => fetchAll(part)), [points, part?.from, part?.to]);
  const newest = exact ?? points;
  // while the user drags to zoom, the drawing does not change, even if a live run has new points
  const [held, hold] = useState(false);
  const last = useRef(newest);
  if (!held) last.current = newest;
  const drawn = last.current;
  const logarithmic = log ?? wanted ?? points?.[0]?.log ?? false;
  const hidden = logarithmic && (drawn?.some((curve) => curve.values.some((value) => value <= 0)) ?? false);
  const hides = !logarithmic && drawn ? apart(drawn, lines.map((line) => line.label)) : [];
  const off = lines.filter((_, i) => hides[i]);
  const shown = zoom ?? view;
  useEffect(() => {
    const place = holder.current;
    if (!place || !drawn || drawn.every((curve) => curve.steps.length === 0)) return;
    const smooth = weight > 0 ? drawn.map((curve) => smoothed(curve, weight)) : [];
    let plot: uPlot | null = null;
    const draw = (): void => {
      const width = place.clientWidth;
      if (width === 0) return; // hidden: TensorBoard gives the frame no size
      if (plot) return plot.setSize({ width, height });
      const labels = lines.map((line) => line.label);
      const onZoom = (from: number, to: number) => (zoomed.value = [Math.max(from, 0), to]);
      const look = { axis, labels, marks, log: logarithmic, smooth: weight > 0, width, height, bare, bounds, onZoom };
      plot = new uPlot(options(look, drawn), align([...drawn, ...smooth], logarithmic) as uPlot.AlignedData, place);
      if (shown) plot.setScale("x", { min: shown[0]!, max: shown[1]! });
    };
    const observer = new ResizeObserver(draw);
    observer.observe(place);
    draw();
    return () => {
      observer.disconnect();
      plot?.destroy();
    };
  }, [drawn, theme.value, logarithmic, weight, shown?.[0], shown?.[1], height]);

  const grab = (): void => {
    hold(true);
    window.addEventListener("mouseup", () => hold(false), { once: true });
  };
  const whole = (): void => {
    zoomed.value = null;
    onWhole?.();
  };
  if (failure) return <p class="note">The curve could not be loaded. {failure}</p>;
  return (
    <figure class="chart">
      <div
        role="img"
        aria-label={points ? (description ?? described(lines, points, axis, marks)) : "Loading the curve"}
        data-points={drawn?.map((curve) => curve.steps.length).join(" ")}
        ref={holder}
        style={{ minHeight: `${height}px` }}
        onMouseDown={grab}
        onDblClick={whole}
      />
      {column?.first === false || (brief && zoom === null) ? null : <figcaption class="tools">
        <button type="button" aria-pressed={logarithmic} onClick={() => setLog(!logarithmic)}>
          Log scale
        </button>
        <label>
          Smoothing{" "}
          <input
            type="range"
            min="0"
            max="0.95"
            step="0.05"
            value={weight}
            onInput={(event) => setWeight(Number(event.currentTarget.value))}
          />
        </label>
        {zoom ? (
          <button type="button" onClick={whole}>
            Whole curve
          </button>
        ) : (
          <span class="hint">Drag to zoom.</span>
        )}
        {link && <CopyButton text={link(zoom)} what="link to this curve" label="Copy link" />}
        {off.length > 0 && <span class="hint">Of another scale: click {off.map((line) => line.label).join(", ")} above to show it.</span>}
        {hidden && <span class="hint">A log scale cannot show values of 0 and below.</span>}
      </figcaption>}
    </figure>
  );
}
