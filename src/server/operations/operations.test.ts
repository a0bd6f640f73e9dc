/** Probes, figures and the orderly stop, on a real server with a model that takes its time. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { LimnetError } from "../../errors.js";
import { type Lab, maskTask, openLab } from "../../../test/protocol/harness.js";

let lab: Lab;
let url: string;
let closed: Promise<void> | null;

beforeEach(async () => {
  lab = await openLab(["patient mueller.nii.gz"], { stopSeconds: 20 });
  ({ url } = await lab.server.listen());
  closed = null;
});
afterEach(async () => {
  await closed;
  await lab.close();
});

const infer = () => fetch(`${url}/infer/limnet?image=patient%20mueller&output=json`, { method: "POST", body: new URLSearchParams({ params: '{"client_id":"jane doe"}' }) });

/** A model that waits until it is told. */
function slow() {
  let open = () => {};
  const opened = new Promise<void>((resolve) => { open = resolve; });
  let began = () => {};
  const started = new Promise<void>((resolve) => { began = resolve; });
  lab.behave.run = async (request, options) => {
    began();
    await Promise.race([opened, new Promise((_, reject) => options.signal.addEventListener("abort", () => reject(options.signal.reason)))]);
    return maskTask(request, options);
  };
  return { open: () => open(), started };
}

describe("probes and figures", () => {
  it("tell that the server lives and is ready", async () => {
    expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: "ok" });
    expect(await (await fetch(`${url}/readyz`)).json()).toEqual({ status: "ready" });
  });

  it("count requests by route and clicks by model in base units, and name nobody", async () => {
    expect((await infer()).status).toBe(200);
    await fetch(`${url}/infer/another%20mueller?image=x`, { method: "POST" });
    await fetch(`${url}/nowhere/mueller`);
    const answer = await fetch(`${url}/metrics`);
    expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
    const text = await answer.text();
    expect(text).toMatch(/limnet_http_request_duration_seconds_count\{method="POST",route="\/infer\/\{model\}",status="200"\} 1/);
    expect(text).toMatch(/limnet_click_duration_seconds_count\{model="limnet",outcome="200"\} 1/);
    expect(text).toMatch(/limnet_http_request_duration_seconds_count\{method="GET",route="none",status="404"\} 1/);
    expect(text).toContain("nodejs_eventloop_lag_seconds");
    expect(text).toMatch(/^limnet_sessions 0$/m);
    expect(text).not.toMatch(/mueller|jane/);
    for (const [, name] of text.matchAll(/^# TYPE (limnet_\w+) (?:histogram|counter)/gm)) expect(name).toMatch(/(_seconds|_bytes|_total)$/);
  });
});

describe("a server that is told to stop", () => {
  it("lets a click finish, takes nothing new on open connections, and leaves", async () => {
    const task = slow();
    const running = infer();
    await task.started;
    // A connection that was there before: the second request on it comes after the stop.
    closed = lab.server.close();
    await expect(fetch(`${url}/info/`, { headers: { Connection: "close" } })).rejects.toThrow();
    task.open();
    expect((await running).status).toBe(200);
    await closed;
  });

  it("tells a click that takes too long, with 503 and Retry-After", async () => {
    await lab.close();
    lab = await openLab(["scan.nii.gz"], { stopSeconds: 0.2 });
    ({ url } = await lab.server.listen());
    const task = slow();
    lab.behave.run = ((run) => async (request, options) => run(request, options).catch(() => {
      throw new LimnetError("engine_cancelled", "cancelled");
    }))(lab.behave.run);
    const running = fetch(`${url}/infer/limnet?image=scan&output=json`, { method: "POST" });
    await task.started;
    closed = lab.server.close();
    const answer = await running;
    expect(answer.status).toBe(503);
    expect(answer.headers.get("retry-after")).toBe("5");
    expect(((await answer.json()) as { detail: string }).detail).toMatch(/closing/);
    await closed;
  });
});
