/** The page at / in a real browser: both ways to log in, and a call with each. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addToken } from "../../src/server/auth/tokens.js";
import { type Lab, openLab } from "../protocol/harness.js";

let folder: string;
let token: string;
let lab: Lab;
let browser: Browser;
let url: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-swagger-"));
  token = await addToken(join(folder, "tokens.json"), "anna", ["user"]);
  lab = await openLab([], { auth: true, tokens: join(folder, "tokens.json") });
  ({ url } = await lab.server.listen());
  browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
}, 60_000);
afterAll(async () => {
  await browser?.close();
  await lab?.close();
  await rm(folder, { recursive: true, force: true });
});

describe("the page at /", () => {
  it.each(["login", "token"] as const)("logs in by %s, calls with it, and has nothing from elsewhere", async (way) => {
    const context = await browser.newContext();
    const page = await context.newPage();
    page.setDefaultTimeout(30_000);
    const asked: string[] = [];
    const troubles: string[] = [];
    page.on("request", (one) => asked.push(one.url()));
    page.on("pageerror", (error) => troubles.push(error.message));
    page.on("console", (said) => said.type() === "error" && troubles.push(said.text()));
    await page.goto(url);
    const info = page.locator(".opblock", { hasText: "/info/" }).first();
    await info.locator(".opblock-summary-control").click();
    await page.locator("button.authorize").first().click();
    const form = page.locator(".auth-container").nth(way === "login" ? 0 : 1);
    if (way === "login") {
      await form.locator("#oauth_username").fill("anna");
      await form.locator("#oauth_password").fill(token);
    } else await form.locator("input").first().fill(token);
    await form.locator("button.authorize").click();
    await page.locator(".auth-container button", { hasText: "Logout" }).waitFor();
    await page.locator(".close-modal").click();
    const answered = page.waitForResponse((one) => one.url().endsWith("/info/"));
    await info.locator("button.execute").click();
    expect((await answered).status()).toBe(200);
    expect(troubles).toEqual([]);
    expect(asked.filter((one) => !one.startsWith(url) && !one.startsWith("data:"))).toEqual([]);
    await context.close();
  }, 180_000);
});
