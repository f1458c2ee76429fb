/** A log directory without anything for SCRAM: what to do. */

import type { VNode } from "preact";
import { runs } from "../store";
import { Code } from "./Code";

export function Empty(): VNode {
  const logdir = runs.value?.logdir;
  const quoted = JSON.stringify(logdir ? `${logdir.replace(/\/+$/, "")}/exp1` : "logs/exp1");
  return (
    <main class="review empty" tabIndex={-1}>
      <h2>Nothing to check yet</h2>
      <p>
        There are no event files{logdir ? <> in <code>{logdir}</code></> : ""}. Add one line to your program and train; this page
        updates by itself.
      </p>
      <Code text={`from scram_plugin import SCRAM\n\nmodel.fit(..., callbacks=[SCRAM(log_dir=${quoted})])`} label="Keras" />
      <Code text={`import scram_plugin\n\nwith scram_plugin.watch(model, optimizer, log_dir=${quoted}):\n    ...  # the loop, as it is`} label="PyTorch" />
      <p>
        Do you already have logs, from Keras's own TensorBoard callback or PyTorch's <code>SummaryWriter</code>? Point{" "}
        <code>tensorboard --logdir</code> at them: SCRAM checks those curves too.
      </p>
    </main>
  );
}
