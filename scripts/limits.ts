/** Prints the limits for docs/security.md: `node --import tsx scripts/limits.ts`. */
import { limitTable } from "../src/server/limits.js";

console.log(limitTable().join("\n"));
