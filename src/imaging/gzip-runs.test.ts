import { gunzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { random } from "../evaluate/bootstrap.js";
import { RunPacker } from "./gzip-runs.js";

const packer = new RunPacker(1 << 22);
const comesBack = (data: Uint8Array) => Buffer.compare(gunzipSync(packer.pack(data)!), data) === 0;

/** Runs and noise of random lengths, `longest` bytes at most each. */
function patchwork(seed: number, length: number, longest: number): Uint8Array {
  const next = random(seed);
  const out = new Uint8Array(length);
  for (let at = 0; at < length; ) {
    const end = Math.min(length, at + 1 + Math.floor(next() ** 3 * longest));
    if (next() < 0.5) out.fill(Math.floor(next() * 256), at, end);
    else for (let i = at; i < end; i++) out[i] = next() * 256;
    at = end;
  }
  return out;
}

function noise(length: number): Uint8Array {
  const next = random(2);
  return Uint8Array.from({ length }, () => next() * 256);
}

describe("gzip of runs", () => {
  it("is read by zlib, of every short length, of one value and of noise", () => {
    for (let length = 0; length < 1200; length++) {
      expect(comesBack(new Uint8Array(length).fill(length)), `${length} of one value`).toBe(true);
      if (length % 7 === 0) expect(comesBack(patchwork(length, length, 40)), `${length} of noise`).toBe(true);
    }
  });

  it.each([30, 300, 3000, 300_000])("is read by zlib, of runs and noise of up to %i bytes, in turns", (longest) => {
    for (let seed = 1; seed <= 5; seed++) expect(comesBack(patchwork(seed, 400_003, longest)), `seed ${seed}`).toBe(true);
  });

  it("is the same wherever the bytes lie in memory", () => {
    const data = patchwork(9, 10_001, 100);
    const moved = new Uint8Array(data.length + 3).subarray(3);
    moved.set(data);
    const packed = Buffer.from(packer.pack(data)!);
    expect(Buffer.compare(packer.pack(moved)!, packed)).toBe(0);
  });

  it("takes next to nothing for what is empty, and of noise a few bytes more than there are", () => {
    expect(packer.pack(new Uint8Array(1 << 20))!.length).toBeLessThan(8000);
    expect(packer.pack(noise(200_000))!.length).toBeLessThan(200_064);
  });

  it("is given up where it would be too large, and goes on with the next", () => {
    const small = new RunPacker(1000);
    expect(small.pack(noise(2000))).toBeNull();
    expect(small.pack(noise(995))).toBeNull();
    expect(small.pack(new Uint8Array(10_000_000))).toBeNull();
    const mixed = new Uint8Array(40_000);
    mixed.set(noise(200), 20_000);
    expect(gunzipSync(small.pack(mixed)!)).toEqual(Buffer.from(mixed));
  });
});
