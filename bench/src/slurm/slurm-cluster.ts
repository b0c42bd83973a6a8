import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { Absent } from "../bench.ts";
import { mustEnd } from "../clean-up.ts";
import { temporaryFolder } from "../folder.ts";

const execute = promisify(execFile);
const needed = ["/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/sbin/munged", "/usr/bin/sbatch"];
const nodes = ["n0", "n1"];
const patience = 120_000;

/** A real Slurm of the bench's own: everything it writes is in one folder. */
export interface SlurmCluster {
  readonly folder: string;
  /** With SLURM_CONF. */
  readonly env: NodeJS.ProcessEnv;
  /** @returns stdout */
  run(program: string, args: readonly string[]): Promise<string>;
  stop(): Promise<void>;
}

/**
 * Two nodes that have room for so many jobs at once, one processor each; a second partition `probe` has the same nodes.
 * @throws Absent where there is no Slurm, or no root to start it
 */
export async function startSlurm(room: number): Promise<SlurmCluster> {
  const missing = needed.filter((program) => !existsSync(program));
  if (missing.length > 0) throw new Absent(`${missing.join(", ")} missing (Debian: slurm-wlm, munge)`);
  if (process.getuid?.() !== 0) throw new Absent("only root can start Slurm's daemons");
  const { path: folder, remove } = await temporaryFolder("slurm");
  for (const name of ["state", ...nodes.map((node) => `spool/${node}`), "log", "run"])
    await mkdir(join(folder, name), { recursive: true });
  const munge = await mungeAccount();
  await writeFile(join(folder, "munge.key"), randomBytes(1024), { mode: 0o400 });
  for (const name of ["munge.key", "run"]) await chown(join(folder, name), munge.uid, munge.gid);
  await chmod(join(folder, "run"), 0o755);
  const conf = join(folder, "slurm.conf");
  await writeFile(conf, await slurmConf(folder, room));
  const env = { ...process.env, SLURM_CONF: conf };
  const run = async (program: string, args: readonly string[]) =>
    (await execute(program, [...args], { env, timeout: patience, maxBuffer: 64 * 1024 ** 2 })).stdout.trim();
  const launch = (program: string, args: readonly string[], ids: object = {}) => {
    const child = spawn(program, args, { env, stdio: "ignore", detached: true, ...ids });
    const ended = once(child, "exit");
    return mustEnd(async () => {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
      await ended;
      clearTimeout(timer);
    });
  };
  const ends: (() => Promise<void>)[] = [];
  const stop = mustEnd(async () => {
    await run("scancel", ["--me", "--signal=KILL", "--full", "--quiet"]).catch(() => undefined);
    await run("scancel", ["--me", "--quiet"]).catch(() => undefined);
    for (let tries = 0; tries < 60 && (await anyRuns(run)); tries += 1) await sleep(500);
    for (const end of ends.toReversed()) await end();
    await remove();
  });
  try {
    ends.push(launch("/usr/sbin/munged", mungeArguments(folder), munge));
    await until("munged", () => Promise.resolve(existsSync(join(folder, "run", "munge.socket"))));
    ends.push(launch("/usr/sbin/slurmctld", ["-D", "-f", conf]));
    await until("slurmctld", async () => (await run("scontrol", ["ping"])).includes(" UP"));
    for (const node of nodes) ends.push(launch("/usr/sbin/slurmd", ["-D", "-N", node, "-f", conf]));
    for (const node of nodes)
      await until(node, async () =>
        /^(idle|mixed|allocated)$/.test(await run("sinfo", ["-h", "-n", node, "-p", "main", "-o", "%T"])),
      );
  } catch (error) {
    await stop();
    throw error;
  }
  return { folder, env, run, stop };
}

async function anyRuns(run: SlurmCluster["run"]): Promise<boolean> {
  const text = await run("squeue", ["-h", "-t", "running,completing", "-o", "%i"]).catch(() => "");
  return text !== "";
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + patience;
  while (!(await done().catch(() => false))) {
    if (performance.now() > end) throw new Error(`${what} did not start`);
    await sleep(200);
  }
}

async function mungeAccount(): Promise<{ uid: number; gid: number }> {
  const [, uid, gid] = /^munge:[^:]*:(\d+):(\d+):/m.exec(await readFile("/etc/passwd", "utf8")) ?? [];
  if (gid === undefined) throw new Absent("there is no user munge");
  return { uid: Number(uid), gid: Number(gid) };
}

function mungeArguments(folder: string): string[] {
  const run = join(folder, "run");
  const files = ["pid", "log", "seed"].map((kind) => `--${kind}-file=${run}/munged.${kind}`);
  return [
    "--force",
    "--foreground",
    `--socket=${run}/munge.socket`,
    `--key-file=${folder}/munge.key`,
    ...files,
  ];
}

async function slurmConf(folder: string, room: number): Promise<string> {
  const ports = await freePorts(nodes.length + 1);
  return [
    "ClusterName=bench",
    `SlurmctldHost=${hostname()}(127.0.0.1)`,
    `SlurmctldPort=${ports[0]}`,
    "SlurmUser=root",
    "SlurmdUser=root",
    "AuthType=auth/munge",
    `AuthInfo=socket=${folder}/run/munge.socket`,
    "CredType=cred/munge",
    "CommunicationParameters=NoCtldInAddrAny,NoInAddrAny",
    "AccountingStorageType=accounting_storage/none",
    `StateSaveLocation=${folder}/state`,
    `SlurmdSpoolDir=${folder}/spool/%n`,
    `SlurmctldPidFile=${folder}/run/slurmctld.pid`,
    `SlurmdPidFile=${folder}/run/slurmd-%n.pid`,
    `SlurmctldLogFile=${folder}/log/slurmctld.log`,
    `SlurmdLogFile=${folder}/log/slurmd-%n.log`,
    "ProctrackType=proctrack/linuxproc",
    "TaskPlugin=task/none",
    "JobAcctGatherType=jobacct_gather/none",
    "SelectType=select/cons_tres",
    "SelectTypeParameters=CR_Core",
    "SchedulerType=sched/builtin",
    "MpiDefault=none",
    "ReturnToService=2",
    "SlurmctldTimeout=60",
    "SlurmdTimeout=300",
    "InactiveLimit=0",
    "KillWait=2",
    "MinJobAge=5",
    "MaxJobCount=50000",
    "SlurmdParameters=config_overrides",
    `NodeName=DEFAULT CPUs=${Math.ceil(room / nodes.length)} RealMemory=4000 State=UNKNOWN`,
    ...nodes.map(
      (node, at) => `NodeName=${node} NodeHostname=${hostname()} NodeAddr=127.0.0.1 Port=${ports[at + 1]}`,
    ),
    "PartitionName=main Nodes=ALL Default=YES MaxTime=2-0 State=UP",
    "PartitionName=probe Nodes=ALL MaxTime=2-0 State=UP",
    "",
  ].join("\n");
}

/** As of now; somebody else may take one before its daemon does, which then does not start. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, "127.0.0.1"));
  await Promise.all(servers.map((server) => once(server, "listening")));
  const ports = servers.map((server) => (server.address() as { port: number }).port);
  for (const server of servers) server.close();
  return ports;
}
