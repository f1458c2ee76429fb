import { defineConfig } from "vitest/config";

// TensorBoard imports one ES module, which holds the style too, and calls its `render`.
export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    outDir: "../scram_plugin/tensorboard/static",
    emptyOutDir: true,
    target: "es2022",
    lib: { entry: "src/index.tsx", formats: ["es"], fileName: () => "index.js" },
  },
  test: { environment: "jsdom" },
});
