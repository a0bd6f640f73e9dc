import { Command } from "commander";
import { describe, expect, it } from "vitest";
import { CaseError } from "./cases.js";
import { addFlags, type Flags, nocPlanOf, planOf } from "./flags.js";

const parsed = (...words: string[]) => addFlags(new Command()).parse(words, { from: "user" }).opts<Flags>();

describe("flags of evaluate", () => {
  it("make protocol A with each kind of fusion where nothing is said", () => {
    expect(planOf(parsed())).toMatchObject({ protocol: "A", rounds: 6, fusions: ["network", "none", "oracle"] });
  });

  it("that mean nothing on single slices are refused by name", () => {
    expect(() => nocPlanOf(parsed("--protocol", "E", "--masks", "left", "--half"))).toThrow(new CaseError("Protocol E looks at single slices and has no --half, --masks."));
    expect(nocPlanOf(parsed("--protocol", "E", "--jitter", "2"))).toMatchObject({ protocol: "E", jitter: 2 });
  });

  it("that contradict each other are refused", () => {
    expect(() => planOf(parsed("--protocol", "C", "--fusion", "network"))).toThrow(/leave --fusion out/);
    expect(() => planOf(parsed("--protocol", "drawn", "--jitter", "1"))).toThrow(/no clicks/);
  });
});
