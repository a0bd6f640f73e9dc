import { expect, it } from "vitest";
import { LimnetError } from "../errors.js";
import { cardOf, parseDevice } from "./device.js";

it("knows the names that clients of MONAI Label send", () => {
  const names = ["cpu", "CPU", "auto", "cuda", "cuda:0", "cuda:1", "gpu", "NVIDIA RTX A6000", "NVIDIA RTX A6000:1", "Tesla V100-SXM2-16GB", "Quadro GV100", "GeForce RTX 2080 Ti:3", "A100-SXM4-40GB", ["cpu"], ["cuda", "cpu"]];
  expect(names.map(parseDevice)).toEqual(["cpu", "cpu", "auto", "cuda", "cuda", "cuda:1", "cuda", "cuda", "cuda:1", "cuda", "cuda", "cuda:3", "cuda", "cpu", "cuda"]);
  expect([undefined, null, ""].map(parseDevice)).toEqual([undefined, undefined, undefined]);
  expect([cardOf("cuda"), cardOf("cuda:3")]).toEqual([0, 3]);
});

it("refuses anything else with the names that there are", () => {
  for (const wrong of ["tpu", "cudaa", "cuda:x", "cuda:-1", "cuda:100", ":1", 0, true, {}, [], [["cpu"]], "x".repeat(5000), "cpu\n; rm"]) {
    expect(() => parseDevice(wrong), JSON.stringify(wrong)).toThrow(LimnetError);
  }
  expect(() => parseDevice("tpu")).toThrow('"device" must be "auto", "cpu", "cuda", "cuda:1" or the name of an NVIDIA card, not "tpu".');
});
