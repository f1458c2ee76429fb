/** One finding: what happened, the curve, causes in order, the fix, and explanations. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import type { Finding, HeuristicPage } from "../api";
import { CONFIDENCE_HELP, countsFromOne, placeOf, SIGN } from "../format";
import { hide } from "../hidden";
import { timeSeriesLink } from "../parentPage";
import { asked, heuristics, openHeuristic, review } from "../store";
import { Code, Diff, frameworkName } from "./Code";
import { CurveChart } from "./CurveChart";
import { Proof } from "./Proof";
import { SafeHtml } from "./SafeHtml";
import { Text } from "./Text";
import { Thresholds } from "./Thresholds";

function Causes({ finding }: { finding: Finding }): VNode {
  const supported = finding.causes.filter((cause) => cause.for);
  const shown = supported.length > 0 ? supported : finding.causes;
  const others = finding.causes.filter((cause) => !shown.includes(cause));
  return (
    <section>
      <h4>{supported.length > 0 ? "Likely causes" : "What usually causes this"}</h4>
      <ol>
        {shown.map((cause) => (
          <li>
            <strong>{cause.title}.</strong> <Text>{cause.for}</Text>{" "}
            {cause.against && (
              <span class="against">
                <Text>{cause.against}</Text>
              </span>
            )}
          </li>
        ))}
      </ol>
      {others.length > 0 && (
        <details>
          <summary>Less likely here ({others.length})</summary>
          <ul>
            {others.map((cause) => (
              <li>
                {cause.title}.{" "}
                {cause.against && (
                  <span class="against">
                    <Text>{cause.against}</Text>
                  </span>
                )}
              </li>
            ))}
          </ul>
        </details>
      )}
    </section>
  );
}

function Fixes({ finding }: { finding: Finding }): VNode | null {
  const [first, ...rest] = finding.fixes;
  if (!first) return null;
  const same = rest.filter((fix) => fix.cause === first.cause);
  const others = rest.filter((fix) => fix.cause !== first.cause);
  return (
    <section>
      <h4>
        Fix: {first.title}
        {first.proof?.verdict === "better" && <span class="proven">proven</span>}
      </h4>
      <p>
        <Text>{first.text}</Text>
      </p>
      {first.edit ? <Diff edit={first.edit} /> : <Code text={first.code} label={frameworkName(first.framework)} />}
      {first.proof && <Proof proof={first.proof} />}
      {same.map((fix) => (
        <Code text={fix.code} label={frameworkName(fix.framework)} />
      ))}
      {others.length > 0 && (
        <details>
          <summary>Other fixes ({others.length})</summary>
          {others.map((fix) => (
            <div>
              <h5>{fix.title}</h5>
              <p>
                <Text>{fix.text}</Text>
              </p>
              {fix.edit ? <Diff edit={fix.edit} /> : <Code text={fix.code} label={frameworkName(fix.framework)} />}
              {fix.proof && <Proof proof={fix.proof} />}
            </div>
          ))}
        </details>
      )}
    </section>
  );
}

const HELP = ["Why it matters", "How sure is SCRAM", "When it is not a problem", "Learn more"];

function Help({ run, page, heading }: { run: string; page: HeuristicPage; heading: string }): VNode {
  const [open, show] = useState(false);
  return (
    <details onToggle={(event) => show(event.currentTarget.open)}>
      <summary>{heading}</summary>
      <SafeHtml html={page.sections[heading] ?? ""} />
      {open && heading === "How sure is SCRAM" && <Thresholds run={run} page={page} turns="no finding" />}
    </details>
  );
}

interface Props {
  run: string;
  finding: Finding;
  /** The finding of which this one is probably a consequence. */
  after?: Finding;
  accepted?: boolean;
}

/** A consequence has no advice of its own before its cause is mended: it could contradict that of the cause. */
function Advice({ finding, after }: { finding: Finding; after: Finding | undefined }): VNode {
  const own = (
    <>
      <Causes finding={finding} />
      <Fixes finding={finding} />
    </>
  );
  if (!after) return own;
  return (
    <>
      <p class="first">
        Fix “<Text>{after.title}</Text>” first: this probably goes with it.
      </p>
      <details>
        <summary>If it stays after that</summary>
        {own}
      </details>
    </>
  );
}

export function FindingCard({ run, finding, after, accepted }: Props): VNode {
  const page = heuristics.value.find((entry) => entry.id === finding.heuristic);
  const ordinary = finding.curves.filter((curve) => !curve.tag.startsWith("scram/"));
  const unseen = review.value?.without_event_files ?? [];
  const inSeries = ordinary.filter((curve) => !unseen.includes(curve.tensorboard_run));
  const { first, axis } = finding.steps;
  const title = `finding-${finding.heuristic}-${finding.curves[0]?.tag ?? finding.steps.first}`.replace(/[^\w-]/g, "-");
  return (
    <article class={`finding ${finding.severity} ${after || accepted ? "folded" : ""}`} data-finding={finding.heuristic} aria-labelledby={title}>
      <header>
        <h3 id={title}>
          <span class={`sign ${finding.severity}`} aria-hidden="true">
            {SIGN[finding.severity]}{" "}
          </span>
          <span class="severity">{finding.severity}:</span> <Text>{finding.title}</Text>
        </h3>
        <span class={`confidence ${finding.confidence}`} title={CONFIDENCE_HELP[finding.confidence]}>
          {finding.confidence}
        </span>
      </header>
      <p class="summary">
        <Text>{finding.summary}</Text>
      </p>
      {finding.curves.length > 0 && <CurveChart run={run} finding={finding} />}
      <Advice finding={finding} after={after} />
      {page && (
        <footer>
          {HELP.map((heading) => (
            <Help run={run} page={page} heading={heading} />
          ))}
          <p class="links">
            {inSeries.length < ordinary.length && <span class="hint">Read from text files, which Time Series does not show.</span>}
            {inSeries.length > 0 && (
              <span>
                <a href={timeSeriesLink(inSeries)} target="_parent">
                  Open in Time Series
                </a>
                {countsFromOne(axis) && <span class="hint">{`${placeOf(axis, first)} is step ${first} there`}</span>}
              </span>
            )}
            <button type="button" class="link" onClick={() => (asked.value = `finding-${finding.heuristic}`)}>
              Why this?
            </button>
            <button type="button" class="link" onClick={() => openHeuristic(finding.heuristic)}>
              All about “{page.title}”
            </button>
            {!after && !accepted && (
              <button type="button" class="link" onClick={() => review.value && hide(review.value, finding.heuristic)}>
                Not a problem here
              </button>
            )}
          </p>
        </footer>
      )}
    </article>
  );
}
