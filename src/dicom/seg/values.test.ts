import { describe, expect, it } from "vitest";
import { cieLab, decimal, personName, rgbOf, text, uidOf } from "./values.js";

describe("values", () => {
  it("write numbers in at most 16 characters, as near as these allow", () => {
    expect(decimal(-235.199997)).toBe("-235.199997");
    expect(decimal(-0)).toBe("0");
    for (const value of [1 / 3, -2 / 3, 1e-16 / 3, -123456.78901234567, 1e21 / 7, -0.000012345678912345, 38.962852478027]) {
      const written = decimal(value);
      expect(written.length, written).toBeLessThanOrEqual(16);
      expect(Math.abs(Number(written) - value), written).toBeLessThanOrEqual(1e-8 * Math.abs(value));
    }
    expect(() => decimal(NaN)).toThrow(RangeError);
  });

  it("make the same UID of the same parts", () => {
    expect(uidOf("a", "b")).toBe(uidOf("a", "b"));
    expect(uidOf("a", "b")).not.toBe(uidOf("ab"));
    expect(uidOf("x")).toMatch(/^2\.25\.[1-9][0-9]{1,38}$/);
  });

  it("keep texts to one value of one line", () => {
    expect(text("a\\b\nc ")).toBe("a/b c");
    expect(text("é".repeat(80))).toHaveLength(64);
    expect(personName("Jürgen Weiß")).toBe("Jürgen Weiß^");
    expect(personName("Weiß^Jürgen")).toBe("Weiß^Jürgen");
  });

  it("turn colours to CIELab and back", () => {
    expect(cieLab([255, 255, 255])[0]).toBeGreaterThan(65500);
    for (const color of [[255, 0, 0], [0, 128, 255], [221, 130, 101], [1, 2, 3], [128, 174, 128]] as const) expect(rgbOf(cieLab(color))).toEqual([...color]);
  });
});
