import { setImmediate as tick } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { LimnetError } from "../errors.js";
import { Turns } from "./turns.js";

const never = new AbortController().signal;

describe("jobs in the engine's process", () => {
  it("let a more pressing one go first at their next pause, and go on where they were", async () => {
    const turns = new Turns();
    const log: string[] = [];
    const job = async (name: string, urgency: "round" | "batch", steps: number) => {
      const turn = turns.enter(urgency, never);
      for (let n = 0; n < steps; n++) {
        await turn.pause();
        log.push(name);
        await tick();
      }
      turn.leave();
    };
    const batch = job("batch", "batch", 4);
    await tick();
    const click = job("click", "round", 3);
    await Promise.all([batch, click]);
    expect(log.join(" ")).toBe("batch click click click batch batch batch");
  });

  it("of one kind go in the order in which they came, and say when they wait", async () => {
    const turns = new Turns();
    const waits: boolean[] = [];
    const first = turns.enter("round", never);
    const second = turns.enter("round", never, (paused) => waits.push(paused));
    await first.pause();
    const turn = second.pause();
    const glance = turns.enter("glance", never);
    first.leave();
    await tick();
    expect(waits).toEqual([true]);
    glance.leave();
    await turn;
    expect(waits).toEqual([true, false]);
  });

  it("can be stopped while they wait", async () => {
    const turns = new Turns();
    const stop = new AbortController();
    turns.enter("round", never);
    const waiting = turns.enter("batch", stop.signal).pause();
    stop.abort(new LimnetError("engine_cancelled", "stop"));
    await expect(waiting).rejects.toMatchObject({ code: "engine_cancelled" });
  });
});
