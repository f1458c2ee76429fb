/** Lines before and after as a diff, with the part of a line that changed. */

export interface DiffLine {
  kind: "same" | "removed" | "added";
  text: string;
  /** The changed part of a line that has a counterpart; empty (from = to) if the whole line is new or gone. */
  from: number;
  to: number;
}

/** Common lines stay. If one line replaces one other, the part that changed is marked. */
export function diffLines(before: string[], after: string[]): DiffLine[] {
  const common: number[][] = Array.from({ length: before.length + 1 }, () => new Array<number>(after.length + 1).fill(0));
  const at = (i: number, j: number): number => common[i]?.[j] ?? 0;
  for (let i = before.length - 1; i >= 0; i--)
    for (let j = after.length - 1; j >= 0; j--)
      common[i]![j] = before[i] === after[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1));
  const lines: DiffLine[] = [];
  const push = (kind: DiffLine["kind"], text: string) => lines.push({ kind, text, from: 0, to: 0 });
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      push("same", before[i]!);
      i++;
      j++;
    } else if (i < before.length && (j >= after.length || at(i + 1, j) >= at(i, j + 1))) push("removed", before[i++]!);
    else push("added", after[j++]!);
  }
  return lines.length === 2 && lines[0]!.kind === "removed" && lines[1]!.kind === "added" ? markChange(lines[0]!, lines[1]!) : lines;
}

function markChange(removed: DiffLine, added: DiffLine): DiffLine[] {
  const [a, b] = [removed.text, added.text];
  let head = 0;
  while (head < Math.min(a.length, b.length) && a[head] === b[head]) head++;
  let tail = 0;
  while (tail < Math.min(a.length, b.length) - head && a[a.length - 1 - tail] === b[b.length - 1 - tail]) tail++;
  return [
    { ...removed, from: head, to: a.length - tail },
    { ...added, from: head, to: b.length - tail },
  ];
}

/** A place of a change: the lines before and after, the first of which has the number `line`. */
export interface Place {
  file: string;
  line: number;
  before: string;
  after: string;
}

/** A change as one patch for `patch -p1` or `git apply --unidiff-zero`, with all of its places. */
export function asPatch(places: readonly Place[]): string {
  const signs = { same: " ", removed: "-", added: "+" };
  const files = [...new Set(places.map(({ file }) => file))];
  return files
    .map((file) => {
      let shift = 0;
      const here = places.filter((place) => place.file === file).sort((a, b) => a.line - b.line);
      const hunks = here.map(({ line, before, after }) => {
        const [old, young] = [before.split("\n"), after.split("\n")];
        const body = diffLines(old, young).map((changed) => `${signs[changed.kind]}${changed.text}\n`);
        const head = `@@ -${line},${old.length} +${line + shift},${young.length} @@\n`;
        shift += young.length - old.length;
        return head + body.join("");
      });
      return `--- a/${file}\n+++ b/${file}\n${hunks.join("")}`;
    })
    .join("");
}
