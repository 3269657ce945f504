import { readFileSync, readdirSync, statSync, writeFileSync, mkdirSync, copyFileSync } from "node:fs";
import { join, extname } from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import preact from "@preact/preset-vite";
import { defineConfig, type Plugin } from "vite";

const OUT = "../suanli_controller/dashboard/static";
const PACKED = new Set([".js", ".css", ".html", ".svg", ".json", ".webmanifest"]);

/** Swagger UI beside the page, so that the API's documentation loads from nowhere else. */
function swagger(): Plugin {
  return {
    name: "suanli-swagger",
    closeBundle() {
      const from = "node_modules/swagger-ui-dist";
      mkdirSync(join(OUT, "docs"), { recursive: true });
      for (const file of ["swagger-ui.css", "swagger-ui-bundle.js"]) {
        copyFileSync(join(from, file), join(OUT, "docs", file));
      }
    },
  };
}

/** Compress once, when building, and not at every request. */
function packed(): Plugin {
  return {
    name: "suanli-packed",
    closeBundle: { order: "post", sequential: true, handler: () => pack(OUT) },
  };
}

function pack(folder: string): void {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    if (statSync(path).isDirectory()) pack(path);
    else if (PACKED.has(extname(name))) {
      const text = readFileSync(path);
      if (text.length < 512) continue;
      writeFileSync(path + ".gz", gzipSync(text, { level: 9 }));
      const quality = { [constants.BROTLI_PARAM_QUALITY]: 11 };
      writeFileSync(path + ".br", brotliCompressSync(text, { params: quality }));
    }
  }
}

export default defineConfig({
  plugins: [preact({ devToolsEnabled: false }), swagger(), packed()],
  build: {
    outDir: OUT,
    emptyOutDir: true,
    target: ["chrome92", "firefox91", "safari15"], // what Kylin and UOS ship
    assetsInlineLimit: 0, // the Content-Security-Policy allows no data: fonts or scripts
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 900,
  },
});
