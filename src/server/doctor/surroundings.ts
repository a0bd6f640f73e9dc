/** What lies around it: folders, disk, Redis, archive. */
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { access, mkdir, open, readdir, rename, rm, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import { CredentialError, Credentials } from "../../dicomweb/credentials.js";
import { RedisLink, withoutPassword } from "../../jobs/redis/link.js";
import { liveWorkers } from "../../jobs/redis/messages.js";
import { spaceOf } from "../../jobs/redis/space.js";
import { credentialSources } from "../archive-settings.js";
import { type Finding, ok, problem, warning } from "./findings.js";

const reason = (error: unknown) => (error as NodeJS.ErrnoException).code ?? (error as Error).message;

export async function checkStudies(folder: string): Promise<Finding> {
  const check = "studies";
  try {
    if (!(await stat(folder)).isDirectory()) return problem(check, `${folder} is a file`, "Name a folder with --studies.");
    const names = await readdir(folder);
    await access(folder, constants.R_OK | constants.W_OK);
    return ok(check, `${folder} can be read and written, ${names.length} entries`);
  } catch (error) {
    const code = reason(error);
    if (code === "ENOENT") return warning(check, `${folder} does not exist`, "It is created when the server starts; check the spelling if your scans should be there.");
    return problem(check, `${folder} cannot be read and written (${code})`, "Give the user that runs limnet the right to read and write it; labels are stored there.");
  }
}

/** What the journal does: write, sync, rename. */
export async function checkState(folder: string): Promise<Finding> {
  const check = "state folder";
  const name = join(folder, `.doctor-${randomBytes(4).toString("hex")}`);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(name, "wx", 0o600);
    try {
      await file.writeFile("limnet");
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(name, `${name}.moved`);
    return ok(check, `${folder} can be written, synced and renamed in`);
  } catch (error) {
    return problem(check, `${folder} cannot be written (${reason(error)})`, "Give the user that runs limnet the right to write it, or name another folder with --state.");
  } finally {
    for (const left of [name, `${name}.moved`]) await rm(left, { force: true }).catch(() => {});
  }
}

export async function checkDisk(folder: string): Promise<Finding> {
  const check = "disk";
  const disk = await statfs(folder).catch(() => null);
  if (disk === null) return warning(check, "its free space cannot be asked", "Look at it yourself (df -h): journals need some hundred MB.");
  const free = disk.bavail * disk.bsize;
  const found = `${(free / 1e9).toFixed(1)} GB free for journals and uploads`;
  if (free >= 5e9) return ok(check, found);
  return (free < 64 * 2 ** 20 ? problem : warning)(check, found, "Free some space, or put the state on a larger disk with --state.");
}

/** Reaches Redis, and counts the workers that would take jobs of this server. */
export async function checkRedis(url: string, state: string, model: string | null): Promise<Finding> {
  const check = "Redis";
  const shown = withoutPassword(url);
  let link: RedisLink | null = null;
  try {
    link = new RedisLink({ url, space: await spaceOf(state, model ?? "none") });
    await link.start();
    if (!link.ready) return problem(check, `${shown} cannot be reached`, "Start it (apt install redis-server; systemctl start redis-server), or check address and firewall.");
    const version = /redis_version:(\S+)/.exec(await link.client.info("server"))?.[1] ?? "unknown";
    if (Number(version.split(".")[0]) < 5) return problem(check, `${shown} is Redis ${version}`, "Install Redis 5 or later.");
    const policy = ((await link.client.config("GET", "maxmemory-policy").catch(() => [])) as string[])[1];
    if (policy !== undefined && policy !== "noeviction") return warning(check, `${shown} may drop jobs when it is full (maxmemory-policy ${policy})`, "Set maxmemory-policy noeviction in redis.conf.");
    const workers = await liveWorkers(link);
    if (workers.length > 0) return ok(check, `${shown} is Redis ${version}; ${workers.length} workers on ${new Set(workers.map(({ host }) => host)).size} machines`);
    return warning(check, `${shown} is Redis ${version}; no worker is at work for this state folder and these models`, `Start one: limnet worker --studies … --state ${state} --redis ${shown}`);
  } catch (error) {
    const denied = /NOAUTH|WRONGPASS|NOPERM/.test((error as Error).message);
    return problem(check, `${shown} does not answer (${reason(error)})`, denied ? "Put user and password into the address: redis://user:password@host:6379." : "Check that this address is Redis and nothing else.");
  } finally {
    link?.close();
  }
}

/** Asks the archive for one study, with the credentials of the server. */
export async function checkArchive(url: string, credentials = new Credentials(credentialSources())): Promise<Finding> {
  const check = "archive";
  const base = new URL(url);
  try {
    const authorization = await credentials.header();
    const headers = { Accept: "application/dicom+json", ...(authorization && { Authorization: authorization }) };
    const answer = await fetch(`${base.href.replace(/\/+$/, "")}/studies?limit=1`, { headers, signal: AbortSignal.timeout(10_000) });
    await answer.body?.cancel();
    if (answer.ok) return ok(check, `${base.host} answers DICOMweb queries`);
    if (answer.status === 401 || answer.status === 403) return problem(check, `${base.host} asks for a login (${answer.status})`, "Set LIMNET_DICOMWEB_USERNAME and LIMNET_DICOMWEB_PASSWORD_FILE, or LIMNET_DICOMWEB_TOKEN_FILE.");
    return problem(check, `${base.host} answers ${answer.status} to a query for studies`, "The address must end where /studies begins, such as http://orthanc:8042/dicom-web.");
  } catch (error) {
    if (error instanceof CredentialError) return problem(check, "its credentials cannot be used", error.message);
    const cause = (error as { cause?: NodeJS.ErrnoException }).cause?.code ?? (error as Error).name;
    return problem(check, `${base.host} cannot be reached (${cause})`, "Check address, firewall and whether the archive runs.");
  }
}
