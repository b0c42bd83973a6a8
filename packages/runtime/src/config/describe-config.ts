import { isSecretName, maskUrlPasswords } from "../log-line.ts";
import type { GalaxyConfig } from "./galaxy-config.ts";

/** The configuration as it may be shown and logged: secrets masked (also in job parameters), warnings left out. */
export function describeConfig(config: GalaxyConfig): Record<string, unknown> {
  const { warnings: _, ...rest } = config;
  return JSON.parse(JSON.stringify(rest, mask)) as Record<string, unknown>;
}

function mask(this: unknown, name: string, value: unknown): unknown {
  if (isSecretName(name) && value !== undefined && value !== null) return "***";
  if (name === "value" && isSecretName(String((this as { name?: unknown }).name))) return "***";
  return typeof value === "string" ? maskUrlPasswords(value) : value;
}
