/** `limnet worker`: takes clicks from Redis, for servers that were started with --redis. */
import type { Command } from "commander";
import { pairs, stopOnSignal } from "../command.js";
import { ConfigError, loadConfig } from "../config.js";
import { createLogger } from "../logger.js";

interface Flags {
  studies?: string;
  state?: string;
  redis?: string;
  memory?: string;
  stopSeconds?: string;
  conf?: string[];
  verbose?: string;
}

export function workerCommand(program: Command): void {
  program
    .command("worker")
    .description("compute clicks for servers that were started with --redis; as many as you like, on any machine that has the same folders")
    .option("-s, --studies <folder>", "folder of the scans: the one of the server, wherever this machine has it")
    .option("--state <folder>", "state folder of the server (default: <studies>/.limnet)")
    .option("--redis <address>", "Redis, such as redis://:password@queue.example:6379/0")
    .option("--memory <size>", "memory that it may use, such as 4GB (default: from the machine)")
    .option("--stop-seconds <number>", "how long the running click may take when it is told to stop (default: 10); then another worker takes it")
    .option("-c, --conf <key value...>", "threads N, models_dir FOLDER; may be given several times")
    .option("-v, --verbose <level>", "what is logged on standard error: DEBUG, INFO, WARNING or ERROR (default: INFO)")
    .addHelpText("after", `
Example:
  limnet worker --studies /srv/scans --redis redis://queue.example:6379

Settings also come from the environment: MONAI_LABEL_STUDIES, LIMNET_STATE, LIMNET_REDIS, LIMNET_MEMORY …`)
    .action(start);
}

async function start({ conf, ...flags }: Flags): Promise<void> {
  try {
    if (!(flags.studies ?? process.env.MONAI_LABEL_STUDIES)) throw new ConfigError("Which scans? Name the folder of the server with --studies.");
    const config = loadConfig({ app: ".", ...flags, ...(conf && { conf: pairs(conf) }) } as Parameters<typeof loadConfig>[0]);
    const { startWorker } = await import("./worker.js");
    const worker = await startWorker(config, createLogger(config.verbose));
    console.log(`limnet worker ${worker.id} takes jobs from ${worker.redis}`);
    stopOnSignal(() => worker.close(), config.stopSeconds + 15);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
