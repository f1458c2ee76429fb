import { defineConfig } from "vitest/config";

// TensorBoard imports one ES module and calls its `render`; the server serves a fixed table of two files.
export default defineConfig({
  esbuild: { jsx: "automatic", jsxImportSource: "preact" },
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    outDir: "../scram_plugin/static",
    emptyOutDir: true,
    target: "es2022",
    cssCodeSplit: false,
    lib: { entry: "src/index.tsx", formats: ["es"], fileName: () => "index.js", cssFileName: "index" },
  },
  test: { environment: "jsdom" },
});
