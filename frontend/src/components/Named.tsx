/** The checks whose findings speak of something, as links to what they say of a run. */

import type { VNode } from "preact";
import { select } from "../store";

export function Named({ run, ids }: { run: string; ids: string[] }): VNode {
  return (
    <>
      {ids.map((id) => (
        <span class="named">
          <span aria-hidden="true">▲</span>{" "}
          <button type="button" class="link" onClick={() => select(run, id)}>
            {id}
          </button>
        </span>
      ))}
    </>
  );
}
