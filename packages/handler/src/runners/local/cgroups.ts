import {
  accessSync,
  constants,
  existsSync,
  mkdirSync,
  readFileSync,
  rmdirSync,
  readdirSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";

/** The folder of this runner's groups below the handler's own group. */
const parentName = "galaxy-jobs";

interface Hierarchy {
  readonly kind: "v2" | "v1-memory";
  /** The group under which each run gets its own. */
  readonly parent: string;
}

/** What a run's groups have counted. */
export interface GroupUsage {
  readonly peakMemoryBytes?: number;
  readonly cpuSeconds?: number;
  /** Processes that the kernel ended for want of memory. */
  readonly outOfMemoryKills: number;
}

/**
 * A control group per run, where this process may make groups: below its own group (or `base`) and nowhere else. What a group can do
 * is asked of each file, since a machine can have the second version without controllers beside the first version with them.
 */
export class RunGroups {
  readonly #hierarchies: readonly Hierarchy[];

  private constructor(hierarchies: readonly Hierarchy[]) {
    this.#hierarchies = hierarchies;
  }

  /** @param base a group to use instead of the process's own, as a path inside each hierarchy */
  static probe(base: string | undefined): RunGroups {
    return new RunGroups(findHierarchies(base).filter(({ kind, parent }) => isUsable(kind, parent)));
  }

  static none(): RunGroups {
    return new RunGroups([]);
  }

  /**
   * Makes a run's groups.
   * @param memoryMb their limit, in 2^20 bytes
   * @returns their folders; none where this machine has no usable groups
   * @throws Error when a limit is asked for and cannot be set
   */
  make(name: string, memoryMb: number | undefined): string[] {
    const groups: string[] = [];
    for (const { parent } of this.#hierarchies) {
      // Other handlers, and other sites with the same job ids, may share the parent.
      const group = join(parent, `${name}-${process.pid}`);
      if (attempt(() => mkdirSync(group))) groups.push(group);
    }
    if (memoryMb === undefined) return groups;
    const limited = groups.some((group) =>
      ["memory.max", "memory.limit_in_bytes"].some((file) =>
        attempt(() => writeFileSync(join(group, file), String(memoryMb * 2 ** 20), { flag: "r+" })),
      ),
    );
    if (limited) return groups;
    removeGroups(groups);
    throw new Error(
      `the destination asks for memory_mb: ${memoryMb}, and no memory control group can be made here: remove it, or give the handler a cgroup of its own`,
    );
  }
}

/** The pids in a run's groups and the groups below them. */
export function membersOf(groups: readonly string[]): number[] {
  return groups.flatMap((group) => [
    ...(read(join(group, "cgroup.procs")) ?? "").split("\n").filter(Boolean).map(Number),
    ...membersOf(below(group)),
  ]);
}

/** Ends all processes of the groups at once, where the kernel offers that. @returns whether it does */
export function killGroups(groups: readonly string[]): boolean {
  return groups.some((group) =>
    attempt(() => writeFileSync(join(group, "cgroup.kill"), "1", { flag: "r+" })),
  );
}

export function usageOf(groups: readonly string[]): GroupUsage {
  let peak: number | undefined;
  let cpu: number | undefined;
  let kills = 0;
  for (const group of groups) {
    peak = number(read(join(group, "memory.peak")) ?? read(join(group, "memory.max_usage_in_bytes"))) ?? peak;
    cpu = field(read(join(group, "cpu.stat")), "usage_usec") ?? cpu;
    const events = read(join(group, "memory.events")) ?? read(join(group, "memory.oom_control"));
    kills += field(events, "oom_kill") ?? 0;
  }
  return {
    outOfMemoryKills: kills,
    ...(peak !== undefined && { peakMemoryBytes: peak }),
    ...(cpu !== undefined && { cpuSeconds: cpu / 1e6 }),
  };
}

/** Removes empty groups; one with processes in it stays. */
export function removeGroups(groups: readonly string[]): void {
  for (const group of groups) {
    removeGroups(below(group));
    attempt(() => rmdirSync(group));
  }
}

function findHierarchies(base: string | undefined): Hierarchy[] {
  const own = (read("/proc/self/cgroup") ?? "").split("\n").map((line) => line.split(":"));
  const mounts = (read("/proc/self/mountinfo") ?? "").split("\n").map((line) => line.split(" "));
  return mounts.flatMap((fields): Hierarchy[] => {
    const [root, mountPoint, tail] = [fields[3], fields[4], fields.slice(fields.indexOf("-") + 1)];
    const [type, , options = ""] = tail;
    const isMemory = type === "cgroup" && options.split(",").includes("memory");
    if (root === undefined || mountPoint === undefined || (type !== "cgroup2" && !isMemory)) return [];
    const path = own.find(([, controllers]) =>
      isMemory ? controllers!.split(",").includes("memory") : controllers === "",
    )?.[2];
    if (path === undefined) return [];
    const inside = root !== "/" && path.startsWith(root) ? path.slice(root.length) : path;
    return [
      { kind: isMemory ? "v1-memory" : "v2", parent: join(unescape(mountPoint), base ?? inside, parentName) },
    ];
  });
}

function isUsable(kind: Hierarchy["kind"], parent: string): boolean {
  // A colon or a tab would break the line that the launcher is told.
  if (/[:\t\n]/.test(parent)) return false;
  attempt(() => mkdirSync(parent));
  if (!attempt(() => accessSync(join(parent, "cgroup.procs"), constants.W_OK))) return false;
  const controllers = (read(join(parent, "cgroup.controllers")) ?? "").split(/\s+/);
  if (kind === "v2" && controllers.includes("memory"))
    attempt(() => writeFileSync(join(parent, "cgroup.subtree_control"), "+memory", { flag: "r+" }));
  for (const group of below(parent)) {
    const maker = /-(\d+)$/.exec(group)?.[1];
    if (maker !== undefined && !existsSync(`/proc/${maker}`)) removeGroups([group]);
  }
  return true;
}

/** mountinfo writes blanks and the like as octal numbers. */
function unescape(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));
}

function below(group: string): string[] {
  try {
    return readdirSync(group, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(group, name));
  } catch {
    return [];
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function attempt(action: () => void): boolean {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

function number(text: string | undefined): number | undefined {
  return text === undefined || !/^\d/.test(text) ? undefined : Number.parseInt(text, 10);
}

function field(text: string | undefined, name: string): number | undefined {
  return number(
    text
      ?.split("\n")
      .find((line) => line.startsWith(`${name} `))
      ?.slice(name.length + 1),
  );
}
