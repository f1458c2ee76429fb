/** The name of a signal at the head of a row; a click draws its curves. */

import type { VNode } from "preact";

export function SignalButton({ name, drawn, draw }: { name: string; drawn: boolean; draw: (name: string) => void }): VNode {
  return (
    <th scope="row">
      <button type="button" class="link" aria-pressed={drawn} onClick={() => draw(name)}>
        {name}
      </button>
    </th>
  );
}
