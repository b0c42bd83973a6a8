import { shownValue, suggestion } from "../faults.ts";
import type { Fault } from "../faults.ts";
import type { DocumentPath } from "../yaml-document.ts";
import type { ConfigSource } from "./config-source.ts";
import { isMapping } from "./config-source.ts";
import { flag, list, number, text, WrongValue } from "./option-kinds.ts";
import type { OptionKind } from "./option-kinds.ts";
import { DEFAULT_JOB_CONFIG, NO_LIMITS } from "./job-config.ts";
import type {
  AssignmentMethodName,
  Destination,
  EnvironmentEntry,
  JobConfig,
  RunnerConfig,
} from "./job-config.ts";

const SECTIONS = ["runners", "handling", "execution", "tools", "resources", "limits"];
const SUPPORTED_METHODS: readonly AssignmentMethodName[] = [
  "mem-self",
  "db-self",
  "db-preassign",
  "mule-message",
  "db-transaction-isolation",
  "db-skip-locked",
];
const GALAXY_METHODS = `
  mem-self db-self db-preassign db-transaction-isolation db-skip-locked mule-message uwsgi-mule-message`
  .trim()
  .split(/\s+/);
/** Keys of an environment that are not parameters of its runner. */
const ENVIRONMENT_KEYS = ["id", "runner", "enabled", "env", "params"];
const LATER_ENVIRONMENT_KEYS = `tags shell resubmit metrics metadata_strategy tool_evaluation_strategy`.split(
  " ",
);

/**
 * Reads the YAML form of job_conf (galaxy.md 3.3).
 *
 * @param at where in the document it lies: [] in a file of its own, ["galaxy", "job_config"] inline
 */
export function readJobConfig(
  source: ConfigSource,
  at: DocumentPath,
  raw: unknown,
  warn: (fault: Fault) => void,
): JobConfig {
  return new JobConfigReader(source, at, warn).read(raw);
}

class JobConfigReader {
  readonly #source: ConfigSource;
  readonly #base: DocumentPath;
  readonly #warn: (fault: Fault) => void;

  constructor(source: ConfigSource, base: DocumentPath, warn: (fault: Fault) => void) {
    this.#source = source;
    this.#base = base;
    this.#warn = warn;
  }

  read(raw: unknown): JobConfig {
    if (raw === undefined || raw === null) return DEFAULT_JOB_CONFIG;
    const content = this.#mapping([], raw);
    for (const key of Object.keys(content)) {
      if (!SECTIONS.includes(key)) this.#fault([key], "unknown key", suggestion(key, SECTIONS).remedy);
    }
    for (const key of ["tools", "resources", "limits"]) {
      if (!isEmpty(content[key]))
        this.#fault([key], "is not supported by this version", "remove the section");
    }
    const runners = this.#runners(content["runners"]);
    return {
      ...this.#handling(content["handling"]),
      runners,
      ...this.#execution(content["execution"], runners),
      readyWindowSize: 100,
      tools: [],
      resources: { groups: {} },
      limits: NO_LIMITS,
    };
  }

