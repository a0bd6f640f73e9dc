import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { HistoryLab } from "./lab.js";

let lab: HistoryLab;
beforeEach(async () => {
  lab = await HistoryLab.open();
});
afterEach(() => lab.close());

const [a, b, c] = [[1, 1, 2], [3, 3, 5], [4, 4, 6]];
interface Body {
  detail: string;
  rounds: { slices: unknown[] }[];
  entries: unknown[];
  stopped: unknown[];
  paths: Record<string, Record<string, { parameters: { name: string }[] }>>;
}
const bodyOf = async (answer: Response) => (await answer.json()) as Body;
const plane = (mask: number[], slice: number) => mask.slice(slice * 42, (slice + 1) * 42);

/** Reads events until `enough` says so. */
async function readEvents(lab: HistoryLab, enough: (events: { event: string; data: Record<string, unknown> }[]) => boolean, ready: () => void) {
  const stop = new AbortController();
  const answer = await lab.get("events", "", stop.signal);
  expect(answer.headers.get("content-type")).toBe("text/event-stream; charset=utf-8");
  const events: { event: string; data: Record<string, unknown> }[] = [];
  let text = "";
  for await (const chunk of answer.body!.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>) {
    if (events.length === 0) ready();
    text += chunk;
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const fields = Object.fromEntries(text.slice(0, end).split("\n").map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 2)]));
      events.push({ event: fields.event, data: JSON.parse(fields.data) });
      text = text.slice(end + 2);
    }
    if (enough(events)) break;
  }
  stop.abort();
  return events;
}

describe("POST /limnet/v1/undo and redo", () => {
  it("answer the mask then in force, multipart like /infer", async () => {
    const one = await lab.click([a]);
    const two = await lab.click([a, b]);
    expect(await lab.change("undo")).toEqual(one);
    expect(await lab.change("redo")).toEqual(two);
    expect((await lab.change("undo", "&steps=5")).some(Boolean)).toBe(false);
    const answer = await lab.post("redo", "&steps=2");
    expect(answer.headers.get("content-type")).toMatch(/^multipart\/form-data; boundary=/);
    const form = await answer.text();
    expect(form).toContain('name="params"');
    expect(JSON.parse(/\{.*\}/.exec(form)![0])).toMatchObject({ label_names: ["tumour"], limnet: { round: 2, undo: 2, redo: 0 } });
    expect(await (await lab.post("undo", "&output=json")).json()).toMatchObject({ limnet: { round: 1, undo: 1, redo: 1 } });
    expect(lab.engine.jobs).toHaveLength(2);
  });

  it("go on when there is nothing left: an undo of nothing is the empty mask", async () => {
    expect((await lab.change("undo")).some(Boolean)).toBe(false);
    expect((await lab.change("redo")).some(Boolean)).toBe(false);
  });

  it("are those of the asking client alone", async () => {
    await lab.click([a], "", { client_id: "eve" });
    const mine = await lab.click([a, b]);
    expect((await lab.change("undo", "&client_id=eve")).some(Boolean)).toBe(false);
    expect(await lab.click([a, b])).toEqual(mine);
    expect(await (await lab.get("rounds", "&client_id=eve")).json()).toMatchObject({ head: 0, undo: 0, redo: 1 });
  });
});

