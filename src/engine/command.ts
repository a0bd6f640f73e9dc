/** `limnet models`: what networks there are, and how converted ones are added. */
import { basename, resolve } from "node:path";
import type { Command } from "commander";
import { addModel, listModels } from "./library.js";
import { modelsFolder } from "./models.js";

interface Flags {
  models: string;
  name?: string;
}

/** Adds the command to the program. */
export function modelsCommand(program: Command): void {
  const models = program.command("models").description("the networks: list them, add converted ones");
  models.command("list")
    .description("name, digest, size and origin of every model; * is the default")
    .option("--models <folder>", "folder of the networks", modelsFolder())
    .action(async (flags: Flags) => {
      for (const { name, isDefault, digest, description, trouble, megabytes } of await listModels(resolve(flags.models))) {
        console.log(`${isDefault ? "*" : " "} ${name}  ${trouble === "" ? `${digest.slice(0, 12)}  ${megabytes.toFixed(1)} MB` : `cannot be used: ${trouble}`}  ${description}`);
        if (trouble !== "") process.exitCode = 1;
      }
    });
  models.command("add")
    .description("add a network that `python -m limnet_training convert` has made: a click network (RITM), a propagation network (XMem) or a quality network (ResNet)")
    .argument("<folder>", "holds model.json and the graphs")
    .option("--name <name>", "of the model; folders added under one name make one model (default: the name of the folder)")
    .option("--models <folder>", "folder of the networks", modelsFolder())
    .addHelpText("after", `
What a model lacks is taken from the default model.

Example:
  limnet models add converted/hrnet18 --name base
  limnet models add converted/xmem --name base
  limnet start_server --app APP --studies STUDIES --conf model base`)
    .action(async (folder: string, flags: Flags) => {
      const name = flags.name ?? basename(resolve(folder));
      const digest = await addModel(resolve(folder), resolve(flags.models), name);
      console.log(`${name} is there (${digest.slice(0, 12)}). Use it with --conf model ${name}.`);
    });
}
