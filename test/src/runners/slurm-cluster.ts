import { execFile, spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chown, mkdir, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { hostname } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import { repository } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";
import {
  accountingLines,
  startAccounting,
  startDatabase,
  userCalled,
  type Launch,
} from "./slurm-accounting-daemons.ts";

const execute = promisify(execFile);
const needed = ["/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/sbin/munged", "/usr/bin/sbatch"];

/** Why this machine cannot have a Slurm of its own for the tests. */
export function missingForSlurm(): string | undefined {
  const missing = needed.filter((program) => !existsSync(program));
  if (missing.length > 0) return `${missing.join(", ")} missing`;
  return process.getuid?.() === 0 ? undefined : "not root";
}

export type SlurmDaemon = "slurmctld" | "n0" | "n1" | "slurmdbd";

/** Why this machine cannot hold jobs of its own Slurm to their memory by the kernel. Debian's Slurm 22.05 needs version 1 for that. */
export function missingForCgroups(): string | undefined {
  return existsSync("/sys/fs/cgroup/memory/memory.limit_in_bytes")
    ? undefined
    : "cgroups of version 1 missing";
}

/** A Slurm of the test's own: its daemons are children of this process, everything it writes is in one folder. */
export interface SlurmTestCluster {
  readonly folder: string;
  /** What SLURM_CONF names. */
  readonly conf: string;
  /** Runs one of Slurm's commands. @returns its stdout */
  run(program: string, ...args: readonly string[]): Promise<string>;
  /** kill -9 */
  kill(daemon: SlurmDaemon): Promise<void>;
  start(daemon: SlurmDaemon): Promise<void>;
  signal(daemon: SlurmDaemon, signal: NodeJS.Signals): void;
  stop(): Promise<void>;
}

export interface SlurmTestOptions {
  /** Seconds that the controller remembers an ended job. */
  readonly minJobAge?: number;
  readonly lines?: readonly string[];
  /** With slurmdbd and its database. */
  readonly accounting?: boolean;
  /** Jobs are held to their memory by the kernel. */
  readonly cgroups?: boolean;
}

/** Two nodes of four processors and 4,000 MB; jobs have 200 MB a processor, KillWait is 2 s. */
export async function startSlurm({
  minJobAge = 60,
  lines = [],
  accounting = false,
  cgroups = false,
}: SlurmTestOptions = {}): Promise<SlurmTestCluster> {
  const folder = await traversableFolder("galaxy-slurm-");
  for (const name of ["state", "spool/n0", "spool/n1", "log", "run"])
    await mkdir(join(folder, name), { recursive: true });
  const munge = await userCalled("munge");
  await writeFile(join(folder, "munge.key"), randomBytes(1024), { mode: 0o400 });
  for (const name of ["munge.key", "run"]) await chown(join(folder, name), munge.uid, munge.gid);
  const conf = join(folder, "slurm.conf");
  const ports = [await freePort(), await freePort(), await freePort()];
  const accountingPort = await freePort();
  const storage = accounting
    ? accountingLines(folder, accountingPort)
    : ["AccountingStorageType=accounting_storage/none"];
  await writeFile(
    conf,
    slurmConf(folder, ports, minJobAge, [...storage, ...(cgroups ? byKernel : byPolling), ...lines]),
  );
  if (cgroups) await writeFile(join(folder, "cgroup.conf"), cgroupConf);
  const daemons = new Map<string, ChildProcess>();
  const env = { ...process.env, SLURM_CONF: conf };
  const launch: Launch = (name, program, args, options = {}) => {
    const child = spawn(program, args, { env, ...options, stdio: "ignore" });
    daemons.set(name, child);
    return child;
  };
  const run = async (program: string, ...args: readonly string[]) =>
    (await execute(program, args, { env, timeout: 30_000 })).stdout.trim();
  const end = async (name: string, signal: NodeJS.Signals) => {
    const child = daemons.get(name);
    daemons.delete(name);
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill(signal);
    await ended;
  };
  const signal = (name: SlurmDaemon, sent: NodeJS.Signals) => void daemons.get(name)?.kill(sent);
  const answers = () =>
    until(
      () =>
        run("scontrol", "ping").then(
          (text) => text.includes(" UP"),
          () => false,
        ),
      {
        what: "slurmctld to answer",
        deadline: 60_000,
        every: 200,
      },
    );
  const nodeIsUp = (name: string) =>
    until(
      () =>
        run("sinfo", "-h", "-n", name, "-o", "%T").then(
          (state) => /^(idle|mixed|allocated|completing)$/.test(state),
          () => false,
        ),
      { what: `node ${name} to be up`, deadline: 60_000, every: 200 },
    );
  const start = async (name: string) => {
    if (name === "slurmctld") {
      launch(name, "/usr/sbin/slurmctld", ["-D", "-f", conf]);
      await answers();
    } else if (name === "slurmdbd") {
      await startAccounting(folder, accountingPort, launch);
    } else {
      const command = ["/usr/sbin/slurmd", "-D", "-N", name, "-f", conf];
      const [program, ...args] = cgroups ? ["bash", ownCgroups, groupOf(folder, name), ...command] : command;
      launch(name, program!, args);
      await nodeIsUp(name);
    }
  };
  const stop = async () => {
    if (daemons.has("slurmctld"))
      await run("scancel", "--me", "--signal=KILL", "--full").catch(() => undefined);
    if (daemons.has("slurmctld")) await run("scancel", "--me").catch(() => undefined);
    for (const name of ["n0", "n1", "slurmctld", "slurmdbd", "mariadbd", "munged"])
      await end(name, "SIGTERM");
    if (cgroups) for (const name of ["n0", "n1"]) await removeGroups(groupOf(folder, name));
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    launch("munged", "/usr/sbin/munged", mungeArguments(folder), munge);
    await until(() => existsSync(join(folder, "run", "munge.socket")), { what: "munged", deadline: 60_000 });
    if (accounting) await startDatabase(folder, launch);
    if (accounting) await start("slurmdbd");
    await start("slurmctld");
    await start("n0");
    await start("n1");
  } catch (error) {
    await stop();
    throw error;
  }
  return { folder, conf, run, kill: (name) => end(name, "SIGKILL"), start, signal, stop };
}

/** slurmstepd ends what is over its memory. */
const byPolling = [
  "ProctrackType=proctrack/linuxproc",
  "TaskPlugin=task/none",
  "JobAcctGatherType=jobacct_gather/linux",
  "JobAcctGatherParams=OverMemoryKill",
];

const byKernel = [
  "ProctrackType=proctrack/cgroup",
  "TaskPlugin=task/cgroup",
  "JobAcctGatherType=jobacct_gather/cgroup",
];

const cgroupConf = [
  "CgroupPlugin=cgroup/v1",
  "CgroupMountpoint=/sys/fs/cgroup",
  "ConstrainRAMSpace=yes",
  "ConstrainSwapSpace=no",
  "ConstrainCores=no",
  "ConstrainDevices=no",
  "",
].join("\n");

const ownCgroups = join(repository, "test", "machines", "in-own-cgroups.sh");

/** The group of a node in each hierarchy. */
function groupOf(folder: string, node: string): string {
  return `${basename(folder)}-${node}`;
}

/** Those of a node that has ended, once the kernel has let go of its processes. */
async function removeGroups(group: string): Promise<void> {
  await until(
    async () => {
      const find = [
        "/sys/fs/cgroup",
        "-depth",
        "-type",
        "d",
        "-path",
        `*/${group}*`,
        "-exec",
        "rmdir",
        "{}",
        ";",
      ];
      await execute("find", find, { timeout: 30_000 }).catch(() => undefined);
      const left = await execute("find", [...find.slice(0, 6), "-print"], { timeout: 30_000 });
      return left.stdout.trim() === "";
    },
    { what: `the groups ${group} to be empty`, deadline: 30_000, every: 200 },
  );
}

function mungeArguments(folder: string): string[] {
  const run = join(folder, "run");
  return [
    "--force",
    "--foreground",
    `--socket=${run}/munge.socket`,
    `--key-file=${folder}/munge.key`,
    `--pid-file=${run}/munged.pid`,
    `--log-file=${run}/munged.log`,
    `--seed-file=${run}/munged.seed`,
  ];
}

/** As of now; somebody else may take it before its daemon does, which then does not start. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
    server.once("error", reject);
  });
}

function slurmConf(
  folder: string,
  [controller, ...nodes]: readonly number[],
  minJobAge: number,
  lines: readonly string[],
): string {
  return [
    "ClusterName=test",
    `SlurmctldHost=${hostname()}(127.0.0.1)`,
    `SlurmctldPort=${controller}`,
    "SlurmUser=root",
    "SlurmdUser=root",
    "AuthType=auth/munge",
    // A job that is put back into the queue may start again when the credential of its last start is over.
    `AuthInfo=socket=${folder}/run/munge.socket,cred_expire=10`,
    "CredType=cred/munge",
    "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny",
    `StateSaveLocation=${folder}/state`,
    `SlurmdSpoolDir=${folder}/spool/%n`,
    `SlurmctldPidFile=${folder}/run/slurmctld.pid`,
    `SlurmdPidFile=${folder}/run/slurmd-%n.pid`,
    `SlurmctldLogFile=${folder}/log/slurmctld.log`,
    `SlurmdLogFile=${folder}/log/slurmd-%n.log`,
    "JobAcctGatherFrequency=task=1",
    "SelectType=select/cons_tres",
    "SelectTypeParameters=CR_Core_Memory",
    "SchedulerType=sched/backfill",
    "SchedulerParameters=sched_interval=2,batch_sched_delay=0,sched_min_interval=0,defer_batch,bf_interval=1",
    "MpiDefault=none",
    "ReturnToService=2",
    "SlurmctldTimeout=30",
    "SlurmdTimeout=15",
    "InactiveLimit=0",
    "KillWait=2",
    `MinJobAge=${minJobAge}`,
    "MaxJobCount=20000",
    "SlurmdParameters=config_overrides",
    "NodeName=DEFAULT CPUs=4 RealMemory=4000 State=UNKNOWN",
    ...nodes.map((port, at) => `NodeName=n${at} NodeHostname=${hostname()} NodeAddr=127.0.0.1 Port=${port}`),
    "PartitionName=main Nodes=n[0-1] Default=YES MaxTime=1-0 DefMemPerCPU=200 State=UP OverSubscribe=NO",
    ...lines,
    "",
  ].join("\n");
}
