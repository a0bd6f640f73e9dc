import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { addToken, findToken, readTokens, removeToken } from "./tokens.js";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "limnet-tokens-"));
  file = join(folder, "deep", "tokens.json");
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("the token file", () => {
  it("holds hashes and no token, and nobody else may read it", async () => {
    const made = await addToken(file, "anna", ["annotator"]);
    expect(made).toMatch(/^limnet_[A-Za-z0-9_-]{43}$/);
    expect(await readFile(file, "utf8")).not.toContain(made.slice(7));
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect((await stat(join(folder, "deep"))).mode & 0o777).toBe(0o700);
    expect(findToken(await readTokens(file), made)).toMatchObject({ name: "anna", roles: ["annotator"], expires: null });
    expect(await readdir(join(folder, "deep"))).toEqual(["tokens.json"]);
  });

  it("knows its tokens and no others", async () => {
    const [a, b] = [await addToken(file, "a", ["user"]), await addToken(file, "b", ["admin", "user"])];
    const tokens = await readTokens(file);
    expect([findToken(tokens, a)?.name, findToken(tokens, b)?.name]).toEqual(["a", "b"]);
    for (const other of ["", "limnet_", a.slice(0, -1), `${a}x`, a.toUpperCase(), tokens[0].sha256]) expect(findToken(tokens, other)).toBeNull();
    await removeToken(file, "a");
    expect(findToken(await readTokens(file), a)).toBeNull();
    expect(findToken(await readTokens(file), b)?.name).toBe("b");
  });

  it("lets a token end", async () => {
    const made = await addToken(file, "guest", ["user"], new Date(Date.now() + 1000));
    const tokens = await readTokens(file);
    expect(findToken(tokens, made)?.name).toBe("guest");
    expect(findToken(tokens, made, Date.now() + 1001)).toBeNull();
  });

  it("says what is wrong with a name, a second use of it, and one that is not there", async () => {
    for (const name of ["", "a b", "../x", "-x", "x".repeat(65), "a\n"]) await expect(addToken(file, name, ["user"])).rejects.toThrow(/name: /);
    await expect(addToken(file, "a", [])).rejects.toThrow(/roles: /);
    await addToken(file, "a", ["user"]);
    await expect(addToken(file, "a", ["admin"])).rejects.toThrow(/token remove a/);
    await expect(removeToken(file, "b")).rejects.toThrow(/no token "b"/);
    expect(await readTokens(file)).toHaveLength(1);
  });

  it("is refused where others may write it, where it is damaged, and while somebody changes it", async () => {
    expect(await readTokens(file)).toEqual([]);
    await addToken(file, "a", ["user"]);
    await chmod(file, 0o644);
    await expect(readTokens(file)).rejects.toThrow(/chmod 600/);
    await chmod(file, 0o600);
    await writeFile(`${file}.new`, "");
    await expect(addToken(file, "b", ["user"])).rejects.toThrow(/somebody else is changing it/);
    await rm(`${file}.new`);
    await writeFile(file, '{"version":1,"tokens":[{"name":"a"}]}');
    await expect(readTokens(file)).rejects.toThrow(/damaged/);
    await expect(addToken(file, "b", ["user"])).rejects.toThrow(/damaged/);
    expect(await readFile(file, "utf8")).toContain('"a"');
  });
});
