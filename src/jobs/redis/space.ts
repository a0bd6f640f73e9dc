/** Who meets whom in Redis: servers and workers on the same state folder with the same networks. */
import { randomUUID } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";

/**
 * Prefix of all keys of a deployment. The state folder holds a random name, made by whoever comes first: a worker on another folder,
 * which could not read what a job names, is never given one. Throws what the file system says.
 */
export async function spaceOf(stateDir: string, model: string): Promise<string> {
  const file = join(stateDir, "deployment");
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  await writeFile(file, `${randomUUID()}\n`, { flag: "wx", mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  for (let n = 0; n < 10; n++) {
    const name = (await readFile(file, "utf8")).trim();
    if (name !== "") return `limnet:${name.slice(0, 8)}:${model.slice(0, 12)}`;
    // Another process has just made it and is about to write.
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error("The file `deployment` in the state folder is empty. Remove it and start again.");
}
