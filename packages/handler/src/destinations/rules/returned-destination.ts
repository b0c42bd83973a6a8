import type { Destination, EnvironmentEntry } from "@galaxy-jobs/runtime";

const known = ["id", "runner", "tags", "params", "env", "resubmit", "shell"];

/**
 * A destination as a rule returned it: one of job_conf with other parameters, or one of its own. Its id is the dynamic
 * destination's where it names none, so that the limits of that one hold.
 */
export function readReturnedDestination(
  result: unknown,
  referrer: Destination,
): { readonly destination: Destination } | { readonly problem: string } {
  if (!isMap(result)) return { problem: "neither an id or tag nor a destination" };
  const unknown = Object.keys(result).find((key) => !known.includes(key));
  if (unknown !== undefined)
    return { problem: `a destination with the unknown key ${unknown}; it has ${known.join(", ")}` };
  const { id = referrer.id, runner, tags = [], params = {}, env = [], resubmit = [], shell } = result;
  if (typeof id !== "string" || id === "" || id.length > 255)
    return { problem: "a destination whose id is no text" };
  if (typeof runner !== "string" || runner === "")
    return { problem: `the destination ${id} without a runner` };
  if (!isMap(params)) return { problem: `the destination ${id} whose params are no map` };
  if (!Array.isArray(tags) || !Array.isArray(env) || !Array.isArray(resubmit))
    return { problem: `the destination ${id} whose tags, env or resubmit are no list` };
  if (shell !== undefined && typeof shell !== "string")
    return { problem: `the destination ${id} whose shell is no text` };
  const entries = env.map(readEntry);
  if (entries.includes(undefined))
    return {
      problem: `the destination ${id} with an env entry that is none: { name, value, raw }, { file } or { execute }`,
    };
  return {
    destination: {
      id,
      runner,
      tags: tags.map(String),
      params,
      env: entries as EnvironmentEntry[],
      resubmit: resubmit as Destination["resubmit"],
      ...(shell === undefined ? {} : { shell }),
    },
  };
}

/** As job_conf.yml writes it, or as `app.job_config.get_destination` gives it. */
function readEntry(entry: unknown): EnvironmentEntry | undefined {
  if (!isMap(entry)) return undefined;
  const { name, value = "", raw = false, file, execute, command = execute } = entry;
  if (typeof file === "string") return { kind: "file", file };
  if (typeof command === "string") return { kind: "execute", command };
  if (typeof name !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) return undefined;
  if (!["string", "number", "boolean"].includes(typeof value)) return undefined;
  return { kind: "variable", name, value: String(value as string), raw: raw === true };
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
