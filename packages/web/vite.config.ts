import { defineConfig } from "vite";

export default defineConfig({
  root: new URL("ui", import.meta.url).pathname,
  // Everything the page needs is in its own files: the content security policy allows neither inlined nor foreign code.
  build: {
    outDir: new URL("dist/ui", import.meta.url).pathname,
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
  },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  // `vite` alone serves the page in development and passes API calls on to a galaxy-web on its usual port.
  server: { proxy: { "/api": "http://127.0.0.1:8080" } },
});
