import { shownValue } from "../../faults.ts";
import { flag } from "../option-kinds.ts";
import type { EnvironmentEntry } from "../job-config.ts";
import type { Place } from "./place.ts";

/** The `env` list of a destination (galaxy.md 3.3): variables, files to be sourced, commands to be run. */
export function readEnvironment(env: Place): EnvironmentEntry[] {
  return env.items().flatMap((item) => {
    const entry = readEntry(item);
    return entry === undefined ? [] : [entry];
  });
}

function readEntry(item: Place): EnvironmentEntry | undefined {
  if (!item.get("file").isEmpty) {
    item.onlyKeys(["file", "type"]);
    return { kind: "file", file: item.get("file").text() ?? "" };
  }
  if (!item.get("execute").isEmpty) {
    item.onlyKeys(["execute", "type"]);
    return { kind: "execute", command: item.get("execute").text() ?? "" };
  }
  item.onlyKeys(["name", "value", "raw", "type", "file", "execute"]);
  const name = item.get("name");
  if (typeof name.raw !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name.raw)) {
    name.fault(
      `expected the name of an environment variable, got ${shownValue(name.raw)}`,
      "an entry has name and value, or file, or execute",
    );
    return undefined;
  }
  const { raw } = item.get("value");
  const value = typeof raw === "boolean" ? String(raw) : item.get("value").text();
  return {
    kind: "variable",
    name: name.raw,
    value: value ?? "",
    raw: item.get("raw").read(flag) ?? false,
  };
}
