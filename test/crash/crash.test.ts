/** A few kills of the real server; `npm run crash` does a hundred. */
import { expect, it } from "vitest";
import { crash } from "./driver.js";

it("a server that is killed at random moments shows the masks and rounds of the undisturbed session after each restart", async () => {
  const { kills, same, losses } = await crash({ kills: 8, seed: 7, deadlineMs: 90_000 });
  expect(losses).toEqual([]);
  expect(kills).toBeGreaterThan(0);
  expect(same).toBe(kills);
}, 300_000);
