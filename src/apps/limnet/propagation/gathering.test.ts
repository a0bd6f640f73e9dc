import { describe, expect, it } from "vitest";
import { Gathering } from "./gathering.js";

const plane = (...values: number[]) => Uint8Array.from(values);

describe("the disagreement of the two directions", () => {
  it("is 1 - Dice of their masks at one half, whichever came first and whatever their shares", () => {
    const a = plane(255, 128, 127, 0);
    const b = plane(200, 0, 255, 130);
    for (const [first, second] of [[a, b], [b, a]]) {
      const gathering = new Gathering(3);
      gathering.add(1, first, 0.25);
      expect(gathering.disagreement.size).toBe(0);
      gathering.add(1, second, 0.75);
      expect([...gathering.disagreement]).toEqual([[1, 0.6]]);
    }
  });

  it("is 0 for the same mask and 1 where one direction no longer found the object", () => {
    const gathering = new Gathering(3);
    gathering.add(0, plane(255, 0), 0.5);
    gathering.add(0, plane(130, 90), 0.5);
    gathering.add(1, plane(255, 0), 0.5);
    gathering.add(1, null, 0.5);
    expect([...gathering.disagreement]).toEqual([[0, 0], [1, 1]]);
  });

  it("is unknown where one direction never came, where one alone was needed, and where both masks are empty", () => {
    const gathering = new Gathering(4);
    gathering.add(0, plane(255, 0), 0.5);
    gathering.miss(0, 0.5);
    gathering.add(1, plane(255, 0), 1);
    gathering.add(2, null, 0.5);
    gathering.add(2, plane(100, 0), 0.5);
    gathering.miss(3, 0.4);
    gathering.miss(3, 0.6);
    gathering.finish();
    expect(gathering.disagreement.size).toBe(0);
    expect(gathering.planes).toEqual([plane(255, 0), plane(255, 0), plane(50, 0), null]);
  });
});

describe("a slice that two directions reached", () => {
  it("is weighed by nearness where both found the object", () => {
    const gathering = new Gathering(1);
    gathering.add(0, plane(255, 0), 0.75);
    gathering.add(0, plane(255, 255), 0.25);
    expect(gathering.planes).toEqual([plane(255, 64)]);
  });

  it("is what the one says that found the object, whichever came first and however near the other is", () => {
    const gathering = new Gathering(3);
    gathering.add(0, plane(200, 0), 0.1);
    gathering.miss(0, 0.9);
    gathering.add(1, null, 0.9);
    gathering.add(1, plane(200, 0), 0.1);
    gathering.add(2, plane(100, 100), 0.9);
    gathering.add(2, plane(200, 0), 0.1);
    expect(gathering.planes).toEqual([plane(200, 0), plane(200, 0), plane(200, 0)]);
  });
});
