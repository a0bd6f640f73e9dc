import { createServer, get } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { Response } from "express";
import { expect, it } from "vitest";
import { bitsFile } from "../apps/result-file.js";
import { packBits } from "../engine/mask-bits.js";
import type { Shape } from "../imaging/geometry.js";
import { maskParts } from "../imaging/mask.js";
import { sendBytes } from "./downloads.js";

const geometry = { affine: [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0] } as const;

it("a mask that is unpacked on its way out arrives whole at a client that reads slowly, though its memory is used again", async () => {
  const shape: Shape = [256, 256, 100];
  const mask = Uint8Array.from({ length: shape[0] * shape[1] * shape[2] }, (_, n) => Number(((n * 2654435761) >>> 7) % 5 === 0));
  const { parts } = bitsFile(packBits(mask.map((voxel) => 255 * voxel)), { shape, geometry }, ".nrrd", "", {})!;
  const server = createServer((_req, res) => {
    // What express adds to a reply.
    const reply = Object.assign(res, { status: () => res }) as unknown as Response;
    void sendBytes(reply, parts!, "mask.nrrd");
  }).listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const got: Buffer[] = [];
  await new Promise<void>((resolve, reject) => {
    get({ port: (server.address() as AddressInfo).port, host: "127.0.0.1" }, async (res) => {
      for await (const piece of res) {
        got.push(piece as Buffer);
        if (got.length % 20 === 0) await sleep(1);
      }
      resolve();
    }).on("error", reject);
  });
  server.close();
  expect(Buffer.compare(Buffer.concat(got), Buffer.concat(await maskParts(mask, shape, geometry, ".nrrd")))).toBe(0);
});
