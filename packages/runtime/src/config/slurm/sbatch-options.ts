/** The options of sbatch: which short letter means which, and which take a value. Those of newer releases may be missing. */
const shortNames: Readonly<Record<string, string>> = {
  a: "array",
  A: "account",
  b: "begin",
  B: "extra-node-info",
  c: "cpus-per-task",
  C: "constraint",
  d: "dependency",
  D: "chdir",
  e: "error",
  F: "nodefile",
  G: "gpus",
  h: "help",
  H: "hold",
  i: "input",
  J: "job-name",
  k: "no-kill",
  L: "licenses",
  m: "distribution",
  M: "clusters",
  n: "ntasks",
  N: "nodes",
  o: "output",
  O: "overcommit",
  p: "partition",
  q: "qos",
  Q: "quiet",
  s: "oversubscribe",
  S: "core-spec",
  t: "time",
  u: "usage",
  v: "verbose",
  V: "version",
  w: "nodelist",
  W: "wait",
  x: "exclude",
};

const withValue = new Set(
  `account acctg-freq array batch bb bbf begin chdir cluster-constraint clusters comment constraint container container-id
  core-spec cores-per-socket cpu-freq cpus-per-gpu cpus-per-task deadline delay-boot dependency distribution error exclude export
  export-file extra extra-node-info gid gpu-bind gpu-freq gpus gpus-per-node gpus-per-socket gpus-per-task gres gres-flags hint
  input job-name kill-on-invalid-dep licenses mail-type mail-user mcs-label mem mem-bind mem-per-cpu mem-per-gpu mincpus network
  nodefile nodelist nodes ntasks ntasks-per-core ntasks-per-gpu ntasks-per-node ntasks-per-socket open-mode output partition
  power prefer priority profile qos reservation segment signal sockets-per-node switches thread-spec threads-per-core time
  time-min tmp tres-bind tres-per-task uid wait-all-nodes wckey workdir wrap`.split(/\s+/),
);

const withoutValue = new Set(
  `contiguous exclusive get-user-env help hold ignore-pbs nice no-kill no-requeue overcommit oversubscribe parsable propagate
  quiet reboot requeue share spread-job stepmgr test-only usage use-min-nodes verbose version wait`.split(
    /\s+/,
  ),
);

/** Options that would keep a job from being found again, watched or collected, with what to do instead. */
const refused: Readonly<Record<string, string>> = {
  array: "a job of Galaxy is one job of Slurm; leave --array away",
  chdir: "the job runs in its own working directory",
  workdir: "the job runs in its own working directory",
  comment: "the job is found again by its comment",
  "job-name": "the job is found again by its name",
  input: "the job's input is empty",
  output: "the job's streams are collected from its run directory",
  error: "the job's streams are collected from its run directory",
  wrap: "the command is the tool's",
  wait: "sbatch would not return before the job's end",
  "test-only": "sbatch would submit nothing",
  help: "sbatch would submit nothing",
  usage: "sbatch would submit nothing",
  version: "sbatch would submit nothing",
  uid: "the job's files belong to the handler's user",
  gid: "the job's files belong to the handler's user",
};

export interface SbatchOption {
  /** In full, without dashes. */
  readonly name: string;
  readonly value?: string;
}

export type SbatchOptions =
  | { readonly options: readonly SbatchOption[]; readonly fault?: undefined }
  | { readonly fault: string; readonly remedy?: string };

/**
 * Reads the words of a native specification as sbatch would, so that no word of it can be taken for the script to run and no
 * option of it breaks the way a job is followed.
 */
export function readSbatchOptions(words: readonly string[]): SbatchOptions {
  const options: SbatchOption[] = [];
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at]!;
    const read = word.startsWith("--") ? readLong(word) : readShort(word);
    if (read === undefined)
      return {
        fault: `${word} is no option of sbatch`,
        remedy: "write options as --name=value, with quotes around blanks",
      };
    for (const { name, value, wants } of read) {
      if (refused[name] !== undefined)
        return { fault: `--${name} cannot be used here`, remedy: refused[name] };
      if (!wants) {
        options.push({ name, ...(value === undefined ? {} : { value }) });
        continue;
      }
      at += 1;
      const next = words[at];
      if (next === undefined) return { fault: `--${name} needs a value` };
      options.push({ name, value: next });
    }
  }
  const expands = options.find(({ name, value }) => name === "dependency" && /\bexpand\b/.test(value ?? ""));
  if (expands !== undefined)
    return { fault: "--dependency=expand cannot be used here", remedy: "it would change another job's size" };
  return { options };
}

interface ReadOption extends SbatchOption {
  /** Its value is the next word. */
  readonly wants: boolean;
}

/** sbatch takes any beginning of a name that no other name has. */
function readLong(word: string): ReadOption[] | undefined {
  const [, written, value] = /^--([A-Za-z][A-Za-z0-9-]*)(?:=(.*))?$/s.exec(word) ?? [];
  if (written === undefined) return undefined;
  const known = [...withValue, ...withoutValue];
  const meant = known.filter((name) => name.startsWith(written));
  const name = known.includes(written) || meant.length !== 1 ? written : meant[0]!;
  // Of several, each of which may be meant: one that cannot be used counts.
  const bad = known.includes(name) ? undefined : meant.find((candidate) => refused[candidate] !== undefined);
  if (bad !== undefined) return [{ name: bad, wants: false }];
  if (value !== undefined) return [{ name, value, wants: false }];
  return [{ name, wants: withValue.has(name) }];
}

function readShort(word: string): ReadOption[] | undefined {
  if (!/^-[A-Za-z]/.test(word)) return undefined;
  const read: ReadOption[] = [];
  for (let at = 1; at < word.length; at += 1) {
    const name = shortNames[word[at]!];
    if (name === undefined) return undefined;
    const rest = word.slice(at + 1);
    const takes = withValue.has(name) || (name === "no-kill" && rest.startsWith("="));
    if (!takes) {
      read.push({ name, wants: false });
      continue;
    }
    read.push(rest === "" ? { name, wants: true } : { name, value: rest, wants: false });
    return read;
  }
  return read;
}
