import { describe, expect, it } from "vitest";
import { asPatch, diffLines } from "../src/diff";
import { editorLink } from "../src/editor";
import { formatNumber, placeOf, shortNames, toNumber } from "../src/format";
import { makeFragment, parseFragment, timeSeriesLink } from "../src/parentPage";
import { align, apart, decades, parseSpan, smoothed, toPoints } from "../src/plot/points";
import { coloursOf, rounded } from "../src/plot/options";

const curve = (steps: number[], values: number[]) => ({ steps, values, decimated: false, log: false });

describe("links", () => {
  it("come back as they went, whatever the name of a run is", () => {
    for (const run of ["a/b", "a&b=c", "ä ö", "<script>", "%", "#x", "p.scram.run=1"]) {
      expect(parseFragment(makeFragment({ run }))).toEqual({ run });
    }
  });
  it("leave empty values out and ignore what is not SCRAM's", () => {
    expect(makeFragment({ run: "a", view: "" })).toBe("#scram&p.scram.run=a");
    expect(parseFragment("#scram&other=1&p.scram.run=%E0%A4%A")).toEqual({});
  });
  it("to Time Series escape regular expressions", () => {
    expect(timeSeriesLink([{ tensorboard_run: "a.b/(1)", tag: "loss*" }])).toContain(`runFilter=${encodeURIComponent("^a\\.b/\\(1\\)$")}`);
  });
  it("to Time Series carry all curves of a finding", () => {
    const curves = ["train", "validation"].map((run) => ({ tensorboard_run: run, tag: "epoch_loss" }));
    const link = timeSeriesLink(curves);
    expect(link).toContain(`tagFilter=${encodeURIComponent("^epoch_loss$")}`);
    expect(link).toContain(`runFilter=${encodeURIComponent("^(train|validation)$")}`);
  });
  it("to an editor name the whole path and the line", () => {
    expect(editorLink({ opens: "VS Code", directory: "/home/me/my project/" }, "train.py", 19)).toBe("vscode://file/home/me/my%20project/train.py:19");
    expect(editorLink({ opens: "VS Code", directory: "C:\\code" }, "train.py", 3)).toBe("vscode://file/C:/code/train.py:3");
    expect(editorLink({ opens: "my://{path}#{line}", directory: "/a" }, "b.py", 2)).toBe("my:///a/b.py#2");
  });
  it("to an editor never run a script", () => {
    for (const opens of ["javascript:alert(1)//{path}", " java\nscript:alert(1)", "data:text/html,{path}", "{path}", "//elsewhere/{path}"]) {
      expect(editorLink({ opens, directory: "/a" }, "b.py", 2)).toBeNull();
    }
  });
});

describe("numbers", () => {
  it("travel as strings where JSON has none", () => {
    expect([toNumber("NaN"), toNumber("Infinity"), toNumber("-Infinity"), toNumber(2)]).toEqual([NaN, Infinity, -Infinity, 2]);
  });
  it("are short", () => {
    const written = { 0.41234567: "0.4123", 4.4e32: "4.4e32", 1e10: "1e10", 1234: "1,234", 1234.56: "1,235", 0.00001: "1e-5" };
    expect(Object.keys(written).map((value) => formatNumber(Number(value)))).toEqual(Object.values(written));
    expect([NaN, Infinity, -Infinity, null].map(formatNumber)).toEqual(["NaN", "infinity", "-infinity", "–"]);
  });
  it("are not in the way where names share a directory", () => {
    expect(shortNames(["sweep/lr/a", "sweep/lr/b"])).toEqual(["a", "b"]);
    expect(shortNames(["a", "b/c"])).toEqual(["a", "b/c"]);
  });
  it("of epochs and batches are those on Keras's screen", () => {
    expect([placeOf("epoch", 2), placeOf("batch", 3), placeOf("step", 2000)]).toEqual(["epoch 3", "batch 4", "step 2,000"]);
  });
});

