/** Where the user's editor opens a file. A log holds no absolute paths, so the directory of the programs is asked for once and
 * kept in this browser. */

import { signal } from "@preact/signals";

export interface Editor {
  /** A key of `EDITORS`, or an address of the user's own with {path} and {line}. */
  opens: string;
  /** The directory in which the programs are. */
  directory: string;
}

export const EDITORS: Record<string, string> = {
  "VS Code": "vscode://file{path}:{line}",
  Cursor: "cursor://file{path}:{line}",
  Zed: "zed://file{path}:{line}",
  "PyCharm, IDEA": "idea://open?file={path}&line={line}",
  "Sublime Text": "subl://open?url=file://{path}&line={line}",
};
const PLACE = "scram.editor";

function stored(): Editor | null {
  try {
    const kept = JSON.parse(localStorage.getItem(PLACE) ?? "null") as Partial<Editor> | null;
    return typeof kept?.opens === "string" && typeof kept.directory === "string" ? { opens: kept.opens, directory: kept.directory } : null;
  } catch {
    return null; // storage is blocked, or holds something else
  }
}

export const editor = signal<Editor | null>(stored());

export function keepEditor(chosen: Editor): void {
  editor.value = chosen;
  try {
    localStorage.setItem(PLACE, JSON.stringify(chosen));
  } catch {
    // then it holds for this page
  }
}

/** The address that opens a line; null for one that a browser would run or load itself. */
export function editorLink({ opens, directory }: Editor, file: string, line: number): string | null {
  const path = `/${directory.trim().replaceAll("\\", "/").replace(/^\/+|\/+$/g, "")}/${file}`; // also /C:/code
  const address = (EDITORS[opens] ?? opens)
    .replace("{path}", path.split("/").map(encodeURIComponent).join("/").replace(/%3A/gi, ":"))
    .replace("{line}", String(line));
  return /^(javascript|data|vbscript|blob|about):/i.test(address.replace(/[\s\u0000-\u001f]/g, "")) || !/^[a-z][\w+.-]*:/i.test(address)
    ? null
    : address;
}
