/** A sentence of the server, with names of code between backticks. */

import type { VNode } from "preact";

export function Text({ children }: { children: string }): VNode {
  const parts = children.split("`");
  if (parts.length % 2 === 0) return <>{children}</>; // a backtick without its counterpart
  return <>{parts.map((part, i) => (i % 2 === 1 ? <code>{part}</code> : part))}</>;
}
