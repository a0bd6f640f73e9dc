import { expect, test } from "vitest";
import type { Shape } from "../../../imaging/geometry.js";
import { parseClicks } from "./clicks.js";

const shape: Shape = [10, 20, 30];
const message = (foreground: unknown, background: unknown = []) => {
  try {
    parseClicks(foreground, background, shape);
  } catch (error) {
    expect(error).toMatchObject({ code: "bad_click", status: 422 });
    return (error as Error).message;
  }
  throw new Error("accepted");
};

test("clicks keep their order, floats that are whole are fine, missing lists are empty", () => {
  expect(parseClicks([[1, 2, 3], [9.0, 19, 29]], undefined, shape)).toEqual({ positives: [[1, 2, 3], [9, 19, 29]], negatives: [] });
  expect(parseClicks(null, [[-0, 0, 0]], shape)).toEqual({ positives: [], negatives: [[0, 0, 0]] });
});

test("the same voxel twice in one list is one click", () => {
  expect(parseClicks([[1, 2, 3], [4, 5, 6], [1, 2, 3]], [], shape).positives).toEqual([[1, 2, 3], [4, 5, 6]]);
});

test("the same voxel in both lists is refused", () => {
  expect(message([[1, 2, 3]], [[1, 2, 3]])).toContain("[1, 2, 3] is clicked as foreground and as background");
});

test("a click outside says where, and what is allowed", () => {
  expect(message([[1, 20, 3]])).toMatch(/\[1,20,3\].*j must be 0 to 19/);
  expect(message([], [[-1, 2, 3]])).toMatch(/"background".*i must be 0 to 9/);
});

test("a click that is not whole, not a triple, or no numbers is refused with its value", () => {
  expect(message([[1.5, 2, 3]])).toContain("[1.5,2,3]");
  expect(message([[1, 2]])).toContain("[1,2]");
  expect(message([["1", 2, 3]])).toContain('["1",2,3]');
  expect(message([[null, 2, 3]])).toContain("[null,2,3]");
  expect(message("1,2,3")).toContain('"1,2,3"');
  expect(message({ 0: [1, 2, 3] })).toContain("must be a list");
  expect(message([7])).toContain("7");
  expect(message([[Number.NaN, 2, 3]])).toContain("whole number");
  expect(message([[1e308, 2, 3]])).toContain("outside");
});

test("more than 1000 clicks are refused", () => {
  const many = Array.from({ length: 1001 }, (_, n) => [n % 10, Math.floor(n / 10) % 20, Math.floor(n / 200)]);
  expect(parseClicks(many.slice(0, 1000), [], shape).positives).toHaveLength(1000);
  expect(message(many)).toContain("1001 clicks");
  expect(message(Array(100_000).fill([0, 0, 0]))).toContain("100000");
});

test("a long value is cut in the message", () => {
  expect(message([["x".repeat(1e5), 1, 1]]).length).toBeLessThan(250);
});
