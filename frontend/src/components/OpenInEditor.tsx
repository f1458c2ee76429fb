/** A link that opens a line of the user's program in an editor; asks once where the programs are. */

import type { VNode } from "preact";
import { useState } from "preact/hooks";
import { editor, editorLink, EDITORS, keepEditor } from "../editor";

function Ask({ file, done }: { file: string; done: () => void }): VNode {
  const [opens, choose] = useState(editor.value?.opens ?? "VS Code");
  const [directory, place] = useState(editor.value?.directory ?? "");
  const own = !(opens in EDITORS);
  return (
    <form
      class="editor"
      onSubmit={(event) => {
        event.preventDefault();
        keepEditor({ opens, directory });
        done();
      }}
    >
      <label>
        Editor{" "}
        <select value={own ? "" : opens} onChange={(event) => choose(event.currentTarget.value)}>
          {Object.keys(EDITORS).map((name) => (
            <option value={name}>{name}</option>
          ))}
          <option value="">another one</option>
        </select>
      </label>
      {own && (
        <label>
          Its address{" "}
          <input required placeholder="editor://open?file={path}&line={line}" value={opens} onInput={(event) => choose(event.currentTarget.value)} />
        </label>
      )}
      <label>
        Directory of {file}{" "}
        <input required placeholder="/home/me/project" value={directory} onInput={(event) => place(event.currentTarget.value)} />
      </label>
      <button type="submit">Keep</button>
    </form>
  );
}

export function OpenInEditor({ file, line }: { file: string; line: number }): VNode {
  const [asking, ask] = useState(false);
  const address = editor.value && editorLink(editor.value, file, line);
  return (
    <>
      {address && !asking ? (
        <a class="copy" href={address} target="_parent">
          Open in editor
        </a>
      ) : (
        <button type="button" class="copy" aria-expanded={asking} onClick={() => ask(!asking)}>
          Open in editor …
        </button>
      )}
      {address && !asking && (
        <button type="button" class="copy" aria-label="Another editor or directory" title="Another editor or directory" onClick={() => ask(true)}>
          ✎
        </button>
      )}
      {asking && <Ask file={file} done={() => ask(false)} />}
    </>
  );
}