  #runners(raw: unknown): Record<string, RunnerConfig> {
    if (isEmpty(raw)) return { ...DEFAULT_JOB_CONFIG.runners };
    const runners: Record<string, RunnerConfig> = {};
    for (const [id, value] of Object.entries(this.#mapping(["runners"], raw))) {
      const { load, workers, enabled, ...params } = this.#mapping(["runners", id], value);
      if (enabled !== undefined && this.#value(["runners", id, "enabled"], flag, enabled) === false) continue;
      if (load === undefined) {
        this.#fault(
          ["runners", id],
          "load is required",
          "for local jobs: load: galaxy.jobs.runners.local:LocalJobRunner",
        );
      }
      runners[id] = {
        load: this.#value(["runners", id, "load"], text, load ?? "") ?? "",
        workers:
          this.#value(
            ["runners", id, "workers"],
            number({ min: 1, max: 10_000, whole: true }),
            workers ?? 4,
          ) ?? 4,
        params,
      };
    }
    return runners;
  }

  #handling(raw: unknown): Pick<JobConfig, "assign" | "maxGrab" | "handlers" | "defaultHandler"> {
    const at = ["handling"];
    const handling = this.#mapping(at, raw ?? {});
    const known = ["assign", "max_grab", "ready_window_size", "default", "processes"];
    for (const key of Object.keys(handling)) {
      if (!known.includes(key)) this.#fault([...at, key], "unknown key", suggestion(key, known).remedy);
    }
    if (handling["ready_window_size"] !== undefined) this.#unused([...at, "ready_window_size"]);
    const maxGrab = isEmpty(handling["max_grab"])
      ? undefined
      : this.#value([...at, "max_grab"], number({ min: 1, whole: true }), handling["max_grab"]);
    const defaultHandler = isEmpty(handling["default"])
      ? undefined
      : this.#value([...at, "default"], text, handling["default"]);
    const handlers = this.#handlers(handling["processes"]);
    this.#checkDefaultHandler(defaultHandler, handlers);
    return {
      assign: this.#assign(handling["assign"]),
      handlers,
      ...(maxGrab === undefined ? {} : { maxGrab }),
      ...(defaultHandler === undefined ? {} : { defaultHandler }),
    };
  }

  /** Galaxy does not look: a default that names nobody leaves every job at `new` (galaxy.md 2.7). */
  #checkDefaultHandler(name: string | undefined, handlers: JobConfig["handlers"]): void {
    if (name === undefined || handlers.length === 0) return;
    const known = new Set(handlers.flatMap((handler) => [handler.id, ...handler.tags]));
    if (known.has(name)) return;
    this.#fault(
      ["handling", "default"],
      `no handler has the id or tag ${name}`,
      suggestion(name, known).remedy,
    );
  }

  #assign(raw: unknown): AssignmentMethodName[] | undefined {
    if (isEmpty(raw)) return undefined;
    const names = this.#value(["handling", "assign"], list, raw) ?? [];
    return names.flatMap((name) => {
      const method = name.toLowerCase();
      const supported = SUPPORTED_METHODS.find((candidate) => candidate === method);
      if (supported !== undefined) return [supported];
      const choices = SUPPORTED_METHODS.join(", ");
      if (GALAXY_METHODS.includes(method)) {
        this.#fault(
          ["handling", "assign"],
          `${method} is not supported by this version`,
          `use one of ${choices}`,
        );
      } else {
        const meant = suggestion(method, GALAXY_METHODS).remedy ?? `it must be one of ${choices}`;
        this.#fault(["handling", "assign"], `invalid job handler assignment method '${name}'`, meant);
      }
      return [];
    });
  }

  #handlers(raw: unknown): { id: string; tags: readonly string[] }[] {
    if (isEmpty(raw)) return [];
    return Object.entries(this.#mapping(["handling", "processes"], raw)).map(([id, value]) => {
      const at = ["handling", "processes", id];
      const settings = this.#mapping(at, value ?? {});
      const known = ["tags", "plugins", "environment"];
      for (const key of Object.keys(settings)) {
        if (!known.includes(key)) this.#fault([...at, key], "unknown key", suggestion(key, known).remedy);
        else if (key !== "tags") this.#unused([...at, key]);
      }
      const tags = isEmpty(settings["tags"]) ? [] : this.#value([...at, "tags"], list, settings["tags"]);
      return { id, tags: tags ?? [] };
    });
  }

  #execution(
    raw: unknown,
    runners: Record<string, RunnerConfig>,
  ): Pick<JobConfig, "destinations" | "defaultDestination"> {
    const { destinations: defaults, defaultDestination } = DEFAULT_JOB_CONFIG;
    if (isEmpty(raw)) {
      if (!Object.hasOwn(runners, "local"))
        this.#fault([], "execution is required where no runner is named local");
      return { destinations: defaults, defaultDestination };
    }
    const at = ["execution"];
    const execution = this.#mapping(at, raw);
    for (const key of Object.keys(execution)) {
      const known = ["default", "environments"];
      if (!known.includes(key)) this.#fault([...at, key], "unknown key", suggestion(key, known).remedy);
    }
    const destinations: Record<string, Destination> = {};
    for (const [id, place, settings] of this.#environments(execution["environments"])) {
      const destination = this.#destination(id, place, settings, runners);
      if (destination !== undefined) destinations[id] = destination;
    }
    return { destinations, defaultDestination: this.#defaultDestination(execution["default"], destinations) };
  }

  /** `environments` is a map by id, or a list of maps with an `id` (galaxy.md 3.3). */
  #environments(raw: unknown): [id: string, at: DocumentPath, settings: Record<string, unknown>][] {
    const at = ["execution", "environments"];
    if (isEmpty(raw)) {
      this.#fault(["execution"], "environments is required", "name at least one destination");
      return [];
    }
    if (!Array.isArray(raw)) {
      return Object.entries(this.#mapping(at, raw)).map(([id, value]) => [
        id,
        [...at, id],
        this.#mapping([...at, id], value),
      ]);
    }
    return raw.flatMap((item: unknown, index) => {
      const place = [...at, index];
      const settings = this.#mapping(place, item);
      if (typeof settings["id"] === "string") return [[settings["id"], place, settings]];
      this.#fault(place, "id is required");
      return [];
    });
  }

  #destination(
    id: string,
    at: DocumentPath,
    settings: Record<string, unknown>,
    runners: Record<string, RunnerConfig>,
  ): Destination | undefined {
    if (
      settings["enabled"] !== undefined &&
      this.#value([...at, "enabled"], flag, settings["enabled"]) === false
    ) {
      return undefined;
    }
    const runner = settings["runner"];
    if (runner === undefined) this.#fault(at, "runner is required");
    else if (typeof runner !== "string" || !Object.hasOwn(runners, runner)) {
      const remedy = suggestion(typeof runner === "string" ? runner : "", Object.keys(runners)).remedy;
      this.#fault([...at, "runner"], `there is no runner ${shownValue(runner)}`, remedy);
    }
    const params: Record<string, unknown> = {};
    for (const [key, value] of Object.entries(settings)) {
      if (LATER_ENVIRONMENT_KEYS.includes(key)) this.#unused([...at, key]);
      else if (!ENVIRONMENT_KEYS.includes(key)) params[key] = value;
    }
    if (!isEmpty(settings["params"]))
      Object.assign(params, this.#mapping([...at, "params"], settings["params"]));
    return {
      id,
      runner: String(runner),
      params,
      env: this.#env([...at, "env"], settings["env"]),
      tags: [],
      resubmit: [],
    };
  }

  #env(at: DocumentPath, raw: unknown): EnvironmentEntry[] {
    if (isEmpty(raw)) return [];
    if (!Array.isArray(raw)) {
      this.#fault(at, `expected a list of {name, value}, got ${shownValue(raw)}`);
      return [];
    }
    return raw.flatMap((item: unknown, index) => {
      const place = [...at, index];
      const settings = this.#mapping(place, item);
      if (settings["file"] !== undefined || settings["execute"] !== undefined) {
        this.#fault(place, "file and execute are not supported by this version", "use name and value");
        return [];
      }
      for (const key of Object.keys(settings)) {
        const known = ["name", "value", "raw"];
        if (!known.includes(key)) this.#fault([...place, key], "unknown key", suggestion(key, known).remedy);
      }
      const name = settings["name"];
      if (typeof name !== "string" || !/^[A-Za-z_][A-Za-z0-9_]*$/.test(name)) {
        this.#fault(place, `name must be the name of an environment variable, got ${shownValue(name)}`);
        return [];
      }
      const raw =
        settings["raw"] === undefined ? false : this.#value([...place, "raw"], flag, settings["raw"]);
      const value = settings["value"] ?? "";
      const written = typeof value === "boolean" ? String(value) : value;
      return [
        {
          kind: "variable" as const,
          name,
          value: this.#value([...place, "value"], text, written) ?? "",
          raw: raw === true,
        },
      ];
    });
  }

  /** Explicit; else, if there is exactly one destination, that (galaxy.md 3.5). */
  #defaultDestination(raw: unknown, destinations: Record<string, Destination>): string {
    const ids = Object.keys(destinations);
    if (isEmpty(raw)) {
      if (ids.length > 1) {
        this.#fault(
          ["execution"],
          "default is required where there are several environments",
          `write default: ${ids[0]}`,
        );
      }
      return ids[0] ?? "local";
    }
    if (typeof raw !== "string" || !Object.hasOwn(destinations, raw)) {
      const remedy = suggestion(String(raw), ids).remedy;
      this.#fault(["execution", "default"], `there is no environment ${shownValue(raw)}`, remedy);
    }
    return String(raw);
  }

  #mapping(at: DocumentPath, raw: unknown): Record<string, unknown> {
    if (isMapping(raw)) return raw;
    this.#fault(at, `expected a map, got ${shownValue(raw)}`);
    return {};
  }

  #value<T>(at: DocumentPath, kind: OptionKind<T>, raw: unknown): T | undefined {
    try {
      return kind.read(raw);
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error;
      this.#fault(at, error.message, error.remedy);
      return undefined;
    }
  }

  #fault(at: DocumentPath, message: string, remedy?: string): void {
    this.#source.fault([...this.#base, ...at], message, remedy);
  }

  #unused(at: DocumentPath): void {
    this.#warn(this.#source.describe([...this.#base, ...at], "is not used by this version"));
  }
}

function isEmpty(raw: unknown): boolean {
  return raw === undefined || raw === null || raw === "";
}
