import type { RuleFault } from "./dynamic-rule.ts";
import type { CleanupJob } from "./galaxy-config.ts";
import { duration } from "./job-config/limits.ts";
import { choice, flag, number, text, WrongValue } from "./option-kinds.ts";

/** The parameters of a destination that mean something to the handler itself; the rest go to the runner (galaxy.md 3.5). */
export interface DestinationSettings {
  /** GALAXY_SLOTS where no cluster says it; default 1. */
  readonly localSlots: number;
  /** True: a fresh `tmp` in the run directory; a text: an expression of the shell for the path; undefined: `tmp` as it is. */
  readonly tmpDir?: true | string;
  /** Overrules galaxy.yml. */
  readonly cleanupJob?: CleanupJob;
  readonly requireContainer: boolean;
  /** Ours: seconds that a run may take there, whatever its runner; takes the place of the limit of job_conf. */
  readonly walltime?: number;
}

const cleanupJob = choice(["always", "onsuccess", "never"] as const);
const localSlots = number({ min: 1, max: 100_000, whole: true });

const none = { settings: { localSlots: 1, requireContainer: false }, faults: [] } as const;

/** Reads what of a destination's parameters steers the handler; what is wrong has its default and a fault. */
export function readDestinationSettings(params: Readonly<Record<string, unknown>>): {
  readonly settings: DestinationSettings;
  readonly faults: readonly RuleFault[];
} {
  if (Object.keys(params).length === 0) return none;
  const faults: RuleFault[] = [];
  const get = <T>(key: string, read: (raw: unknown) => T): T | undefined => {
    const value = Object.hasOwn(params, key) ? params[key] : undefined;
    if (value === undefined || value === null || value === "") return undefined;
    try {
      return read(value);
    } catch (error) {
      if (!(error instanceof WrongValue)) throw error;
      faults.push({
        key,
        message: error.message,
        ...(error.remedy === undefined ? {} : { remedy: error.remedy }),
      });
      return undefined;
    }
  };
  const tmpDir = get("tmp_dir", readTmpDir);
  const cleanup = get("cleanup_job", (raw) => cleanupJob.read(raw));
  const walltime = get("walltime", (raw) => duration.read(raw));
  return {
    settings: {
      localSlots: get("local_slots", (raw) => localSlots.read(raw)) ?? 1,
      ...(tmpDir === undefined || tmpDir === false ? {} : { tmpDir }),
      ...(cleanup === undefined ? {} : { cleanupJob: cleanup }),
      ...(walltime === undefined ? {} : { walltime }),
      requireContainer: get("require_container", (raw) => flag.read(raw)) ?? false,
    },
    faults,
  };
}

function readTmpDir(raw: unknown): boolean | string {
  if (typeof raw === "boolean") return raw;
  const written = text.read(raw);
  if (/[\r\n]/.test(written)) throw new WrongValue("expected true or an expression of the shell on one line");
  const word = written.trim().toLowerCase();
  return word === "true" || word === "false" ? word === "true" : written.trim();
}
