// Makes src/api.types.ts from api.schema.json: the form of every answer of the server.
import { writeFile } from "node:fs/promises";
import { compileFromFile } from "json-schema-to-typescript";

const made = await compileFromFile("api.schema.json", {
  bannerComment: "/** Made from api.schema.json by `node types.mjs`. */",
  unreachableDefinitions: true,
});
await writeFile("src/api.types.ts", made);
