import { describe, expect, it } from "vitest";
import { axisOf, between, type Brushes, extent, inside, MISSING, placeOn, placesOf, scaleOf, stillThere } from "../src/plot/parallel";

describe("an axis", () => {
  it("is logarithmic where a linear one would crowd the values at one end", () => {
    const rates = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3];
    const axis = axisOf("learning rate", rates);
    expect(axis.log).toBe(true);
    expect(axis.ticks.map(({ label }) => label)).toEqual(["0.0001", "0.001", "0.01", "0.1"]);
    expect(placeOn(axis, 0.001)).toBeCloseTo(Math.log(10) / Math.log(3000));
    const uniform = Array.from({ length: 50 }, (_, i) => 0.01 + i / 50);
    expect(axisOf("dropout", uniform).log).toBe(false);
  });
  it("has its few different numbers as ticks, and round ones otherwise", () => {
    expect(axisOf("width", [64, 256, 128, 64]).ticks.map(({ label }) => label)).toEqual(["64", "128", "256"]);
    const many = Array.from({ length: 40 }, (_, i) => i);
    expect(axisOf("n", many).ticks.map(({ label }) => label)).toEqual(["0", "10", "20", "30"]);
  });
  it("has room for one value, for texts, and for what is not set", () => {
    expect(placeOn(axisOf("x", [3, 3]), 3)).toBe(0.5);
    const axis = axisOf("optimizer", ["sgd", "adam", null, "adam"]);
    expect(axis.choices).toEqual(["sgd", "adam"]);
    expect([placeOn(axis, "sgd"), placeOn(axis, "adam"), placeOn(axis, null)]).toEqual([0, 1, MISSING]);
    expect(axis.ticks.map(({ label }) => label)).toEqual(["sgd", "adam", "not set"]);
    expect(axisOf("amp", [true, false]).choices).toEqual(["on", "off"]);
    expect(axisOf("nothing", [null, null]).ticks.map(({ label }) => label)).toEqual(["not set"]);
  });
  it("does not fail for numbers of any size", () => {
    for (const values of [[0, 1e-300], [-5, -1], [1e300, -1e300], [0], [Number.MIN_VALUE, 1]]) {
      const axis = axisOf("x", values);
      for (const value of values) expect(Number.isFinite(placeOn(axis, value))).toBe(true);
      expect(axis.ticks.length).toBeGreaterThan(0);
      expect(axis.ticks.length).toBeLessThan(400);
    }
  });
});

describe("runs on axes", () => {
  const columns = [
    [0, 5, 10],
    ["a", null, "b"],
  ];
  const axes = columns.map((values, i) => axisOf(`axis ${i}`, values));
  const places = placesOf(axes, columns, 3);
  it("have a place on each, run by run", () => {
    expect([...places].map((place) => Number(place.toFixed(3)))).toEqual([0, 1, 0.5, MISSING, 1, 0]);
    expect(extent(places, 2, 0, [1, 2])).toEqual([0.5, 1]);
    expect(extent(places, 2, 0, [])).toBeNull();
  });
  it("lie in marked parts or not, which are told in words", () => {
    const brushes: Brushes = new Map([["axis 0", { part: [0.4, 1], scale: scaleOf(axes[0]!) }]]);
    expect(stillThere(brushes, axes)).toEqual(brushes);
    expect(stillThere(brushes, [axisOf("axis 0", [0, 5, 100])])).toEqual(new Map());
    expect([0, 1, 2].map((run) => inside(places, axes, run, brushes))).toEqual([false, true, true]);
    expect(between(axes[0]!, [0.4, 1.01])).toBe("4 to 10");
    expect(between(axes[1]!, [-0.2, 0.1])).toBe("not set, b");
    expect(between(axes[1]!, [0.3, 0.6])).toBe("nothing");
  });
  it("may have settings with the names of an object's own properties", () => {
    for (const name of ["__proto__", "constructor", "toString", "hasOwnProperty"]) {
      const own = [axisOf(name, columns[0]!), axisOf("other", columns[1]!)];
      expect([0, 1, 2].map((run) => inside(places, own, run, new Map()))).toEqual([true, true, true]);
      const brushes: Brushes = new Map([[name, { part: [0.4, 1], scale: scaleOf(own[0]!) }]]);
      expect(stillThere(brushes, own).has(name)).toBe(true);
      expect([0, 1, 2].map((run) => inside(places, own, run, brushes))).toEqual([false, true, true]);
    }
  });
});
