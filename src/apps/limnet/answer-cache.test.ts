import { expect, test } from "vitest";
import { wholePieces } from "../result-file.js";
import { AnswerCache } from "./answer-cache.js";

const file = (bytes: number) => ({ path: "", ext: ".nii", parts: wholePieces([new Uint8Array(bytes - 1), new Uint8Array(1)]) });

test("keeps what was asked for last within its budget, and nothing that would push out most of the rest", () => {
  const cache = new AnswerCache(100);
  for (const name of ["a", "b", "c", "d"]) cache.set(name, file(25));
  expect([...cache.get("a")!]).toHaveLength(2);
  cache.set("e", file(20));
  expect(["a", "b", "c", "d", "e"].filter((name) => cache.get(name))).toEqual(["a", "c", "d", "e"]);
  cache.set("large", file(34));
  cache.set("on disk", { path: "/x", ext: ".nii" });
  expect([cache.get("large"), cache.get("on disk"), cache.bytes]).toEqual([undefined, undefined, 95]);
});
