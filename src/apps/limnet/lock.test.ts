import { describe, expect, it } from "vitest";
import { KeyedLock } from "./lock.js";

const never = new AbortController().signal;

describe("requests that speak of one object", () => {
  it("run one after the other, those of other objects beside them", async () => {
    const lock = new KeyedLock();
    const log: string[] = [];
    const work = (name: string) => async () => {
      log.push(`${name}+`);
      await new Promise((resolve) => setTimeout(resolve, 5));
      log.push(`${name}-`);
    };
    await Promise.all([lock.run("a", { signal: never }, work("a1")), lock.run("a", { signal: never }, work("a2")), lock.run("b", { signal: never }, work("b"))]);
    expect(log.indexOf("a1-")).toBeLessThan(log.indexOf("a2+"));
    expect(log.indexOf("b+")).toBeLessThan(log.indexOf("a1-"));
  });

  it("give way to a newer wish while they wait; the running one is only told; the same wish is answered twice", async () => {
    const lock = new KeyedLock();
    let open = () => {};
    const opened = new Promise<void>((resolve) => { open = resolve; });
    let told: AbortSignal | undefined;
    const running = lock.run("a", { signal: never, wish: "1" }, async (giveWay) => {
      told = giveWay;
      await opened;
      return "first";
    });
    const older = lock.run("a", { signal: never, wish: "2" }, async () => "older");
    const undo = lock.run("a", { signal: never }, async () => "undo");
    const newer = [lock.run("a", { signal: never, wish: "3" }, async () => "newer"), lock.run("a", { signal: never, wish: "3" }, async () => "newer")];
    await expect(older).rejects.toMatchObject({ code: "superseded", status: 409 });
    expect(told?.aborted).toBe(true);
    open();
    expect(await Promise.all([running, undo, ...newer])).toEqual(["first", "undo", "newer", "newer"]);
  });

  it("leave when their signal comes", async () => {
    const lock = new KeyedLock();
    const hangUp = new AbortController();
    let open = () => {};
    const running = lock.run("a", { signal: never }, () => new Promise<void>((resolve) => { open = resolve; }));
    const waiting = lock.run("a", { signal: hangUp.signal }, async () => {});
    hangUp.abort();
    await expect(waiting).rejects.toMatchObject({ code: "engine_cancelled" });
    open();
    await running;
  });
});
