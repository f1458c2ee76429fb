import { describe, expect, it } from "vitest";
import type { RunEntry, Runs } from "../src/api";
import { commonDirectory, groupOf } from "../src/format";
import { columns, outcomeOf, sorted } from "../src/matrix";
import { filtered, sharedFaults, toggled } from "../src/filter";
import { countAll, merged, worstFirst } from "../src/runs";
import { rowsInSight, scrollFor } from "../src/visible";

function run(name: string, kind: "trouble" | "fine" = "fine", error = 0, outcomes = "++"): RunEntry {
  const rank = [kind === "trouble" ? 0 : 4, -error, 0];
  return { name, framework: "keras", rank, counts: { error, warning: 0, info: 0 }, headline: { kind, text: "" }, state: "finished", outcomes, last_event: null, fingerprint: name };
}

function answer(runs: RunEntry[], removed: string[] | null): Runs {
  const progress = { done: 0, total: 0, looked: true, read: { done: 0, total: 0 } };
  return { runs, removed, cursor: "c", now: 0, progress, logdir: "", version: "", notes: [] };
}

const names = (runs: RunEntry[]): string[] => runs.map((entry) => entry.name);

describe("the list of runs", () => {
  it("is grouped by directory", () => {
    expect([groupOf("a/b/c"), groupOf("c")]).toEqual(["a/b", ""]);
  });
  it("comes worst first", () => {
    const all = [run("c"), run("b", "trouble", 1), run("a", "trouble", 1), run("d", "trouble", 2)];
    expect(names(all.sort(worstFirst))).toEqual(["d", "a", "b", "c"]);
  });
  it("is kept current by what changed", () => {
    const known = answer([run("a"), run("b"), run("d")], null);
    const news = merged(known, answer([run("c"), run("b", "trouble", 1)], ["a"]));
    expect(names(news.runs)).toEqual(["b", "c", "d"]);
    expect(countAll(news.runs).error).toBe(1);
    expect(merged(news, answer([], [])).runs).toBe(news.runs);
    expect(names(merged(news, answer([run("z")], null)).runs)).toEqual(["z"]);
    expect(names(merged(null, answer([run("z")], [])).runs)).toEqual(["z"]);
  });
  it("names the directory that all share", () => {
    expect(commonDirectory(["a/b/c", "a/b/d", "a/bc/e"])).toBe("a/");
    expect(commonDirectory(["a/b/c", "a/b/d"])).toBe("a/b/");
    expect([commonDirectory(["a/b"]), commonDirectory(["a/b", "c/d"]), commonDirectory([])]).toEqual(["", "", ""]);
  });
});

describe("the filter", () => {
  const checks = [
    { id: "overfitting", title: "Overfitting" },
    { id: "nonfinite-loss", title: "The loss became NaN" },
  ];
  const all = [
    run("sweep/lr=0.1", "trouble", 1, "W+"),
    run("sweep/lr=1", "trouble", 1, "+E"),
    { ...run("other/lr=1", "fine", 0, "++"), framework: "lightning", state: "live" as const },
  ];
  const left = (filter: string): string[] => names(filtered(all, filter, checks));
  it("wants all words, or regular expressions", () => {
    expect(left(" SWEEP  lr=1 ")).toEqual(["sweep/lr=1"]);
    expect(filtered(all, "  ", checks)).toBe(all);
    expect(left("0.1|other")).toEqual(["sweep/lr=0.1", "other/lr=1"]);
    expect(left("lr=1$")).toEqual(["sweep/lr=1", "other/lr=1"]);
    expect(left("lr=(")).toEqual([]);
    expect(left("-sweep")).toEqual(["other/lr=1"]);
  });
  it("finds what was found", () => {
    expect(left("overfit")).toEqual(["sweep/lr=0.1"]);
    expect(left("nan")).toEqual(["sweep/lr=1"]);
    expect(left("check:nonfinite")).toEqual(["sweep/lr=1"]);
    expect(left("is:error")).toEqual(["sweep/lr=1"]);
    expect(left("is:warning")).toEqual(["sweep/lr=0.1"]);
    expect(left("is:fine")).toEqual(["other/lr=1"]);
    expect(left("is:live")).toEqual(["other/lr=1"]);
    expect(left("framework:keras -is:error")).toEqual(["sweep/lr=0.1"]);
  });
  it("is changed a word at a time", () => {
    expect(toggled("a", "is:error")).toBe("a is:error");
    expect(toggled("a is:error", "is:error")).toBe("a");
  });
  it("knows the faults that several runs share", () => {
    const more = [...all, run("x", "trouble", 1, "WE"), run("y", "trouble", 0, "W-")];
    expect(sharedFaults(more, checks).map(({ id, runs }) => [id, runs])).toEqual([
      ["overfitting", 3],
      ["nonfinite-loss", 2],
    ]);
    expect(sharedFaults(all, checks)).toEqual([]);
  });
});

describe("runs x checks", () => {
  const all = [run("a", "trouble", 1, "+E-"), run("b", "fine", 0, "+?-"), run("c", "trouble", 0, "+w-")];
  it("shows the checks with a finding, or all", () => {
    expect(columns(all, 3, false)).toEqual([1]);
    expect(columns(all, 3, true)).toEqual([0, 1, 2]);
  });
  it("is sorted by name, by the worst, or by the outcome of one check", () => {
    expect(names(sorted(all, "name"))).toEqual(["a", "b", "c"]);
    expect(names(sorted(all, "worst"))).toEqual(["a", "c", "b"]);
    expect(names(sorted(all, 1))).toEqual(["a", "c", "b"]);
  });
  it("knows a letter of a later version as not checked", () => {
    expect([outcomeOf("E").word, outcomeOf("+").word, outcomeOf("x").word, outcomeOf(undefined).word]).toEqual([
      "error",
      "passed",
      "not checked",
      "not checked",
    ]);
  });
});

describe("rows in sight", () => {
  it("are those of the window, and a few more", () => {
    expect(rowsInSight(0, 300, 30, 2000)).toEqual([0, 18]);
    expect(rowsInSight(30_000, 300, 30, 2000)).toEqual([992, 1018]);
    expect(rowsInSight(90_000, 300, 30, 20)).toEqual([20, 20]);
  });
  it("are scrolled to only where that is needed", () => {
    expect(scrollFor(5, 0, 300, 30, 0)).toBeNull();
    expect(scrollFor(2, 90, 300, 30, 0)).toBe(60);
    expect(scrollFor(10, 0, 300, 30, 60)).toBe(90);
  });
});
