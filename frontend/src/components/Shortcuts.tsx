/** Keys for what is done often: the next run, the one before, the filter; and a list of them. */

import type { VNode } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { select, selected, shownRuns, view, VIEWS } from "../store";
import { inListOrder } from "../runs";

const KEYS: [string, string][] = [
  ["j, k", "the next run, the one before"],
  ["/", "the filter"],
  ["1 to 4", "Findings, Runs × checks, Compare, Catalogue"],
  ["?", "this list"],
];

/** Whether a key is meant for a field or a button in which somebody types. */
function typing(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input:not([type=range]):not([type=checkbox]), textarea, select, [role=grid] *");
}

function move(by: 1 | -1): void {
  const names = inListOrder(shownRuns.value).map((run) => run.name);
  const to = names[names.indexOf(selected.value) + by];
  if (to !== undefined) select(to);
}

export function Shortcuts(): VNode {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      if (event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
      if (event.key === "j" || event.key === "k") move(event.key === "j" ? 1 : -1);
      else if (event.key === "/") document.querySelector<HTMLElement>("input[type=search]")?.focus();
      else if (event.key === "?") dialog.current?.showModal();
      else if (VIEWS[Number(event.key) - 1]) view.value = VIEWS[Number(event.key) - 1]!;
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", press);
    return () => document.removeEventListener("keydown", press);
  }, []);
  return (
    <dialog class="keys" ref={dialog} aria-label="Keys" onClick={() => dialog.current?.close()}>
      <dl>
        {KEYS.map(([key, does]) => (
          <div>
            <dt>
              <kbd>{key}</kbd>
            </dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <button type="button">Close</button>
    </dialog>
  );
}
