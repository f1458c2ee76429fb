/** The checks whose findings name a layer or variable, as links to these findings. */

import type { VNode } from "preact";
import { select, titleOf } from "../store";

export function Named({ run, ids }: { run: string; ids: string[] }): VNode {
  return (
    <>
      {ids.map((id) => (
        <span class="named">
          <span aria-hidden="true">▲</span>{" "}
          <button type="button" class="link" onClick={() => select(run, id)}>
            {titleOf(id)}
          </button>
        </span>
      ))}
    </>
  );
}
