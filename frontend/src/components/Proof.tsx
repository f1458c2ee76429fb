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

/** The first pair of runs: all without the fix come before all with it. */
const pairOf = ({ runs }: Tried): string[] => (runs.length > 1 ? [runs[0]!, runs[runs.length / 2]!] : []);

/** The curve that was compared; nothing where it was not logged as a curve. */
function Curves({ proof: { measure }, pair }: { proof: Tried; pair: string[] }): VNode | null {
  const { answer: shown } = useFetched(() => fetchSeveral(pair), [pair.join("\n")]);
  const curve = shown && [measure, "validation loss", "batch loss"].flatMap((name) => shown.curves.filter(({ signal }) => signal === name))[0];
  if (!curve) return null;
  const lines = curve.ends.flatMap((end, i) =>
    end ? [{ run: pair[i]!, curve: { tensorboard_run: end.tensorboard_run, tag: end.tag }, label: `${curve.signal}, ${NAMES[i]}` }] : [],
  );
  return <Plot lines={lines} axis={curve.axis} brief />;
}

export function Proof({ proof }: { proof: Tried }): VNode {
  const pair = pairOf(proof);
  const here = allRuns.value.map(({ name }) => name);
  const known = pair.length === 2 && pair.every((name) => here.includes(name));
  return (
    <section class={`proof ${proof.verdict}`} data-proof={proof.verdict}>
      <p>
        <strong>{SAID[proof.verdict] ?? "Tried here"}.</strong> <Text>{proof.sentence}</Text>{" "}
        {known && (
          <button type="button" class="link" onClick={() => compare(pair[0]!, pair[1]!)}>
            Compare the two runs
          </button>
        )}
      </p>
      {known && <Curves proof={proof} pair={pair} />}
    </section>
  );
}
