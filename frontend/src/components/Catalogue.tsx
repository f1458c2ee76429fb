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

function Recorded({ example, kind }: { example: Example; kind: "faulty" | "healthy" }): VNode {
  const curves = example[kind];
  const points = curves.map(({ steps, values, log }) => ({ steps, values: values.map(toNumber), decimated: false, log }));
  const { axis, span, bad_step, best_step, part } = example;
  const lines = curves.map(({ label }) => ({ run: kind, curve: { tensorboard_run: kind, tag: label }, label }));
  const marks = kind === "faulty" ? { axis, first: span[0], last: span[1], bad: bad_step, best: best_step } : null;
  return (
    <div>
      <h4>
        <Text>{kind === "faulty" ? example.title : "Its healthy twin"}</Text>
      </h4>
      <Plot axis={axis} lines={lines} marks={marks} view={kind === "faulty" ? part : null} load={() => Promise.resolve(points)} />
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
      {answer && <Recorded key={`${id} faulty`} example={answer} kind="faulty" />}
      {answer && <Recorded key={`${id} healthy`} example={answer} kind="healthy" />}
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
