/** What came of trying a fix: the sentence, and the curves of the program as it is and with the fix. */

import type { VNode } from "preact";
import { fetchSeveral, type Proof as Tried } from "../api";
import { useFetched } from "../fetched";
import { allRuns, compare } from "../store";
import { Plot } from "./Plot";
import { Text } from "./Text";

const SAID: Record<string, string> = {
  better: "Fix proven here",
  same: "Tried here: no difference beyond the noise",
  worse: "Tried here: worse",
  breaks: "Tried here: it breaks the program",
  unknown: "Tried here: not clear",
};
const NAMES = ["as it is", "with the fix"];

/** The curve that was compared, of the first pair of runs; nothing where it was not logged as a curve. */
function Curves({ proof: { measure, runs } }: { proof: Tried }): VNode | null {
  const pair = runs.slice(0, 2);
  const { answer: shown } = useFetched(() => fetchSeveral(pair), [pair.join("\n")]);
  const curve = shown && [measure, "validation loss", "batch loss"].flatMap((name) => shown.curves.filter(({ signal }) => signal === name))[0];
  if (!curve) return null;
  const lines = curve.ends.flatMap((end, i) =>
    end ? [{ run: pair[i]!, curve: { tensorboard_run: end.tensorboard_run, tag: end.tag }, label: `${curve.signal}, ${NAMES[i]}` }] : [],
  );
  return <Plot lines={lines} axis={curve.axis} brief />;
}

export function Proof({ proof }: { proof: Tried }): VNode {
  const [before, after] = proof.runs;
  const here = allRuns.value.map(({ name }) => name);
  const known = before !== undefined && after !== undefined && here.includes(before) && here.includes(after);
  return (
    <section class={`proof ${proof.verdict}`} data-proof={proof.verdict}>
      <p>
        <strong>{SAID[proof.verdict] ?? "Tried here"}.</strong> <Text>{proof.sentence}</Text>{" "}
        {known && (
          <button type="button" class="link" onClick={() => compare(before, after)}>
            Compare the two runs
          </button>
        )}
      </p>
      {known && <Curves proof={proof} />}
    </section>
  );
}
