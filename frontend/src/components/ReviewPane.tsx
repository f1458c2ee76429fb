/** The review of one training run: a headline in words, findings worst first, and the outcomes of all other checks. */

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { fetchReport, type Finding, type Headline, type Review } from "../api";
import { plural, SIGN } from "../format";
import { asToml, headlineOf, hidden, show } from "../hidden";
import { ageOf } from "../news";
import { heuristicId, openHeuristic, problem, review, runs, selected, selectedEntry, titleOf } from "../store";
import { Code, CopyButton } from "./Code";
import { FindingCard } from "./FindingCard";
import { Inside } from "./Inside";
import { About, Overview } from "./Overview";
import { Passed } from "./Passed";
import { Text } from "./Text";
import { Why } from "./Why";

const HEADLINE_SIGN: Record<Headline["kind"], string> = { trouble: "!", info: "ℹ", early: "…", fine: "✓", unknown: "·" };

const ROOMY = window.matchMedia("(min-width: 1300px)"); // as in style.css

function Link({ id }: { id: string }): VNode {
  return (
    <button type="button" class="link" data-check={id} onClick={() => openHeuristic(id)}>
      {titleOf(id)}
    </button>
  );
}

function Links({ ids }: { ids: string[] }): VNode {
  return (
    <>
      {ids.map((id, i) => (
        <>
          {i > 0 && ", "}“<Link id={id} />”
        </>
      ))}
    </>
  );
}

/** Checks that were not made for the same reason, grouped. */
function byReason(entries: { heuristic: string; reason: string }[]): [string, string[]][] {
  const grouped = new Map<string, string[]>();
  for (const { heuristic, reason } of entries) grouped.set(reason, [...(grouped.get(reason) ?? []), heuristic]);
  return [...grouped];
}

/** What was not checked, by what would have to be logged: that which makes the most checks possible first. */
function byRemedy(entries: Review["not_checked"]): [string, Review["not_checked"]][] {
  const grouped = new Map<string, Review["not_checked"]>();
  for (const entry of entries) grouped.set(entry.how, [...(grouped.get(entry.how) ?? []), entry]);
  return [...grouped].sort((a, b) => b[1].length - a[1].length);
}