describe("charts", () => {
  const points = toPoints({ steps: [0, 1, 2], values: [1, "NaN", 3], wall_times: [0, 1, 2], total: 3, decimated: false, log: false });
  it("keep gaps where a curve is not finite, and join others over the union of steps", () => {
    expect(align([points, curve([1, 5], [7, 8])])).toEqual([
      [0, 1, 2, 5],
      [1, null, 3, undefined],
      [undefined, 7, undefined, 8],
    ]);
  });
  it("have few ticks over many decades", () => {
    expect(decades(1, 1e33).length).toBeLessThanOrEqual(7);
    expect(decades(0.5, 200)).toEqual([1, 10, 100]);
  });
  it("on a log scale leave out what has no place there", () => {
    expect(align([curve([0, 1, 2], [1, 0, -3])], true)).toEqual([[0, 1, 2], [1, null, null]]);
  });
  it("are smoothed without a bias towards 0, and over gaps", () => {
    expect(smoothed(curve([0, 1, 2], [4, 4, 4]), 0.9).values.map((value) => value.toFixed(6))).toEqual(Array(3).fill("4.000000"));
    expect(smoothed(curve([0, 1, 2], [0, NaN, 3]), 0.5).values).toEqual([0, NaN, 2]);
  });
  it("take a part only from a link that names one", () => {
    expect([parseSpan("12-40"), parseSpan("40-12"), parseSpan("x"), parseSpan("")]).toEqual([[12, 40], null, null, null]);
  });
});

describe("diffs", () => {
  it("mark the changed part of a line", () => {
    const [removed, added] = diffLines(["Adam(learning_rate=1e10)"], ["Adam(learning_rate=0.001)"]);
    expect(removed!.text.slice(removed!.from, removed!.to)).toBe("1e10");
    expect(added!.text.slice(added!.from, added!.to)).toBe("0.001");
  });
  it("keep the lines that stay", () => {
    expect(diffLines(["a"], ["x", "a", "y"]).map((line) => [line.kind, line.text])).toEqual([
      ["added", "x"],
      ["same", "a"],
      ["added", "y"],
    ]);
  });
});

describe("charts", () => {
  it("give the training and the validation the same colours everywhere", () => {
    expect(coloursOf(["validation loss", "training loss"])).toEqual([0, 1]);
    expect(coloursOf(["training loss", "validation loss", "guessing"])).toEqual([1, 0, 2]);
    expect(coloursOf(["batch loss"])).toEqual([0]);
    expect(coloursOf(["training loss", "training accuracy", "x"])).toEqual([1, 0, 2]);
  });
  it("have ticks at round numbers, also where these count from 1", () => {
    expect(rounded(0, 1124, 100, 1).slice(0, 3)).toEqual([0, 99, 199]);
    expect(rounded(0, 9, 1, 1)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(rounded(5, 24, 5, 1)).toEqual([9, 14, 19, 24]);
  });
});

describe("a change", () => {
  it("can be copied as a patch", () => {
    const place = { file: "train.py", line: 19, before: "a = 1\nb = 2", after: "a = 1\nb = 3\nc = 4" };
    const patch = "--- a/train.py\n+++ b/train.py\n@@ -19,2 +19,3 @@\n a = 1\n-b = 2\n+b = 3\n+c = 4\n";
    expect(asPatch([place])).toBe(patch);
  });
  it("is copied with all of its places, in the order of the lines", () => {
    const places = [
      { file: "train.py", line: 9, before: "z", after: "y" },
      { file: "model.py", line: 1, before: "m", after: "n" },
      { file: "train.py", line: 2, before: "a", after: "a\nb" },
    ];
    expect(asPatch(places)).toBe(
      "--- a/train.py\n+++ b/train.py\n@@ -2,1 +2,2 @@\n a\n+b\n@@ -9,1 +10,1 @@\n-z\n+y\n" +
        "--- a/model.py\n+++ b/model.py\n@@ -1,1 +1,1 @@\n-m\n+n\n",
    );
  });
});

describe("curves of a finding", () => {
  const shares = curve([1, 2, 3], [0.75, 0.9, 1]);
  it("are hidden at first where one axis would flatten them or the first one", () => {
    const lengths = curve([1, 2, 3], [15, 16, 12]);
    expect(apart([shares, lengths], ["truncated completions", "completion length"])).toEqual([false, true]);
    expect(apart([shares, curve([1, 2], [0.2, 0.4])], ["accuracy", "preference accuracy"])).toEqual([false, false]);
  });
  it("are shown where they are losses, are constant in reach, or the first one is", () => {
    const low = curve([1, 2, 3], [0.02, 0.01, 0.01]);
    expect(apart([curve([1, 2], [5, 1]), low], ["validation loss", "training loss"])).toEqual([false, false]);
    expect(apart([shares, curve([1, 2], [1, 1])], ["a", "b"])).toEqual([false, false]);
    expect(apart([curve([1, 2], [0, 0]), shares], ["a", "b"])).toEqual([false, false]);
    expect(apart([shares, curve([1], [NaN])], ["a", "b"])).toEqual([false, false]);
  });
});
