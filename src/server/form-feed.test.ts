import { PassThrough, Writable } from "node:stream";
import { expect, it } from "vitest";
import { feedForm } from "./form-feed.js";

/** Feeds a form of a few bytes to a parser and waits for the form's end. */
async function fed(parser: Writable, work?: () => void): Promise<void> {
  const body = new PassThrough();
  feedForm(body, parser);
  work?.();
  const ended = new Promise((resolve) => body.once("end", resolve));
  body.end("form");
  await ended;
}

it("stops looking when whoever reads the form has taken all listeners off, as multer does when it is done", async () => {
  const intervals = setIntervals();
  const parser = new Writable({ autoDestroy: false, write: (_chunk, _encoding, done) => done() });
  await fed(parser);
  expect(intervals.open()).toBe(1);
  parser.removeAllListeners();
  await expect.poll(() => intervals.open(), { timeout: 5000 }).toBe(0);
  intervals.restore();
});

it("does not begin to look where the form was read, and let go, before its body ended", async () => {
  const intervals = setIntervals();
  const parser = new Writable({ write: (_chunk, _encoding, done) => done() });
  await fed(parser, () => parser.destroy());
  expect(intervals.open()).toBe(0);
  intervals.restore();
});

/** Counts intervals that were begun and not ended. */
function setIntervals(): { open(): number; restore(): void } {
  const [begin, end] = [globalThis.setInterval, globalThis.clearInterval];
  const running = new Set<unknown>();
  globalThis.setInterval = ((...args: Parameters<typeof begin>) => {
    const timer = begin(...args);
    running.add(timer);
    return timer;
  }) as typeof begin;
  globalThis.clearInterval = ((timer: NodeJS.Timeout) => {
    running.delete(timer);
    end(timer);
  }) as typeof end;
  return {
    open: () => running.size,
    restore: () => {
      globalThis.setInterval = begin;
      globalThis.clearInterval = end;
    },
  };
}
