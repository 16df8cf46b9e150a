/** Tests of plain functions; vite.config.ts is for the page alone. */
import { defineConfig } from "vitest/config";

export default defineConfig({ test: { include: ["tests/**/*.test.ts"] } });
