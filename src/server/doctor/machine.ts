/** The machine and the installation: Node, ONNX Runtime, models, memory, port. */
import { spawn } from "node:child_process";
import { request } from "node:http";
import { request as secureRequest } from "node:https";
import { createServer } from "node:net";
import { fileURLToPath } from "node:url";
import { modelsFolder, openModel } from "../../engine/models.js";
import { planMemory } from "../../engine/budget.js";
import { cgroupLimit } from "../operations/memory.js";
import { readTls } from "../tls.js";
import { type Finding, ok, problem, warning } from "./findings.js";

export function checkNode(version = process.versions.node): Finding {
  const [major, minor] = version.split(".").map(Number);
  if (major > 20 || (major === 20 && minor >= 19)) return ok("Node", `version ${version}`);
  return problem("Node", `version ${version} is too old`, "Install Node 20.19 or later, for example from nodejs.org, and run npm install again.");
}

/** In a process of its own, as the engine loads it: a binary that crashes takes nobody along. */
export async function checkOnnx(deadlineMs = 30_000): Promise<Finding> {
  const script = "import('onnxruntime-node').then((ort) => console.log(JSON.stringify([ort.env.versions.node, ort.listSupportedBackends().filter((b) => b.bundled).map((b) => b.name)])))";
  const root = fileURLToPath(new URL("../../..", import.meta.url));
  const child = spawn(process.execPath, ["--input-type=module", "-e", script], { cwd: root, stdio: ["ignore", "pipe", "pipe"], timeout: deadlineMs });
  const text = { out: "", err: "" };
  child.stdout.on("data", (data: Buffer) => { text.out += data.toString(); });
  child.stderr.on("data", (data: Buffer) => { text.err += data.toString(); });
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(null));
    child.once("close", resolve);
  });
  try {
    const [version, backends] = JSON.parse(text.out) as [string, string[]];
    return ok("ONNX Runtime", `version ${version} with ${backends.join(", ")}`);
  } catch {
    const why = /Error: [^\n]{1,200}/.exec(text.err)?.[0] ?? `exit ${code}`;
    return problem("ONNX Runtime", `its binary cannot be loaded on ${process.platform}-${process.arch} (${why})`,
      "Run ONNXRUNTIME_NODE_INSTALL=skip npm install again on this machine; on Alpine Linux use a glibc image such as node:20-slim.");
  }
}

/** Every graph with its digest. `digest` is that of all, null where they cannot be used. */
export async function checkModels(folder = modelsFolder()): Promise<{ finding: Finding; digest: string | null }> {
  try {
    const model = await openModel(folder);
    const { graphs } = model;
    for (const graph of graphs) await model.check(graph);
    return { finding: ok("models", `${model.name}, ${graphs.length} graphs with the digests of the manifest (${model.digest.slice(0, 12)})`), digest: model.digest };
  } catch (error) {
    const finding = problem("models", (error as Error).message, "Restore the models folder from the release, or name another with --conf models_dir FOLDER.");
    return { finding, digest: null };
  }
}

export async function checkMemory(total: number): Promise<Finding> {
  const gigabytes = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GB`;
  // Eight bytes a voxel, see engine/budget.ts.
  const slices = Math.floor(planMemory(total).workBytes / (8 * 512 * 512));
  const limit = await cgroupLimit();
  const found = `${gigabytes(total)} may be used${Number.isFinite(limit) ? `, of ${gigabytes(limit)} that the container or service allows` : ""}; enough for 512 x 512 x ${Math.max(0, slices)} voxels`;
  if (slices >= 300) return ok("memory", found);
  return (slices < 50 ? problem : warning)("memory", found, "Give it more with --memory 4GB, or a larger limit of the container or service.");
}

/** Of a server that speaks https. */
export async function checkCertificate(settings: Parameters<typeof readTls>[0]): Promise<Finding> {
  const check = "certificate";
  const complaints: string[] = [];
  try {
    await readTls(settings, { warn: (complaint) => complaints.push(complaint) });
  } catch (error) {
    return problem(check, "https cannot be spoken with it", (error as Error).message);
  }
  if (complaints.length > 0) return warning(check, complaints.join("; "), "Have it renewed: browsers and viewers that look at it refuse it.");
  return ok(check, `${settings.sslCertfile} and its key fit together`);
}

export async function checkPort(host: string, port: number): Promise<Finding> {
  const check = "port";
  if (port === 0) return ok(check, "a free one is picked");
  const failed = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    const server = createServer();
    server.once("error", resolve);
    server.listen(port, host, () => server.close(() => resolve(null)));
  });
  if (failed === null) return ok(check, `${host}:${port} is free`);
  if (failed.code === "EADDRINUSE") {
    if (await answersHealth(host === "0.0.0.0" ? "127.0.0.1" : host, port)) return warning(check, `something that answers like limnet listens on ${host}:${port} already`, "Nothing to do if that is your server; else choose another port with --port.");
    return problem(check, `${host}:${port} is taken by another program`, "Stop it or choose another port with --port.");
  }
  if (failed.code === "EACCES") return problem(check, `${host}:${port} may only be used by root`, "Choose a port from 1024 on, and put a reverse proxy in front of it.");
  return problem(check, `this machine has no address ${host} (${failed.code})`, "Choose another with --host.");
}

/** Over http or https; whose certificate it is does not matter here, nothing is sent. */
async function answersHealth(host: string, port: number): Promise<boolean> {
  const target = { host, port, path: "/healthz", timeout: 3000, agent: false };
  const ask = (secure: boolean) => new Promise<boolean>((resolve) => {
    const req = secure ? secureRequest({ ...target, rejectUnauthorized: false }) : request(target);
    req.once("timeout", () => req.destroy());
    req.once("error", () => resolve(false));
    req.once("response", (res) => {
      res.destroy();
      resolve(res.statusCode === 200);
    });
    req.end();
  });
  return (await ask(false)) || ask(true);
}
