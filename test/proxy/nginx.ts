/** nginx with the lines of docs/reverse-proxy.md, on a free port of the loopback address, its files in a temporary folder. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { freePort } from "../free-port.js";

const program = "/usr/sbin/nginx";
export const hasNginx = existsSync(program);

export interface Nginx {
  readonly port: number;
  /** PEM of the certificate, made for this start. */
  readonly ca: string;
  close(): Promise<void>;
}

/** The block of that documentation that begins so. */
async function documented(beginning: string): Promise<string> {
  const text = await readFile(join(import.meta.dirname, "../../docs/reverse-proxy.md"), "utf8");
  const found = [...text.matchAll(/```nginx\n(.*?)```/gs)].map(([, block]) => block).find((block) => block.trim().startsWith(beginning));
  if (found === undefined) throw new Error(`docs/reverse-proxy.md has no block that begins with ${beginning}`);
  return found;
}

/** `upstream`: port of the server behind "location /"; `prefixed`: of the one behind the path of the second block. */
export async function startNginx(upstream: number, prefixed: number): Promise<Nginx> {
  const folder = await mkdtemp(join(tmpdir(), "limnet-nginx-"));
  const [crt, key, bodies] = ["server.crt", "server.key", "bodies"].map((name) => join(folder, name));
  await mkdir(bodies);
  execFileSync("openssl", ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", crt], { stdio: "ignore" });
  const port = await freePort();
  const server = (await documented("server {"))
    .replace("listen 443 ssl", `listen 127.0.0.1:${port} ssl`).replace("127.0.0.1:8000", `127.0.0.1:${upstream}`)
    .replace("/etc/ssl/limnet/server.crt", crt).replace("/etc/ssl/limnet/server.key", key)
    // The second block stands in the place of the first in the documentation; here beside it.
    .replace(/\n\}\n$/, `\n${(await documented("location /segment/")).replace("127.0.0.1:8000", `127.0.0.1:${prefixed}`)}}\n`);
  const temporary = ["proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${join(folder, kind)};`).join("\n");
  await writeFile(join(folder, "nginx.conf"), `daemon off;
master_process off;
pid ${join(folder, "pid")};
error_log ${join(folder, "error.log")};
events {}
http {
access_log off;
client_body_temp_path ${bodies};
${temporary}
${server}}
`);
  const child = spawn(program, ["-p", folder, "-e", join(folder, "error.log"), "-c", join(folder, "nginx.conf")], { stdio: "ignore" });
  await ready(port, child, join(folder, "error.log"));
  return {
    port, ca: await readFile(crt, "utf8"),
    async close() {
      const gone = new Promise<void>((resolve) => child.once("exit", () => resolve()));
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 10_000);
      if (child.exitCode === null && child.signalCode === null) await gone;
      clearTimeout(timer);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** Any answer will do, one that refuses plain http included. */
async function ready(port: number, child: ChildProcess, log: string): Promise<void> {
  for (let n = 0; n < 300; n++) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}: ${await readFile(log, "utf8").catch(() => "")}`);
    if (await fetch(`http://127.0.0.1:${port}/`).then(() => true, () => false)) return;
    await delay(100);
  }
  throw new Error("nginx did not answer within 30 s");
}
