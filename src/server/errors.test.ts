import { describe, expect, it } from "vitest";
import { answerFor } from "./errors.js";

const failed = (code: string) => answerFor(Object.assign(new Error(`${code}: it failed, open '/home/a/b'`), { code }));

describe("what the system says", () => {
  it("is answered with what to do, and without a path", () => {
    for (const [code, status, words] of [
      ["ENOSPC", 507, /full.*Free some space/], ["EDQUOT", 507, /full/], ["EMFILE", 503, /open.*ulimit -n.*Try again/], ["ENFILE", 503, /open/], ["EROFS", 503, /may not write/], ["EIO", 500, /log/],
    ] as const) {
      const { status: told, detail } = failed(code);
      expect([code, told]).toEqual([code, status]);
      expect(detail).toMatch(words);
      expect(detail).not.toContain("/home");
    }
  });
});
