import { open } from "node:fs/promises";

/** Galaxy keeps this much of a stream in the database, cut in the middle (galaxy.md 4.9). */
const kept = 32_768;

/** The text of a stream file for the database: its head and tail where it is long; empty where there is no file. */
export async function readStream(path: string): Promise<string> {
  const file = await open(path, "r").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  if (file === undefined) return "";
  try {
    const { size } = await file.stat();
    if (size <= kept) return (await file.readFile()).toString("utf8");
    const half = kept / 2;
    const head = Buffer.alloc(half);
    const tail = Buffer.alloc(half);
    await file.read(head, 0, half, 0);
    await file.read(tail, 0, half, size - half);
    return `${head.toString("utf8")}\n..\n[${size - kept} bytes left out]\n..\n${tail.toString("utf8")}`;
  } finally {
    await file.close();
  }
}
