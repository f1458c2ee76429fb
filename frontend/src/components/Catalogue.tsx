/** Every check with its page and the values of its options. */

import type { VNode } from "preact";
import { useMemo, useState } from "preact/hooks";
import { fetchExample, type Example, type HeuristicPage } from "../api";
import { useFetched } from "../fetched";
import { plural, toNumber } from "../format";
import { isFound } from "../matrix";
import { allRuns, heuristicId, heuristics } from "../store";
import { Code, frameworkName } from "./Code";
import { Plot } from "./Plot";
import { SafeHtml } from "./SafeHtml";
import { Text } from "./Text";

function Section({ page, heading }: { page: HeuristicPage; heading: string }): VNode {
  return (
    <section>
      <h3>{heading}</h3>
      <SafeHtml html={page.sections[heading] ?? ""} />
    </section>
  );
}

const FAR_APART = 100; // times: from there on only a logarithmic axis shows both twins

interface Axes {
  log: boolean;
  /** The steps that both have. */
  steps: number[];
  bounds: [number, number] | null;
}

/** One axis for both twins, so that they can be compared at a glance. */
function sharedAxes(example: Example): Axes {
  const all = [...example.faulty, ...example.healthy];
  const values = all.flatMap((curve) => curve.values.map(toNumber)).filter(Number.isFinite);
  const positive = values.filter((value) => value > 0);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const last = (curves: Example["faulty"]) => Math.max(...curves.map((curve) => curve.steps[curve.steps.length - 1] ?? 0));
  const steps = example.part ?? [0, Math.min(last(example.faulty), last(example.healthy))];
  const log = low > 0 && (all.some((curve) => curve.log) || high > FAR_APART * low);
  if (values.length === 0 || low === high) return { log, steps, bounds: null };
  if (log) return { log, steps, bounds: [Math.min(...positive) / 1.3, high * 1.3] };
  const room = 0.06 * (high - low);
  return { log, steps, bounds: [low >= 0 ? Math.max(0, low - room) : low - room, high + room] };
}

function Recorded({ example, kind, axes }: { example: Example; kind: "faulty" | "healthy"; axes: Axes }): VNode {
  const curves = example[kind];
  const points = curves.map(({ steps, values, log }) => ({ steps, values: values.map(toNumber), decimated: false, log }));
  const { axis, span, bad_step, best_step } = example;
  const lines = curves.map(({ label }) => ({ run: kind, curve: { tensorboard_run: kind, tag: label }, label }));
  const marks = kind === "faulty" ? { axis, first: span[0], last: span[1], bad: bad_step, best: best_step } : null;
  return (
    <div>
      <h4>
        <Text>{kind === "faulty" ? example.title : "Its healthy twin"}</Text>
      </h4>
      <Plot axis={axis} lines={lines} marks={marks} view={axes.steps} log={axes.log} bounds={axes.bounds} load={() => Promise.resolve(points)} />
      <p class="note">
        <Text>{kind === "faulty" ? example.summary : example.measured}</Text>
      </p>
    </div>
  );
}

/** Curves of a training with the fault, and of one without it. */
function Examples({ id }: { id: string }): VNode | null {
  const { answer, failure } = useFetched(() => fetchExample(id), [id]);
  if (failure) return null; // the user's own heuristics have no example
  return (
    <section class="examples">
      <h3>What it looks like</h3>
      {answer && <Recorded key={`${id} faulty`} example={answer} kind="faulty" axes={sharedAxes(answer)} />}
      {answer && <Recorded key={`${id} healthy`} example={answer} kind="healthy" axes={sharedAxes(answer)} />}
    </section>
  );
}

const GROUPS: Record<string, string> = {
  data: "Data",
  model: "Model and optimizer",
  curves: "Curves",
  layers: "Layers",
  preflight: "Before the training",
};

/** Whether a check fits what is searched: by its title, its id, and the titles of its causes. */
function fits(page: HeuristicPage, search: string): boolean {
  const text = [page.title, page.id, page.title_passed, ...page.causes.map((cause) => cause.title)].join(" ").toLowerCase();
  return search.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

export function Catalogue(): VNode {
  const pages = heuristics.value;
  const [search, look] = useState("");
  const shown = pages.find((page) => page.id === heuristicId.value) ?? pages[0];
  const fitting = pages.filter((page) => fits(page, search));
  const groups = [...new Set(fitting.map((page) => page.group))];
  const found = useMemo(
    () => new Map(pages.map(({ id }, i) => [id, allRuns.value.filter((run) => isFound(run.outcomes[i])).length])),
    [pages, allRuns.value],
  );
  const entry = (page: HeuristicPage): VNode => {
    const runs = found.get(page.id) ?? 0;
    return (
      <li key={page.id}>
        <button
          type="button"
          class={page === shown ? "run selected" : "run"}
          aria-current={page === shown ? "true" : undefined}
          onClick={() => (heuristicId.value = page.id)}
          title={`${page.title} (${page.id})`}
        >
          <span class="name">{page.title}</span>
          {runs > 0 && (
            <span class="count" title={`found in ${plural(runs, "run")}`}>
              {runs}
            </span>
          )}
        </button>
      </li>
    );
  };
  return (
    <>
      <nav class="runs catalogue" aria-label="Checks">
        <input
          type="search"
          placeholder="Search checks"
          aria-label="Search checks"
          value={search}
          onInput={(event) => look(event.currentTarget.value)}
        />
        {groups.map((group) => (
          <section key={group}>
            <h2>{GROUPS[group] ?? group}</h2>
            <ul>{fitting.filter((page) => page.group === group).map(entry)}</ul>
          </section>
        ))}
        {fitting.length === 0 && <p class="note">No check has “{search}” in its title or its causes.</p>}
      </nav>
      <main class="review" tabIndex={-1} aria-label="Catalogue">
        {shown && (
          <article class="page">
            <h2>{shown.title}</h2>
            <p class="note">
              <code>{shown.id}</code> needs {shown.needs.join("; ")}.
            </p>
            <Section page={shown} heading="Why it matters" />
            <Examples key={shown.id} id={shown.id} />
            <section>
              <h3>Likely causes and how to fix them</h3>
              {shown.causes.map((cause) => (
                <div>
                  <h4>{cause.title}</h4>
                  <SafeHtml html={cause.text} />
                  {shown.fixes
                    .filter((fix) => fix.cause === cause.id)
                    .map((fix) => (
                      <details>
                        <summary>Fix: {fix.title}</summary>
                        <p>
                          <Text>{fix.text}</Text>
                        </p>
                        {fix.snippets.map((snippet) => (
                          <Code text={snippet.code} label={frameworkName(snippet.framework)} />
                        ))}
                      </details>
                    ))}
                </div>
              ))}
            </section>
            {["How sure is SCRAM", "When it is not a problem", "Learn more"].map((heading) => (
              <Section page={shown} heading={heading} />
            ))}
            <section>
              <h3>Options</h3>
              <dl>
                {shown.options.map((option) => (
                  <>
                    <dt>
                      <code>
                        {option.name} = {String(option.value)}
                      </code>
                      {option.value !== option.default && ` (default ${String(option.default)})`}
                    </dt>
                    <dd>
                      {option.help}
                      {option.source && <span class="hint"> Source: {option.source}</span>}
                    </dd>
                  </>
                ))}
              </dl>
            </section>
          </article>
        )}
      </main>
    </>
  );
}