describe("POST /limnet/v1/lock, unlock and choose", () => {
  it("keep slices and take them from a round", async () => {
    const one = await lab.click([a]);
    const two = await lab.click([a, b]);
    expect(await lab.change("lock", "&slices=0-1,7")).toEqual(two);
    const three = await lab.click([a, b, c]);
    for (const slice of [0, 1, 7]) expect(plane(three, slice)).toEqual(plane(two, slice));
    const rounds = await bodyOf(await lab.get("rounds"));
    expect(rounds).toMatchObject({ image: "scan", label: "tumour", head: 3, locked: [0, 1, 7], undo: 4 });
    expect(rounds.rounds[2].slices.slice(0, 2)).toEqual([{ index: 0, winner: "locked", probability: 1 }, { index: 1, winner: "locked", probability: 1 }]);
    expect(plane(await lab.change("choose", "&slice=4&round=1"), 4)).toEqual(plane(one, 4));
    expect(await lab.change("unlock", "&slices=all")).toHaveLength(336);
    expect(await (await lab.get("rounds")).json()).toMatchObject({ locked: [], choices: [{ slice: 4, round: 1 }] });
  });

  it.each([
    ["lock", "&slices=9-3", 422, /3-9,14/],
    ["lock", "&slices=x", 422, /3-9,14/],
    ["lock", "", 422, /slices/],
    ["lock", "&slices=8", 422, /slices 0 to 7/],
    ["lock", "&slices=5-99999", 422, /slices 0 to 7/],
    ["choose", "&slice=2&round=7", 422, /one round/],
    ["choose", "&slice=2", 422, /round/],
    ["undo", "&steps=0", 422, /steps/],
    ["undo", "&output=bogus", 422, /output/],
    ["undo", "&result_extension=.xyz", 422, /result_extension/],
  ])("%s%s is a %i with a sentence", async (route, query, status, says) => {
    await lab.click([a]);
    const answer = await lab.post(route, query);
    expect(answer.status).toBe(status);
    expect(JSON.stringify(await answer.json())).toMatch(says);
  });

  it("are a 409 before the first click, and so is a click on a locked slice", async () => {
    expect((await lab.post("lock", "&slices=1")).status).toBe(409);
    await lab.click([a]);
    await lab.change("lock", "&slices=5");
    await expect(lab.click([a, b])).rejects.toMatchObject({ status: 409, message: expect.stringContaining("slices=5") });
  });

  it("know the image, or say that there is none", async () => {
    const answer = await lab.post("undo", "", "image=nowhere&label=x");
    expect([answer.status, (await bodyOf(answer)).detail]).toEqual([404, expect.stringContaining("nowhere")]);
    expect((await lab.post("undo", "", "label=x")).status).toBe(422);
  });
});

describe("GET /limnet/v1/journal", () => {
  it("tells who did what, when and with which weights", async () => {
    await lab.click([a], "", { client_id: "eve" });
    await lab.change("undo", "&client_id=eve");
    const { entries } = await bodyOf(await lab.get("journal", "&client_id=eve"));
    expect(entries).toMatchObject([{ n: 1, who: "eve", action: "infer", ran: [{ weights: "sha256:model-1" }] }, { n: 2, who: "eve", action: "undo", head: 0 }]);
  });
});

describe("GET /limnet/v1/events and POST cancel", () => {
  it("tell of each slice while it is worked on, and what was stopped", async () => {
    let ready = () => {};
    const listening = new Promise<void>((resolve) => {
      ready = resolve;
    });
    const reading = readEvents(lab, (all) => all.some(({ event }) => event === "error"), ready);
    await listening;
    await lab.click([a]);
    lab.engine.before = () => sleep(300);
    const running = lab.click([a, b]).catch((error) => error);
    while (lab.engine.jobs.length < 2) await sleep(5);
    const { stopped } = await bodyOf(await lab.post("cancel"));
    expect(stopped).toMatchObject([{ action: "infer", state: "running", round: 2 }]);
    expect(await running).toMatchObject({ status: 499, message: expect.stringContaining("cancel") });
    const events = await reading;
    expect(events.map(({ event }) => event)).toEqual(["state", "queued", "slice", "round", "state", "queued", "error"]);
    expect(events[2].data).toMatchObject({ round: 1, index: 2, box: null });
    expect(events.at(-1)!.data).toMatchObject({ code: "engine_cancelled" });
    expect(await (await lab.post("cancel")).json()).toEqual({ stopped: [] });
  });

  it("end with the server", async () => {
    const answer = await lab.get("events");
    const reader = answer.body!.getReader();
    await reader.read();
    const closing = lab.close();
    expect((await reader.read()).done).toBe(true);
    await closing;
    lab = await HistoryLab.open();
  });
});

describe("GET /openapi.json", () => {
  it("describes these routes with their parameters", async () => {
    const { paths } = await bodyOf(await fetch(`${lab.url}/openapi.json`));
    const names = (path: string, method = "post") => paths[path][method].parameters.map(({ name }) => name);
    expect(names("/limnet/v1/undo")).toEqual(expect.arrayContaining(["image", "label", "client_id", "steps"]));
    expect(names("/limnet/v1/lock")).toContain("slices");
    expect(names("/limnet/v1/choose")).toEqual(expect.arrayContaining(["slice", "round"]));
    expect(names("/limnet/v1/rounds", "get")).toEqual(["image", "label", "client_id"]);
    for (const route of ["redo", "unlock", "cancel"]) expect(paths[`/limnet/v1/${route}`].post).toBeDefined();
    for (const route of ["events", "journal"]) expect(paths[`/limnet/v1/${route}`].get).toBeDefined();
  });
});
