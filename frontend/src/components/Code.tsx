/** Python code, highlighted, with a button that copies it; and an edit of the user's lines as a diff. */

import { h, type ComponentChild, type VNode } from "preact";
import { useState } from "preact/hooks";
import python from "highlight.js/lib/languages/python";
import { createLowlight } from "lowlight";
import type { Edit } from "../api";
import { asPatch, diffLines } from "../diff";
import { OpenInEditor } from "./OpenInEditor";

const SIGNS = { removed: "−", added: "+", same: " " };

const lowlight = createLowlight({ python });

type HastNode = ReturnType<typeof lowlight.highlight>["children"][number];

function convert(node: HastNode): ComponentChild {
  if (node.type === "text") return node.value;
  if (node.type !== "element") return null;
  const classes = node.properties["className"];
  return h("span", { class: Array.isArray(classes) ? classes.join(" ") : "" }, node.children.map((child) => convert(child as HastNode)));
}

/** Copy to the clipboard; where that is not allowed (http, not localhost), through a selected text field. */
async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const field = document.createElement("textarea");
    field.value = text;
    document.body.append(field);
    field.select();
    const done = document.execCommand("copy");
    field.remove();
    return done;
  }
}

interface CopyProps {
  /** What is copied, or how to get it. */
  text: string | (() => Promise<string>);
  what: string;
  label?: string;
}

export function CopyButton({ text, what, label = "Copy" }: CopyProps): VNode {
  const [said, say] = useState("");
  const copy = async (): Promise<void> => {
    const got = typeof text === "string" ? text : await text().catch(() => null);
    say(got === null ? "TensorBoard does not answer" : (await copyText(got)) ? "Copied" : "Select and copy by hand");
    setTimeout(() => say(""), 2_000);
  };
  return (
    <button type="button" class="copy" onClick={() => void copy()} aria-label={`Copy ${what}`}>
      <span aria-live="polite">{said || label}</span>
    </button>
  );
}

const FRAMEWORKS = new Map([
  ["keras", "Keras"],
  ["torch", "PyTorch"],
  ["lightning", "Lightning"],
  ["hugging face", "Hugging Face Trainer"],
  ["yolo", "Ultralytics"],
  ["stable-baselines3", "Stable-Baselines3"],
]);

/** The usual spelling of a framework's name. Other names, from pages of the user's own heuristics, stay as they are. */
export const frameworkName = (framework: string): string => FRAMEWORKS.get(framework) ?? framework;

export function Code({ text, label }: { text: string; label: string }): VNode {
  return (
    <figure class="code">
      <figcaption>
        <span>{label}</span>
        <CopyButton text={text} what="the code" />
      </figcaption>
      <pre tabIndex={0} aria-label="Code">
        <code>{lowlight.highlight("python", text.trimEnd()).children.map(convert)}</code>
      </pre>
    </figure>
  );
}

/** It stands for a text or a comment of the program, which the log does not hold (`redaction.py`). */
const HIDDEN = "…";

/** All places of a change. The patch has all of them: a part of a change is no fix. */
export function Diff({ edit }: { edit: Edit }): VNode {
  const places = [edit, ...edit.more];
  const whole = places.every((place) => !place.after.includes(HIDDEN));
  return (
    <>
      {places.map((place, i) => {
        const where = `Your code: ${place.file}, line ${place.line}${place.reason && `: ${place.reason}`}`;
        return (
          <TextDiff
            before={place.before}
            after={place.after}
            label={whole ? where : `${where} (${HIDDEN} stands for texts and comments, which are not in the log)`}
            what="Change to your code"
            first={place.line}
            {...(whole && {
              copy: (
                <>
                  <OpenInEditor file={place.file} line={place.line} />
                  {i === 0 && <CopyButton text={asPatch(places)} what="as patch" label="Copy as patch" />}
                  <CopyButton text={place.after} what="the changed lines" />
                </>
              ),
            })}
          />
        );
      })}
    </>
  );
}

interface TextDiffProps {
  before: string;
  after: string;
  label: string;
  what: string;
  copy?: VNode;
  /** The number of the first line, if lines are numbered. */
  first?: number;
}

export function TextDiff({ before, after, label, what, copy, first }: TextDiffProps): VNode {
  const lines = diffLines(before.split("\n"), after.split("\n"));
  let [old, young] = [first ?? 0, first ?? 0];
  const numbers = lines.map(({ kind }) => {
    const number = kind === "removed" ? old : young;
    if (kind !== "added") old += 1;
    if (kind !== "removed") young += 1;
    return number;
  });
  return (
    <figure class="code diff">
      <figcaption>
        <span>{label}</span>
        {copy}
      </figcaption>
      <pre tabIndex={0} aria-label={what}>
        {lines.map((line, i) => (
          <div class={line.kind}>
            {first !== undefined && (
              <span class="line-number" aria-hidden="true">
                {numbers[i]}
              </span>
            )}
            <span class="sign">{SIGNS[line.kind]} </span>
            {line.text.slice(0, line.from)}
            {line.to > line.from && <mark>{line.text.slice(line.from, line.to)}</mark>}
            {line.text.slice(line.to)}
          </div>
        ))}
      </pre>
    </figure>
  );
}
