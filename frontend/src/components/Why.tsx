/** "Why?": the questions that this run raises. Each answer is a chain of evidence, every step with its curve or line of code. */

import type { VNode } from "preact";
import { useEffect, useState } from "preact/hooks";
import { fetchAnswers, type Answer, type AnswerStep } from "../api";
import { useFetched } from "../fetched";
import { asked, select, selectedEntry } from "../store";
import { Code } from "./Code";
import { Plot } from "./Plot";
import { Text } from "./Text";

const CLOSED = "none"; // the question that would be open is not
const ENDS = { cause: "Likeliest cause:", open: "Conclusion:", fine: "Conclusion:" };

function Step({ run, step }: { run: string; step: AnswerStep }): VNode {
  const [open, show] = useState(false);
  const { curve, part, span, at, axis, code } = step;
  const marks = span ? { axis, first: span[0], last: span[1], bad: at, best: null } : null;
  return (
    <li>
      <Text>{step.text}</Text>{" "}
      {(curve || code) && (
        <button type="button" class="link" aria-expanded={open} onClick={() => show(!open)}>
          {open ? "Hide" : "Show"} {curve ? "the curve" : `line ${code!.line}`}
        </button>
      )}
      {open && curve && <Plot axis={axis} marks={marks} view={part} lines={[{ run, curve, label: curve.label }]} />}
      {open && code && <Code text={code.text} label={`${code.file}, line ${code.line}`} />}
    </li>
  );
}

function Question({ run, answer, first }: { run: string; answer: Answer; first: string }): VNode {
  const open = asked.value === answer.id || (asked.value === "" && answer.id === first);
  return (
    <details
      class="question"
      data-question={answer.id}
      open={open}
      onToggle={(event) => {
        if (event.currentTarget.open === open) return;
        if (event.currentTarget.open) asked.value = answer.id;
        else if (open) asked.value = answer.id === first ? CLOSED : "";
      }}
    >
      <summary>
        <Text>{answer.question}</Text>
      </summary>
      <ol>
        {answer.steps.map((step) => (
          <Step run={run} step={step} />
        ))}
      </ol>
      <p class="conclusion">
        <strong>{ENDS[answer.kind]}</strong> <Text>{answer.conclusion}</Text>{" "}
        {answer.heuristic && (
          <button type="button" class="link" onClick={() => select(run, answer.heuristic ?? "")}>
            {answer.kind === "cause" ? "Go to the fix" : "Go to the finding"}
          </button>
        )}
      </p>
      {answer.how && <Code text={answer.how} label="to know more" />}
    </details>
  );
}

/** `first`: the question that is open until another one is, if there is room for it. */
export function Why({ run, first }: { run: string; first: string }): VNode {
  const [open, setOpen] = useState(asked.peek() !== "" || first !== "");
  const minute = Math.floor((selectedEntry.value?.last_event ?? 0) / 60); // the answers of a live run are loaded again once a minute
  const version = `${selectedEntry.value?.fingerprint} ${minute}`;
  useEffect(() => {
    if (asked.value && asked.value !== CLOSED) setOpen(true);
  }, [asked.value]);
  const { answer, failure } = useFetched(open ? () => fetchAnswers(run) : null, [run, open, version]);
  const answers = answer?.questions;
  const ready = answers !== undefined;
  useEffect(() => {
    if (!ready || !asked.value) return;
    const place = document.querySelector<HTMLElement>(`[data-question="${CSS.escape(asked.value)}"] summary`);
    if (!place || place === document.activeElement) return; // opened by a click on itself
    place.focus({ preventScroll: true });
    place.scrollIntoView({ block: "start" });
  }, [ready, asked.value]);
  return (
    <details class="why" open={open} onToggle={(event) => event.target === event.currentTarget && setOpen(event.currentTarget.open)}>
      <summary>
        <h3>Why?</h3> <span class="hint">questions about this run, with answers</span>
      </summary>
      {failure && <p class="note">The answers could not be loaded. {failure}</p>}
      {!ready && !failure && <p class="note" role="status">Looking for evidence …</p>}
      {answers?.map((answer) => (
        <Question key={answer.id} run={run} answer={answer} first={first} />
      ))}
    </details>
  );
}
