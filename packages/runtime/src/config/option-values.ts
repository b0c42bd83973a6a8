import { shownValue, suggestion } from "../faults.ts";
import type { Fault } from "../faults.ts";
import type { ConfigSource } from "./config-source.ts";
import { isMapping } from "./config-source.ts";
import {
  ENVIRONMENT_ONLY_NAMES,
  isUnusedGalaxyOption,
  UNUSED_GALAXY_OPTIONS,
} from "./galaxy-option-names.ts";
import { GALAXY_OPTIONS } from "./galaxy-options.ts";
import type { GalaxyOptionName, GalaxyOptionValues } from "./galaxy-options.ts";
import { WrongValue } from "./option-kinds.ts";
import type { OptionKind } from "./option-kinds.ts";

const OVERRIDE = "GALAXY_CONFIG_OVERRIDE_";
const DEFAULT = "GALAXY_CONFIG_";

/** The options of `galaxy:` after the environment had its say, and where each one was set, for faults found later. */
export interface ReadOptions {
  readonly values: GalaxyOptionValues;
  /** A fault for each key of the file that is no option, by key. A job_conf may still ask for it (`from_config`). */
  readonly unknown: ReadonlyMap<string, Fault>;
  /** A fault about this option, at the place where it was set (at the section, if it was not). */
  fault(name: GalaxyOptionName, message: string, remedy?: string): Fault;
}

/**
 * Reads the options of the section `galaxy:`. GALAXY_CONFIG_OVERRIDE_<KEY> wins over the file, the file over
 * GALAXY_CONFIG_<KEY>. An option that is set to nothing (`key:`) has its default.
 */
export function readGalaxyOptions(
  source: ConfigSource | undefined,
  env: Readonly<Record<string, string | undefined>>,
  report: (fault: Fault) => void,
  warn: (fault: Fault) => void,
): ReadOptions {
  const values: Record<string, unknown> = {};
  const setBy = new Map<string, string>();
  const inFile = galaxySection(source);
  const { overrides, defaults } = fromEnvironment(env, report, warn);
  const unused: string[] = [];
  const unknown = new Map<string, Fault>();

  function take(name: string, raw: unknown, variable: string | undefined): void {
    if (raw === null || raw === undefined) return;
    if (variable !== undefined) setBy.set(name, variable);
    else setBy.delete(name);
    try {
      const kind: OptionKind<unknown> = GALAXY_OPTIONS[name as GalaxyOptionName];
      values[name] = kind.read(raw);
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error;
      report(fault(name, error.message, error.remedy));
    }
  }

  function fault(name: string, message: string, remedy?: string): Fault {
    const variable = setBy.get(name);
    if (variable === undefined && source !== undefined)
      return source.describe(["galaxy", name], message, remedy);
    return { key: variable ?? `galaxy.${name}`, message, ...(remedy === undefined ? {} : { remedy }) };
  }

  for (const [name, raw] of Object.entries(inFile)) {
    if (Object.hasOwn(GALAXY_OPTIONS, name)) {
      if (!overrides.has(name)) take(name, raw, undefined);
    } else if (isUnusedGalaxyOption(name)) unused.push(name);
    else if (source !== undefined) {
      const known = [...Object.keys(GALAXY_OPTIONS), ...UNUSED_GALAXY_OPTIONS];
      unknown.set(name, source.describe(["galaxy", name], "unknown key", suggestion(name, known).remedy));
    }
  }
  for (const [name, { variable, value }] of overrides) take(name, value, variable);
  for (const [name, { variable, value }] of defaults) {
    const given = overrides.has(name) || (inFile[name] !== undefined && inFile[name] !== null);
    if (!given) take(name, value, variable);
  }
  if (unused.length > 0 && source !== undefined) {
    warn(
      source.describe(
        ["galaxy"],
        `options of Galaxy that are not used by this version: ${unused.join(", ")}`,
      ),
    );
  }
  return { values: values as GalaxyOptionValues, unknown, fault };
}

type FromEnvironment = Map<string, { variable: string; value: string }>;

function fromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
  report: (fault: Fault) => void,
  warn: (fault: Fault) => void,
): { overrides: FromEnvironment; defaults: FromEnvironment } {
  const overrides: FromEnvironment = new Map();
  const defaults: FromEnvironment = new Map();
  for (const [variable, value] of Object.entries(env)) {
    if (!variable.startsWith(DEFAULT) || value === undefined) continue;
    const isOverride = variable.startsWith(OVERRIDE);
    const prefix = isOverride ? OVERRIDE : DEFAULT;
    const name = variable.slice(prefix.length).toLowerCase();
    if (Object.hasOwn(GALAXY_OPTIONS, name))
      (isOverride ? overrides : defaults).set(name, { variable, value });
    else if (isUnusedGalaxyOption(name)) warn({ key: variable, message: "is not used by this version" });
    else if (!ENVIRONMENT_ONLY_NAMES.has(name)) {
      const known = Object.keys(GALAXY_OPTIONS).map((option) => prefix + option.toUpperCase());
      const unknown = {
        key: variable,
        message: `there is no option ${name}`,
        ...suggestion(variable, known),
      };
      // A default for an option of another version may well be around; an override is meant for this process.
      if (isOverride) report(unknown);
      else warn(unknown);
    }
  }
  return { overrides, defaults };
}

function galaxySection(source: ConfigSource | undefined): Record<string, unknown> {
  const section = isMapping(source?.document.value) ? source.document.value["galaxy"] : undefined;
  if (source === undefined || section === undefined || section === null) return {};
  if (isMapping(section)) return section;
  source.fault(["galaxy"], `expected a map of options, got ${shownValue(section)}`);
  return {};
}
