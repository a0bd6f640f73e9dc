import { expect, test } from "vitest";
import { LimnetError } from "../errors.js";
import { type TaskDesk, TaskFamily } from "./background.js";

/** Work that ends when it is told to, or when it is stopped. */
function held() {
  let end: (value: string) => void = () => {};
  let fail: (error: Error) => void = () => {};
  let desk: TaskDesk | null = null;
  const work = (given: TaskDesk) => new Promise<string>((resolve, reject) => {
    desk = given;
    end = resolve;
    fail = reject;
    given.signal.addEventListener("abort", () => reject(given.signal.reason as Error));
  });
  return { work, end: (value: string) => end(value), fail: (error: Error) => fail(error), get desk() { return desk!; } };
}
const soon = () => new Promise((resolve) => setImmediate(resolve));
const time = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/;

test("a task goes from SUBMITTED over RUNNING to DONE, with what it said and reported", async () => {
  const family = new TaskFamily("Scoring");
  expect([family.newest(), family.running(), family.stop(), family.busy]).toEqual([null, null, null, false]);
  const one = held();
  const { object, result } = family.give({ method: "dice" }, one.work);
  expect(object).toEqual({ id: expect.any(String), status: "SUBMITTED", request: { method: "dice" }, start_ts: expect.stringMatching(time) });
  expect(family.running()).toEqual(object);
  await soon();
  expect(family.newest()).toMatchObject({ status: "RUNNING", details: [], request: { method: "dice", gpus: "all" } });
  for (let n = 0; n < 30; n++) one.desk.say(`line ${n}`);
  one.desk.report({ done: 1 });
  expect(family.newest()!.details).toHaveLength(20);
  expect(family.newest()).toMatchObject({ progress: { done: 1 } });
  one.end("result");
  expect(await result).toBe("result");
  expect(family.newest()).toMatchObject({ status: "DONE", end_ts: expect.stringMatching(time) });
  expect(family.running()).toBeNull();
});

test("a second one is refused while one runs or waits, unless it is to wait; they run in order", async () => {
  const family = new TaskFamily("Batch_infer");
  const [one, two] = [held(), held()];
  const first = family.give({ n: 1 }, one.work);
  expect(() => family.give({ n: 2 }, two.work)).toThrow(expect.objectContaining({ status: 429, message: "++++++++++ Batch_infer Task is Already Running" }));
  const second = family.give({ n: 2 }, two.work, { enqueue: true });
  await soon();
  expect(family.all().map(({ status }) => status)).toEqual(["RUNNING", "SUBMITTED"]);
  expect(family.running()!.id).toBe(first.object.id);
  one.end("a");
  expect(await first.result).toBe("a");
  await soon();
  expect(family.running()).toMatchObject({ id: second.object.id, status: "RUNNING" });
  two.end("b");
  expect(await second.result).toBe("b");
});

test("a failure is told in words, and the next task runs", async () => {
  const family = new TaskFamily("Scoring");
  const [one, two, three] = [held(), held(), held()];
  const results = [one, two, three].map(({ work }, n) => family.give({ n }, work, { enqueue: true }).result.catch((error: Error) => error.message));
  await soon();
  one.fail(new LimnetError("bad_volume", "The label is damaged."));
  expect(await results[0]).toBe("The label is damaged.");
  await soon();
  two.fail(new Error("/secret/path"));
  await results[1];
  await soon();
  three.end("fine");
  expect(await results[2]).toBe("fine");
  const [a, b, c] = family.all();
  expect([a.status, b.status, c.status]).toEqual(["ERROR", "ERROR", "DONE"]);
  expect(a.details).toEqual(["The label is damaged."]);
  expect(JSON.stringify(b)).not.toContain("secret");
});

test("stopping ends what runs and what waits, and says something that 3D Slicer can show", async () => {
  const family = new TaskFamily("Train");
  const [one, two] = [held(), held()];
  const given = [one, two].map(({ work }, n) => family.give({ n }, work, { enqueue: true }));
  const ends = given.map(({ result }) => result.catch((error: LimnetError) => error.code));
  await soon();
  const stopped = family.stop()!;
  expect(stopped).toMatchObject({ id: given[0].object.id, status: "STOPPED", end_ts: expect.stringMatching(time) });
  expect(stopped.details!.at(-1)).toBe("Stopped.");
  expect(await Promise.all(ends)).toEqual(["task_stopped", "task_stopped"]);
  expect(family.all().map(({ status }) => status)).toEqual(["STOPPED", "STOPPED"]);
  expect(family.stop()).toBeNull();
  one.desk.say("late");
  expect(family.all()[0].details).toEqual(["Stopped."]);
  const again = family.give({}, async () => "again");
  expect(await again.result).toBe("again");
});

test("only one task is stopped where it is named", async () => {
  const family = new TaskFamily("Scoring");
  const one = held();
  const first = family.give({}, one.work);
  const second = family.give({}, async () => "b", { enqueue: true });
  first.result.catch(() => {});
  family.stopTask(first.object.id);
  expect(await second.result).toBe("b");
});

test("the history does not grow for ever, and closing stops everything", async () => {
  const family = new TaskFamily("Scoring");
  for (let n = 0; n < 120; n++) await family.give({ n }, async () => n).result;
  expect(family.all().length).toBeLessThanOrEqual(100);
  expect(family.newest()!.request.n).toBe(119);
  const one = held();
  const { result } = family.give({}, one.work);
  const end = expect(result).rejects.toMatchObject({ code: "task_stopped" });
  await family.close();
  await end;
  expect(() => family.give({}, async () => 1)).toThrow(/closing/);
});
