import { describe, expect, it } from "vitest";
import { boundaryOf, splitRelated } from "./multipart.js";

const limits = { maxPartBytes: 1000, maxParts: 10, maxTotalBytes: 10_000 };

async function* inPieces(bytes: Buffer, size: number) {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function split(text: string, size = 7, others: Partial<typeof limits> = {}) {
  const parts: { headers: Record<string, string>; body: string }[] = [];
  for await (const { headers, body } of splitRelated(inPieces(Buffer.from(text, "latin1"), size), "x-y", { ...limits, ...others })) {
    parts.push({ headers: Object.fromEntries(headers), body: body.toString("latin1") });
  }
  return parts;
}

const head = "Content-Type: application/dicom\r\n";
const whole = `--x-y\r\n${head}\r\none\r\n--x-y\r\n${head}Content-Length: 9\r\n\r\ntwo\r\n--x-\r\n--x-y--\r\n`;

describe("splitRelated", () => {
  it("gives the parts whatever the pieces are that they arrive in", async () => {
    for (let size = 1; size <= whole.length; size++) {
      const parts = await split(whole, size);
      expect(parts.map(({ body }) => body)).toEqual(["one", "two\r\n--x-"]);
      expect(parts[0].headers).toEqual({ "content-type": "application/dicom" });
    }
  });

  it("takes a preamble, an epilogue, parts without headers, empty parts and spaces after a delimiter", async () => {
    const parts = await split(`hello\r\n--x-y  \r\n\r\nbare\r\n--x-y\r\n${head}\r\n\r\n--x-y--\r\nbye`, 5);
    expect(parts.map(({ body }) => body)).toEqual(["bare", ""]);
  });

  it("hands a part on before the next one has come", async () => {
    let asked = 0;
    async function* slow() {
      yield Buffer.from(`--x-y\r\n${head}\r\nfirst\r\n--x-y\r\n`);
      asked++;
      yield Buffer.from(`${head}\r\nsecond\r\n--x-y--`);
    }
    const parts = splitRelated(slow(), "x-y", limits);
    expect(String((await parts.next()).value?.body)).toBe("first");
    expect(asked).toBe(0);
    await parts.return(undefined);
  });

  it("searches where the length that a part tells is wrong", async () => {
    for (const length of [0, 2, 4, 20, 60, 900]) {
      const text = `--x-y\r\nContent-Length: ${length}\r\n\r\none\r\n--x-y\r\nContent-Length: 3\r\n\r\ntwo\r\n--x-y--`;
      expect((await split(text, 11)).map(({ body }) => body)).toEqual(["one", "two"]);
    }
  });

  it("refuses an answer that was cut off anywhere", async () => {
    for (let end = 0; end < whole.length - 4; end++) await expect(split(whole.slice(0, end))).rejects.toThrow(/cut its answer off|no parts/);
  });

  it("refuses parts that are too large, too many, or with headers without end", async () => {
    await expect(split(whole, 7, { maxParts: 1 })).rejects.toThrow(/more than 1 parts/);
    await expect(split(`--x-y\r\n\r\n${"a".repeat(2000)}\r\n--x-y--`, 100)).rejects.toThrow(/larger than/);
    await expect(split(whole, 7, { maxTotalBytes: 50 })).rejects.toThrow(/more than 50 bytes/);
    await expect(split(`--x-y\r\n${"a: b\r\n".repeat(10_000)}`, 500, { maxTotalBytes: 1e6 })).rejects.toThrow(/headers that are too long/);
    await expect(split(`--x-y nonsense\r\n\r\none\r\n--x-y--`)).rejects.toThrow(/cannot be read/);
  });
});

describe("boundaryOf", () => {
  it("reads quoted and bare boundaries, and says where there is none", () => {
    expect(boundaryOf('multipart/related; type="application/dicom"; boundary="a b"')).toBe("a b");
    expect(boundaryOf("Multipart/Related; Boundary=abc; type=x")).toBe("abc");
    expect(boundaryOf('multipart/related; boundary="a\\"b"')).toBe('a"b');
    for (const type of [undefined, "text/html; boundary=x", "multipart/related", `multipart/related; boundary=${"x".repeat(300)}`]) expect(boundaryOf(type)).toBeNull();
  });
});
