/** `npm run conformance`: writes the table of endpoints in docs/conformance.md anew. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { allEndpoints } from "../src/server/app.js";
import { conformanceTable, withTable } from "../src/server/conformance.js";

const file = fileURLToPath(new URL("../docs/conformance.md", import.meta.url));
writeFileSync(file, withTable(readFileSync(file, "utf8"), conformanceTable(allEndpoints())));
console.log("docs/conformance.md holds the endpoints of today.");