/** Which tag was read as which signal, so that a wrong guess can be seen and corrected. */
function Signals({ review }: { review: Review }): VNode | null {
  const named = Object.entries(review.signals);
  if (named.length === 0) return null;
  return (
    <details>
      <summary>
        <span aria-hidden="true">≡</span> Signals and their tags ({named.length})
      </summary>
      <table class="signals">
        <thead>
          <tr>
            <th scope="col">signal</th>
            <th scope="col">tag</th>
            <th scope="col">TensorBoard run</th>
          </tr>
        </thead>
        <tbody>
          {named.map(([signal, curve]) => (
            <tr>
              <td>{signal}</td>
              <td>{curve.tag}</td>
              <td>{curve.tensorboard_run}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="hint">Is one wrong? Give the right tag under [signals] in scram.toml.</p>
    </details>
  );
}

function Outcomes({ review }: { review: Review }): VNode {
  return (
    <section class="outcomes" aria-label="Other checks">
      <Passed review={review} />
      {review.inconclusive.length > 0 && (
        <details open={review.findings.length === 0}>
          <summary>
            <span aria-hidden="true">?</span> Inconclusive ({review.inconclusive.length})
          </summary>
          <ul>
            {byReason(review.inconclusive).map(([reason, ids]) => (
              <li>
                <Links ids={ids} />: {reason}.
              </li>
            ))}
          </ul>
        </details>
      )}
      {review.not_checked.length > 0 && (
        <details open={review.findings.length === 0 && review.passed.length === 0}>
          <summary>
            <span aria-hidden="true">·</span> Not checked ({review.not_checked.length}): what to log
          </summary>
          <ul>
            {byRemedy(review.not_checked).map(([how, entries]) => (
              <li>
                <Code text={how} label={`for ${plural(entries.length, "more check")}`} />
                <details open={entries.length === 1}>
                  <summary>{entries.length === 1 ? "Which one" : `Which ${entries.length}`}</summary>
                  <ul>
                    {byReason(entries).map(([reason, ids]) => (
                      <li>
                        <Links ids={ids} />: {reason}.
                      </li>
                    ))}
                  </ul>
                </details>
              </li>
            ))}
          </ul>
        </details>
      )}
      <Signals review={review} />
    </section>
  );
}

/** Findings that are no problem here: accepted by the configuration, or hidden in this browser. */
function NoProblem({ review, gone }: { review: Review; gone: Finding[] }): VNode | null {
  if (gone.length + review.accepted.length === 0) return null;
  return (
    <section class="outcomes" aria-label="No problem here">
      {review.accepted.map(({ finding, reason }) => (
        <details class="explained">
          <summary>
            Accepted in scram.toml: <Text>{finding.title}</Text>
            {reason && ` (${reason})`}
          </summary>
          <FindingCard run={review.name} finding={finding} accepted />
        </details>
      ))}
      {gone.map((finding) => (
        <p class="note" data-hidden={finding.heuristic}>
          <span aria-hidden="true">{SIGN[finding.severity]}</span> Hidden in this browser: <Text>{finding.title}</Text>.{" "}
          <button type="button" class="link" onClick={() => show({ run: review.name, heuristic: finding.heuristic })}>
            Show again
          </button>
        </p>
      ))}
      {gone.length > 0 && (
        <Code
          text={asToml(gone.map(({ heuristic }) => ({ run: review.name, heuristic })))}
          label="scram.toml, for everybody and for scram check"
        />
      )}
    </section>
  );
}

/** Scroll to one check: to its finding, or to its place among the other outcomes. */
function goTo(pane: HTMLElement, id: string): void {
  const place = pane.querySelector<HTMLElement>(`[data-finding="${CSS.escape(id)}"], [data-check="${CSS.escape(id)}"]`);
  for (let fold = place?.closest("details"); fold; fold = fold.parentElement?.closest("details")) fold.open = true;
  if (!place) return;
  const small = place.matches("button, summary");
  if (!small) place.tabIndex = -1;
  place.focus({ preventScroll: true });
  place.scrollIntoView({ block: small ? "center" : "start" });
}

export function ReviewPane(): VNode {
  const shown = review.value;
  const pane = useRef<HTMLElement>(null);
  useEffect(() => {
    const element = pane.current;
    if (!element || shown?.name !== selected.value) return;
    element.scrollTop = 0;
    if (heuristicId.value) goTo(element, heuristicId.value);
  }, [shown?.name, selected.value, heuristicId.value]);
  if (!shown || shown.name !== selected.value) {
    return (
      <main class="review" tabIndex={-1} ref={pane}>
        <p class="note" role="status">{problem.value ?? "Reading and checking this run …"}</p>
      </main>
    );
  }
  const alone = shown.findings.filter((finding) => finding.explained_by === null);
  const ids = new Set(hidden.value.filter((entry) => entry.run === shown.name).map((entry) => entry.heuristic));
  const [own, gone] = [alone.filter((f) => !ids.has(f.heuristic)), alone.filter((f) => ids.has(f.heuristic))];
  const headline = headlineOf(shown, own, gone);
  const entry = selectedEntry.value;
  const roomy = ROOMY.matches && own.length > 0; // then the model and the first answer stand beside the finding
  const recorded = shown.tensorboard_runs.some((name) => /(^|\/)scram$/.test(name));
  return (
    <main class="review" tabIndex={-1} ref={pane} aria-label={`Review of ${shown.name}`}>
      <div class="run-head">
        <h2>{shown.name === "." ? "this directory" : shown.name}</h2>
        {entry?.state === "live" && (
          <span class="live">
            live
            {entry.last_event !== null && `, last value ${ageOf(entry, runs.value?.now)} ago`}
          </span>
        )}
        {shown.framework && <span class="framework">{shown.framework}</span>}
        <CopyButton
          text={() => fetchReport(shown.name).then((answer) => answer.markdown)}
          what="as Markdown"
          label="Copy as Markdown"
        />
      </div>
      <p class={`headline ${headline.kind} ${own[0]?.severity ?? ""}`} role="status">
        <span aria-hidden="true" class="headline-sign">{HEADLINE_SIGN[headline.kind]}</span>
        <span>
          <Text>{headline.text}</Text>
        </span>
      </p>
      <About review={shown} />
      {shown.notes.map((note) => (
        <p class="note">{note}</p>
      ))}
      <div class={own.length > 0 ? "panes" : "panes calm"}>
        <Overview key={`overview ${shown.name}`} review={shown} />
        <div class="findings">
          {own.map((finding) => (
            <div key={`${shown.name}/${finding.heuristic}/${finding.curves[0]?.tag ?? ""}`}>
              <FindingCard run={shown.name} finding={finding} />
              {shown.findings
                .filter((other) => other.explained_by === finding.heuristic)
                .map((other) => (
                  <details class="explained">
                    <summary>
                      Probably a consequence of this: <Text>{other.title}</Text>
                    </summary>
                    <FindingCard run={shown.name} finding={other} after={finding} />
                  </details>
                ))}
            </div>
          ))}
          <NoProblem review={shown} gone={gone} />
          <Outcomes review={shown} />
        </div>
        <div class="beside">
          <Inside key={`inside ${shown.name}`} run={shown.name} expanded={roomy && recorded} />
          <Why key={shown.name} run={shown.name} first={roomy && own[0] ? `finding-${own[0].heuristic}` : ""} />
        </div>
      </div>
    </main>
  );
}
