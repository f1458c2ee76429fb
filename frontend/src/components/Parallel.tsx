/** Settings and the measure as parallel axes, with a line for each run. Dragging along an axis marks a part of it. */

import type { JSX, VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { type Axis, between, type Brush, type Brushes, extent, MISSING, scaleOf } from "../plot/parallel";
import { theme } from "../theme";

const HEIGHT = 300;
const [TOP, BOTTOM, SIDE] = [14, 34, 70]; // pixels around the axes
const LEAST_BRUSH = 0.02; // of an axis: less is a click
const REACH = 36; // pixels from an axis at which the pointer takes it
const FAINT = 60; // lines of one kind that are drawn opaque; more get fainter

interface Props {
  axes: Axis[];
  places: Float32Array;
  runs: number;
  chosen: Set<number>;
  bad: Set<number>;
  /** Runs whose part of the axes in `shadedAxes` is shaded. */
  shaded: number[];
  shadedAxes: string[];
  brushes: Brushes;
  onBrush: (name: string, part: Brush | null) => void;
  description: string;
  /** What the runs in `bad` have in common. */
  badly: string;
}

const yOf = (place: number): number => TOP + (1 - place) * (HEIGHT - TOP - BOTTOM);
const placeAt = (y: number): number => 1 - (y - TOP) / (HEIGHT - TOP - BOTTOM);
const xOf = (axis: number, axes: number, width: number): number => SIDE + (axes > 1 ? axis / (axes - 1) : 0.5) * (width - 2 * SIDE);

export function Parallel({ axes, places, runs, chosen, bad, shaded, shadedAxes, brushes, onBrush, description, badly }: Props): VNode {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return;
    const draw = (): void => paint(element, { axes, places, runs, chosen, bad, shaded, shadedAxes, brushes });
    const observer = new ResizeObserver(draw);
    observer.observe(element);
    draw();
    return () => observer.disconnect();
  }, [axes, places, runs, chosen, bad, shaded, shadedAxes, brushes, theme.value]);
  const grab = (event: JSX.TargetedPointerEvent<HTMLCanvasElement>): void => {
    const element = event.currentTarget;
    const box = element.getBoundingClientRect();
    const x = event.clientX - box.left;
    const axis = axes.find((_, a) => Math.abs(xOf(a, axes.length, box.width) - x) <= REACH);
    if (!axis || event.button !== 0) return;
    const from = placeAt(event.clientY - box.top);
    element.setPointerCapture(event.pointerId);
    const marked = (at: PointerEvent): Brush => {
      const to = placeAt(at.clientY - box.top);
      return { part: [Math.max(Math.min(from, to), 2 * MISSING), Math.min(Math.max(from, to), 1.01)], scale: scaleOf(axis) };
    };
    const move = (at: PointerEvent): void => onBrush(axis.name, marked(at));
    const drop = (at: PointerEvent): void => {
      for (const [kind, listener] of [["pointermove", move], ["pointerup", drop], ["pointercancel", drop]] as const) {
        element.removeEventListener(kind, listener);
      }
      const brush = marked(at);
      onBrush(axis.name, at.type === "pointercancel" || brush.part[1] - brush.part[0] < LEAST_BRUSH ? null : brush);
    };
    element.addEventListener("pointermove", move);
    element.addEventListener("pointerup", drop);
    element.addEventListener("pointercancel", drop);
  };
  const left = (a: number): string => `calc(${SIDE}px + ${axes.length > 1 ? a / (axes.length - 1) : 0.5} * (100% - ${2 * SIDE}px))`;
  return (
    <figure class="parallel" style={{ "--height": `${HEIGHT}px`, "--axes": axes.length }}>
      <div class="wide" tabIndex={0} role="region" aria-label="Picture of the settings">
      <div class="axes">
        {axes.map((axis, a) => (
          <span class="axis" title={axis.name} style={{ left: left(a) }}>
            {axis.name}
          </span>
        ))}
        <div class="field">
          <canvas ref={canvas} role="img" aria-label={description} onPointerDown={grab} />
          <div aria-hidden="true">
            {axes.map((axis, a) =>
              axis.ticks.map(({ at, label }) => (
                <span class="tick" title={label} style={{ left: left(a), top: `${yOf(at)}px` }}>
                  {label}
                </span>
              )),
            )}
          </div>
        </div>
      </div>
      </div>
      <figcaption class="tools">
        {[...brushes].map(([name, { part }]) => {
          const axis = axes.find((one) => one.name === name);
          return (
            axis && (
              <button type="button" onClick={() => onBrush(name, null)} aria-label={`Show all values of ${name} again`}>
                {name}: {between(axis, part)} <span aria-hidden="true">✕</span>
              </button>
            )
          );
        })}
        <span class="hint">Drag along an axis to show only the runs there.</span>
        <span>
          <span class="key bad" aria-hidden="true" /> {badly}
        </span>
        <span>
          <span class="key" aria-hidden="true" /> without
        </span>
      </figcaption>
    </figure>
  );
}

type Drawn = Pick<Props, "axes" | "places" | "runs" | "chosen" | "bad" | "shaded" | "shadedAxes" | "brushes">;

function paint(canvas: HTMLCanvasElement, { axes, places, runs, chosen, bad, shaded, shadedAxes, brushes }: Drawn): void {
  const width = canvas.clientWidth;
  const pen = canvas.getContext("2d");
  if (width === 0 || !pen) return; // hidden: TensorBoard gives the frame no size
  const scale = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [width * scale, HEIGHT * scale];
  pen.scale(scale, scale);
  const style = getComputedStyle(document.documentElement);
  const colour = (name: string): string => style.getPropertyValue(name).trim();
  const columns = axes.map((_, a) => xOf(a, axes.length, width));
  const band = (a: number, [low, high]: [number, number], half: number, fill: string): void => {
    pen.fillStyle = fill;
    pen.fillRect(columns[a]! - half, yOf(high) - 4, 2 * half, yOf(low) - yOf(high) + 8);
  };
  axes.forEach(({ name }, a) => {
    const part = shadedAxes.includes(name) ? extent(places, axes.length, a, shaded) : null;
    if (part) band(a, part, 26, colour("--span"));
    const brush = brushes.get(name);
    if (brush) band(a, brush.part, 9, colour("--info-soft"));
  });
  const lines = (which: (run: number) => boolean, stroke: string, most: number): void => {
    pen.strokeStyle = stroke;
    pen.beginPath();
    let drawn = 0;
    for (let run = 0; run < runs; run++) {
      if (!which(run)) continue;
      drawn++;
      for (let a = 0; a < axes.length; a++) {
        const y = yOf(places[run * axes.length + a]!);
        if (a === 0) pen.moveTo(columns[a]!, y);
        else pen.lineTo(columns[a]!, y);
      }
    }
    pen.globalAlpha = Math.max(Math.min(most, (most * FAINT) / Math.max(drawn, 1)), 0.08);
    pen.stroke();
    pen.globalAlpha = 1;
  };
  pen.lineWidth = 1;
  lines((run) => !chosen.has(run), colour("--line"), 0.6);
  pen.lineWidth = chosen.size > FAINT ? 1 : 1.5;
  lines((run) => chosen.has(run) && !bad.has(run), colour("--series-1"), 0.75);
  lines((run) => chosen.has(run) && bad.has(run), colour("--series-0"), 0.75);
  pen.strokeStyle = colour("--muted");
  pen.lineWidth = 1;
  for (const x of columns) {
    pen.beginPath();
    pen.moveTo(x, yOf(1));
    pen.lineTo(x, yOf(0));
    pen.stroke();
  }
}
