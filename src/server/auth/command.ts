/** `limnet token`: who may log in with a token. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { type Role, roles } from "./roles.js";
import { addToken, defaultTokenFile, readTokens, removeToken } from "./tokens.js";

interface Flags {
  tokens?: string;
  file?: string;
  role: Role[];
  days?: number;
}

/** Adds the command to the program. */
export function tokenCommand(program: Command): void {
  const token = program.command("token").description("make, list and remove the tokens with which people and programs log in (start_server --auth)");
  const common = (command: Command) => command
    .option("-t, --tokens <file>", `file of the tokens, as start_server --tokens has it (default: LIMNET_TOKENS, else ${defaultTokenFile({})})`)
    // As it was called before.
    .addOption(new Option("-f, --file <file>").hideHelp());

  common(token.command("add <name>"))
    .description("make a token and print it: it is shown this once")
    .requiredOption("-r, --role <role...>", `what it may do: ${roles.join(", ")}; each includes those before it`, collect)
    .option("-d, --days <number>", "how long it is good for (default: until it is removed)", days)
    .action(async (name: string, flags: Flags) => {
      const expires = flags.days === undefined ? null : new Date(Date.now() + flags.days * 86_400_000);
      const made = await addToken(fileOf(flags), name, flags.role, expires);
      console.log(made);
      console.error(`This is the token of ${name} (${flags.role.join(", ")}${expires ? `, until ${expires.toISOString().slice(0, 10)}` : ""}). Keep it safe: it cannot be shown again.`);
      console.error(`In 3D Slicer, log in with the name ${name} and the token as password; elsewhere send the header "Authorization: Bearer <token>".`);
    });

  common(token.command("list")).description("names, roles and dates; never the tokens").action(async (flags: Flags) => {
    const found = await readTokens(fileOf(flags));
    if (found.length === 0) console.error(`There are no tokens in ${fileOf(flags)}. Make one with \`limnet token add NAME --role annotator\`.`);
    for (const { name, roles: held, created, expires } of found) console.log([name, held.join(","), `made ${created.slice(0, 10)}`, expires ? `good until ${expires.slice(0, 10)}` : "no end"].join("\t"));
  });

  common(token.command("remove <name>")).description("end a token; a running server forgets it at once").action(async (name: string, flags: Flags) => {
    await removeToken(fileOf(flags), name);
    console.error(`The token of ${name} is removed.`);
  });
}

function fileOf({ tokens, file }: Flags): string {
  return tokens ?? file ?? (process.env.LIMNET_TOKENS || defaultTokenFile());
}

function collect(value: string, before: Role[] = []): Role[] {
  const added = value.split(",").map((name) => {
    const role = roles.find((one) => one === name.trim().toLowerCase());
    if (!role) throw new InvalidArgumentError(`Roles are ${roles.join(", ")}.`);
    return role;
  });
  return [...new Set([...before, ...added])];
}

function days(value: string): number {
  const number = Number(value);
  if (!(number > 0 && number <= 36_500)) throw new InvalidArgumentError("A number of days is needed, for example 90.");
  return number;
}
