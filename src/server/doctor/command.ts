/** `limnet doctor`: looks at everything that a start needs, and says what to do. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Command } from "commander";
import { pairs } from "../command.js";
import { isArchive } from "../archive-settings.js";
import { type Config, ConfigError, loadConfig } from "../config.js";
import { usualMemory } from "../operations/memory.js";
import { asText, exitCode, type Finding, ok, problem } from "./findings.js";
import { checkCertificate, checkMemory, checkModels, checkNode, checkOnnx, checkPort } from "./machine.js";

interface Flags {
  app?: string;
  studies?: string;
  state?: string;
  host?: string;
  port?: string;
  redis?: string;
  memory?: string;
  conf?: string[];
  auth?: boolean;
  insecure?: boolean;
  ssl_certfile?: string;
  ssl_keyfile?: string;
  ssl_keyfile_password?: string;
  json?: boolean;
}

export function doctorCommand(program: Command): void {
  program
    .command("doctor")
    .description("look at everything that a start needs, with the settings of start_server, and say what to do; exit code 1 where something must be done")
    .option("-a, --app <folder>", "folder of the app (default: sample-apps/radiology)")
    .option("-s, --studies <folder>", "folder of the scans, or address of a DICOMweb archive (default: nothing is looked at)")
    .option("--state <folder>", "folder for journals and temporary files (default: <studies>/.limnet)")
    .option("-i, --host <address>", "address to listen on (default: 127.0.0.1)")
    .option("-p, --port <number>", "port to listen on (default: 8000)")
    .option("--redis <address>", "Redis, where workers compute")
    .option("--memory <size>", "memory that may be used, such as 4GB (default: from the machine)")
    .option("-c, --conf <key value...>", "settings of the app; models_dir is looked at")
    .option("--auth", "as for start_server")
    .option("--insecure", "as for start_server")
    .option("--ssl_certfile <file>", "as for start_server")
    .option("--ssl_keyfile <file>", "as for start_server")
    .option("--ssl_keyfile_password <password>", "as for start_server")
    .option("--json", "print JSON")
    .action(async ({ json, ...flags }: Flags) => {
      const findings = await examine(flags);
      console.log(json ? JSON.stringify({ ok: exitCode(findings) === 0, findings }, null, 1) : asText(findings));
      process.exitCode = exitCode(findings);
    });
}

/** All checks that the settings call for. */
export async function examine({ conf, ssl_certfile: sslCertfile, ssl_keyfile: sslKeyfile, ssl_keyfile_password: sslKeyfilePassword, ...flags }: Omit<Flags, "json">): Promise<Finding[]> {
  const app = flags.app ?? process.env.MONAI_LABEL_APP_DIR ?? fileURLToPath(new URL("../../../sample-apps/radiology", import.meta.url));
  const studies = flags.studies ?? process.env.MONAI_LABEL_STUDIES;
  const findings: Finding[] = [checkNode(), await checkOnnx()];
  let config: Config;
  try {
    config = loadConfig({ ...flags, sslCertfile, sslKeyfile, sslKeyfilePassword, app, studies: studies ?? ".", ...(conf && { conf: pairs(conf) }) } as Parameters<typeof loadConfig>[0]);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return [...findings, problem("settings", "they cannot be used", error.message)];
  }
  const { finding, digest } = await checkModels(config.conf.models_dir);
  findings.push(finding, checkApp(app), await checkMemory(config.memory ?? await usualMemory()), await checkPort(config.host, config.port));
  if (config.sslCertfile !== undefined || config.sslKeyfile !== undefined) findings.push(await checkCertificate(config));
  if (studies === undefined) return findings;
  const { checkArchive, checkDisk, checkRedis, checkState, checkStudies } = await import("./surroundings.js");
  findings.push(isArchive(config.studies) ? await checkArchive(config.studies) : await checkStudies(config.studies));
  findings.push(await checkState(config.state), await checkDisk(config.state));
  if (config.redis !== undefined) findings.push(await checkRedis(config.redis, config.state, digest));
  return findings;
}

function checkApp(folder: string): Finding {
  if (existsSync(join(folder, "app.json"))) return ok("app", `${folder} holds an app`);
  return problem("app", `${folder} holds no app.json`, "Name the folder of an app with --app, such as sample-apps/radiology.");
}
