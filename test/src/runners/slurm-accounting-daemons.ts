import { execFile, type ChildProcess, type SpawnOptions } from "node:child_process";
import { existsSync } from "node:fs";
import { chown, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { until } from "../support/until.ts";

const execute = promisify(execFile);
const needed = ["/usr/sbin/slurmdbd", "/usr/sbin/mariadbd", "/usr/bin/mariadb-install-db"];

/** Why this machine cannot have the accounting of a Slurm of its own. */
export function missingForAccounting(): string | undefined {
  const missing = needed.filter((program) => !existsSync(program));
  return missing.length > 0 ? `${missing.join(", ")} missing` : undefined;
}

export type Launch = (
  name: string,
  program: string,
  args: readonly string[],
  options?: SpawnOptions,
) => ChildProcess;

/** What slurm.conf says where there is accounting. */
export function accountingLines(folder: string, port: number): string[] {
  return [
    "AccountingStorageType=accounting_storage/slurmdbd",
    "AccountingStorageHost=127.0.0.1",
    `AccountingStoragePort=${port}`,
    `AccountingStoragePass=${folder}/run/munge.socket`,
    "AccountingStorageEnforce=associations,limits,qos",
    "AccountingStoreFlags=job_comment",
  ];
}

/** mariadbd on a unix socket, as the user `mysql`; whoever is root on this machine is root there. */
export async function startDatabase(folder: string, launch: Launch): Promise<void> {
  const home = join(folder, "mariadb");
  await mkdir(home);
  const { uid, gid } = await userCalled("mysql");
  await chown(home, uid, gid);
  const common = ["--no-defaults", "--user=mysql", `--datadir=${home}/data`];
  await execute("mariadb-install-db", [...common, "--skip-test-db", "--skip-name-resolve"], {
    timeout: 60_000,
  });
  launch("mariadbd", "/usr/sbin/mariadbd", [
    ...common,
    `--socket=${socketOf(folder)}`,
    `--pid-file=${home}/pid`,
    "--skip-networking",
    "--innodb-buffer-pool-size=64M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-lock-wait-timeout=900",
  ]);
  await until(
    () =>
      execute("mariadb", ["--no-defaults", "-S", socketOf(folder), "-e", "select 1"], {
        timeout: 5_000,
      }).then(
        () => true,
        () => false,
      ),
    { what: "mariadbd to answer", deadline: 60_000, every: 100 },
  );
}

/** slurmdbd, and in it the cluster `test` with the account `lab` of root. Called again after it was killed: only the daemon. */
export async function startAccounting(folder: string, port: number, launch: Launch): Promise<void> {
  const conf = join(folder, "slurmdbd.conf");
  const isNew = !existsSync(conf);
  if (isNew) await writeFile(conf, slurmdbdConf(folder, port), { mode: 0o600 });
  // libmariadb asks the environment for its socket when its host is localhost.
  const env = { ...process.env, SLURM_CONF: join(folder, "slurm.conf"), MYSQL_UNIX_PORT: socketOf(folder) };
  launch("slurmdbd", "/usr/sbin/slurmdbd", ["-D"], { env });
  const manage = (...args: readonly string[]) =>
    execute("sacctmgr", ["-i", ...args], { env, timeout: 30_000 });
  await until(
    () =>
      manage("show", "cluster", "-n").then(
        () => true,
        () => false,
      ),
    { what: "slurmdbd to answer", deadline: 60_000, every: 200 },
  );
  if (!isNew) return;
  await manage("add", "cluster", "test");
  await manage("add", "account", "lab", "Description=x", "Organization=y");
  await manage("add", "user", "root", "Account=lab");
}

function socketOf(folder: string): string {
  return join(folder, "mariadb", "socket");
}

export async function userCalled(name: string): Promise<{ uid: number; gid: number }> {
  const users = await readFile("/etc/passwd", "utf8");
  const [, uid, gid] = new RegExp(`^${name}:[^:]*:(\\d+):(\\d+):`, "m").exec(users)!;
  return { uid: Number(uid), gid: Number(gid) };
}

function slurmdbdConf(folder: string, port: number): string {
  return [
    "AuthType=auth/munge",
    `AuthInfo=socket=${folder}/run/munge.socket`,
    "DbdHost=localhost",
    "DbdAddr=127.0.0.1",
    `DbdPort=${port}`,
    "SlurmUser=root",
    "StorageType=accounting_storage/mysql",
    "StorageHost=localhost",
    "StorageUser=root",
    "StorageLoc=slurm_acct_db",
    `LogFile=${folder}/log/slurmdbd.log`,
    `PidFile=${folder}/run/slurmdbd.pid`,
    "",
  ].join("\n");
}
