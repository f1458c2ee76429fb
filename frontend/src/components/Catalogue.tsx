/** Every heuristic with its page and its options as they are set. */

import type { VNode } from "preact";
import { heuristicId, heuristics } from "../store";
import { SafeHtml } from "./SafeHtml";

export function Catalogue(): VNode {
  const pages = heuristics.value;
  const shown = pages.find((page) => page.id === heuristicId.value) ?? pages[0];
  return (
    <>
      <nav class="runs" aria-label="Heuristics">
        <ul>
          {pages.map((page) => (
            <li>
              <button
                type="button"
                class={page === shown ? "run selected" : "run"}
                aria-current={page === shown ? "true" : undefined}
                onClick={() => (heuristicId.value = page.id)}
              >
                <span class="name">{page.id}</span>
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
            {Object.entries(shown.sections)
              .filter(([heading]) => heading !== "What happened")
              .map(([heading, html]) => (
                <section>
                  <h3>{heading}</h3>
                  <SafeHtml html={html.replace(/<h3>[a-z0-9-]+: /g, "<h3>")} />
                </section>
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
                    <dd>{option.help}</dd>
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
