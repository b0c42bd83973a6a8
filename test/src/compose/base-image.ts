import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { chmod, cp, copyFile, mkdir, realpath, symlink, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { promisify } from "node:util";

const execute = promisify(execFile);

/** What scripts of jobs, our Dockerfile and PostgreSQL's programs call. */
const programs =
  "sh env cat chmod chown cp cut date dirname basename echo false head id kill ln ls mkdir mkfifo mktemp mv nproc printf pwd rm rmdir " +
  "sed seq setsid flock sleep sort stat sync tail tee test touch tr true truncate uname wc grep awk ps hostname";

/** A root folder with Node, a shell and the usual programs of this machine, and the libraries that these want. */
export async function makeBaseRoot(root: string): Promise<void> {
  for (const folder of [
    "bin",
    "usr/bin",
    "usr/local/bin",
    "etc",
    "tmp",
    "proc",
    "sys",
    "dev",
    "run",
    "var/lib",
  ])
    await mkdir(join(root, folder), { recursive: true });
  await chmod(join(root, "tmp"), 0o1777);
  await writeFile(join(root, "etc/passwd"), "root:x:0:0:root:/root:/bin/sh\n");
  await writeFile(join(root, "etc/group"), "root:x:0:\n");
  const libraries = new Set<string>();
  const files = await Promise.all(programs.split(" ").map(whereIs));
  for (const file of [...files, process.execPath]) {
    if (file === undefined) continue;
    const name = file === process.execPath ? "node" : basename(file);
    await copyFile(await realpath(file), join(root, "usr/bin", name));
    const { stdout } = await execute("ldd", [file]).catch(() => ({ stdout: "" }));
    for (const [, library] of stdout.matchAll(/(\/\S+) \(0x/g)) libraries.add(library!);
  }
  const libc = [...libraries].find((library) => /\/libc\.so/.test(library))!;
  for (const name of "librt.so.1 libutil.so.1 libresolv.so.2 libnss_dns.so.2 libnss_files.so.2".split(" "))
    if (existsSync(join(dirname(libc), name))) libraries.add(join(dirname(libc), name));
  for (const library of libraries) {
    const target = join(root, library);
    await mkdir(dirname(target), { recursive: true });
    await cp(library, target, { dereference: true });
  }
  await symlink("../usr/bin/sh", join(root, "bin/sh"));
}

async function whereIs(program: string): Promise<string | undefined> {
  const found = await execute("sh", ["-c", 'PATH=/usr/bin:/bin command -v "$1"', "sh", program]).catch(
    () => undefined,
  );
  const path = found?.stdout.trim();
  return path !== undefined && path.startsWith("/") ? path : join("/usr/bin", program);
}
