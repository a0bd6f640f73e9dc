/** The command line: one file per command, each in the room that it belongs to. */
import { readFileSync } from "node:fs";
import { Command } from "commander";
import { modelsCommand } from "./engine/command.js";
import { tokenCommand } from "./server/auth/command.js";
import { startServerCommand } from "./server/command.js";
import { envFileSettings } from "./server/monailabel-settings.js";
import { doctorCommand } from "./server/doctor/command.js";
import { workerCommand } from "./server/operations/worker-command.js";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

const program = new Command("limnet")
  .description("Segment a 3D medical scan by a few clicks: LIM-Net behind the MONAI Label protocol.")
  .version(version, "-v, --version")
  // After the command, -v is how much it logs, as in MONAI Label.
  .enablePositionalOptions()
  .showHelpAfterError("(add --help for what is possible)");

startServerCommand(program);
workerCommand(program);
doctorCommand(program);
tokenCommand(program);
modelsCommand(program);
// Rooms that the server does not need are opened only when they are asked for.
await optional("evaluate", async () => (await import("./evaluate/command.js")).evaluateCommand(program));
await optional("studies", async () => (await import("./studies/command.js")).studiesCommand(program));
await optional("export", async () => (await import("./studies/export-command.js")).exportCommand(program));
await optional("demo", async () => (await import("./demo/command.js")).demoCommand(program));

async function optional(name: string, add: () => Promise<void>): Promise<void> {
  try {
    await add();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ERR_MODULE_NOT_FOUND") throw error;
    program.command(name, { hidden: true }).allowUnknownOption().action(() => {
      console.error(`The command "${name}" is not part of this installation.`);
      process.exitCode = 1;
    });
  }
}

try {
  Object.assign(process.env, envFileSettings(".env", process.env));
  await program.parseAsync();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  if (process.env.LIMNET_VERBOSE?.toLowerCase() === "debug") console.error(error);
  process.exitCode = 1;
}
