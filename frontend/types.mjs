// Makes src/api.types.ts from the server's api.schema.json: the form of every answer.
import { writeFile } from "node:fs/promises";
import { compileFromFile } from "json-schema-to-typescript";

const made = await compileFromFile("../scram_plugin/tensorboard/api.schema.json", {
  bannerComment: "/** Made from api.schema.json by `node types.mjs`. */",
  unreachableDefinitions: true,
});
await writeFile("src/api.types.ts", made);
