/** The server's answer to a request, which is repeated whenever one of `keys` changes; until then the previous answer stays. */

import { useEffect, useState } from "preact/hooks";

export function useFetched<T>(ask: (() => Promise<T>) | null, keys: unknown[]): { answer: T | null; failure: string } {
  const [answer, keep] = useState<T | null>(null);
  const [failure, fail] = useState("");
  useEffect(() => {
    if (!ask) return keep(null);
    let wanted = true;
    ask().then(
      (news) => {
        if (!wanted) return;
        keep(news);
        fail("");
      },
      (error: unknown) => wanted && fail(error instanceof Error ? error.message : String(error)),
    );
    return () => {
      wanted = false;
    };
  }, keys);
  return { answer, failure };
}
