import { describe, expect, it } from "vitest";
import type { Finding, Review, RunEntry } from "../src/api";
import { asToml, headlineOf, withoutHidden } from "../src/hidden";
import { age, newsOf } from "../src/news";
import { colourAt, rangeOf, share, strip } from "../src/plot/heat";

function run(name: string, error: number, state: "live" | "finished", outcomes = "E+"): RunEntry {
  const counts = { error, warning: 0, info: 0 };
  const kind = error > 0 ? "trouble" : "fine";
  return { name, framework: null, rank: [kind === "trouble" ? 0 : 4, -error, 0], counts, headline: { kind, text: "said" }, state, outcomes, last_event: 1, fingerprint: "" };
}

describe("news", () => {
  it("are new errors and ends of live runs", () => {
    const before = [run("a", 0, "live"), run("b", 0, "live"), run("c", 0, "finished")];
    const changed = [run("a", 1, "live"), run("b", 0, "finished"), run("c", 1, "finished"), run("d", 1, "live")];
    expect(newsOf(before, changed).map((news) => [news.run, news.kind])).toEqual([
      ["a", "error"],
      ["b", "ended"],
      ["d", "error"],
    ]);
  });
  it("are told once", () => {
    expect(newsOf([run("a", 1, "live")], [run("a", 1, "live")])).toEqual([]);
  });
  it("have an age", () => {
    expect([age(-3), age(12.4), age(300), age(7_300), age(400_000)]).toEqual(["0 s", "12 s", "5 min", "2 h", "5 d"]);
  });
});

describe("what is hidden", () => {
  const entries = [{ run: "a", heuristic: "x", counts: { error: 2 } }];
  it("counts no more in its run alone", () => {
    const left = withoutHidden(run("a", 2, "finished"), entries, ["x", "y"]);
    expect([left.counts.error, left.outcomes, left.headline.kind]).toEqual([0, "a+", "fine"]);
    expect(left.headline.text).toBe("Nothing else found. Hidden in this browser: “x”.");
    expect(withoutHidden(run("a", 3, "finished"), entries, ["x", "y"]).headline.text).toMatch(/^1 error left/);
    const healed = run("a", 0, "finished", "++");
    expect(withoutHidden(healed, entries, ["x", "y"])).toBe(healed);
    const other = run("b", 1, "finished");
    expect(withoutHidden(other, entries, ["x", "y"])).toBe(other);
  });
  it("is told in the headline", () => {
    const [gone, left] = [{ title: "X", severity: "error" }, { title: "Y", severity: "warning" }] as Finding[];
    const review = { headline: { kind: "trouble", text: "all" } } as Review;
    expect(headlineOf(review, [left!], [])).toEqual(review.headline);
    expect(headlineOf(review, [left!], [gone!]).text).toBe("Y. Hidden in this browser: “X”.");
    expect(headlineOf(review, [], [gone!]).kind).toBe("fine");
  });
  it("is TOML with names as they are", () => {
    const text = asToml([{ run: 'a*[1]?"\\\u007f', heuristic: "x" }]);
    expect(text).toContain('runs = "a[*][[]1][?]\\"\\\\\\u007F"');
  });
});

describe("heat maps", () => {
  const rows = [{ name: "a", values: [1e-6, null, "NaN" as const, 1], curves: [], findings: [] }];
  it("have a logarithmic scale over what can be drawn", () => {
    const range = rangeOf(rows, "log");
    expect(range).toEqual({ low: 1e-6, high: 1 });
    expect(share(1e-3, range, "log")).toBeCloseTo(0.5);
    expect([share(0, range, "log"), share(5, range, "log"), share(2, range, "part")]).toEqual([0, 1, 1]);
  });
  it("leave out what is missing and mark what is not finite", () => {
    const text = strip(rows[0]!.values, rangeOf(rows, "log"), "log");
    expect(text).toBe(
      `linear-gradient(to right, ${colourAt(0)} 0.00% 25.00%, transparent 25.00% 50.00%, var(--error) 50.00% 75.00%, ${colourAt(1)} 75.00% 100%)`,
    );
  });
  it("show a gradient that is exactly 0 as such", () => {
    expect(strip([0, 1], { low: 0.1, high: 1 }, "log")).toContain("var(--zero) 0.00% 50.00%");
    expect(strip([0, 1], { low: 0, high: 1 }, "part")).not.toContain("zero");
  });
  it("have a scale where all is 0", () => {
    expect(rangeOf([{ name: "a", values: [0, "NaN"], curves: [], findings: [] }], "log")).toEqual({ low: 1, high: 1 });
  });
});
