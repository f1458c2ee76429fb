/** Every check with its page and the values of its options. */

import type { VNode } from "preact";
import { fetchExample, type Example, type HeuristicPage } from "../api";
import { useFetched } from "../fetched";
import { toNumber } from "../format";
import { heuristicId, heuristics } from "../store";
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

export function Catalogue(): VNode {
  const pages = heuristics.value;
  const shown = pages.find((page) => page.id === heuristicId.value) ?? pages[0];
  return (
    <>
      <nav class="runs" aria-label="Checks">
        <ul>
          {pages.map((page) => (
            <li>
              <button
                type="button"
                class={page === shown ? "run selected" : "run"}
                aria-current={page === shown ? "true" : undefined}
                onClick={() => (heuristicId.value = page.id)}
                title={`${page.title} (${page.id})`}
              >
                <span class="name">{page.title}</span>
              </button>
            </li>
          ))}
        </ul>
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
