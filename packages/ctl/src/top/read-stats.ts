import { connect } from "node:net";

/** What `top` shows of the web tier: the fields of uWSGI's stats server, and ours for mules. */
export interface StatsDocument {
  readonly version: string;
  readonly pid: number;
  readonly load: number;
  readonly workers: readonly StatsWorker[];
  readonly mules?: readonly StatsChild[];
  readonly galaxy?: { readonly server_name: string; readonly phase: string; readonly started: number };
}

export interface StatsChild {
  readonly id: number;
  readonly pid: number;
  readonly status: string;
  /** Bytes. */
  readonly rss: number;
  readonly vsz: number;
  readonly respawn_count: number;
  readonly server_name?: string;
  readonly farm?: string;
}

export interface StatsWorker extends StatsChild {
  readonly requests: number;
  readonly exceptions: number;
  readonly harakiri_count: number;
  /** Bytes. */
  readonly tx: number;
  /** µs */
  readonly avg_rt: number;
}

export type StatsAddress = { readonly host: string; readonly port: number } | { readonly path: string };

const patience = 3_000;
const mostBytes = 16 * 1_048_576;

/** `host:port`, `:port` or the path of a unix socket. @throws Error for what is neither */
export function parseStatsAddress(text: string): StatsAddress {
  const match = /^(?:\[([0-9a-f:.]+)\]|([^/:]*)):(\d{1,5})$/i.exec(text);
  if (match !== null && Number(match[3]) <= 65_535)
    return { host: match[1] ?? (match[2] || "127.0.0.1"), port: Number(match[3]) };
  if (text.includes("/") || /^[\w.-]+$/.test(text)) return { path: text };
  throw new Error(`${text} is no address of a stats socket; write host:port or the path of a unix socket`);
}

/** Reads one document, as uwsgitop does. @throws Error that names the address and the remedy */
export async function readStats(address: StatsAddress): Promise<StatsDocument> {
  const place = "path" in address ? address.path : `${address.host}:${address.port}`;
  const text = await new Promise<string>((resolve, reject) => {
    const chunks: Buffer[] = [];
    let bytes = 0;
    const fail = (why: string) => {
      socket.destroy();
      reject(new Error(`cannot read the stats socket ${place}: ${why}`));
    };
    const socket = connect(address);
    socket.setTimeout(patience, () => fail("no answer"));
    socket.on("data", (chunk: Buffer) => {
      chunks.push(chunk);
      bytes += chunk.length;
      if (bytes > mostBytes) fail("more than 16 MiB came; is it one?");
    });
    socket.once("error", (error: NodeJS.ErrnoException) => fail(remedyOf(error)));
    socket.once("close", () => resolve(Buffer.concat(chunks).toString()));
  });
  try {
    const document = JSON.parse(text) as StatsDocument;
    if (Array.isArray(document.workers)) return document;
  } catch {
    // Said below.
  }
  throw new Error(`${place} does not speak like a stats socket; is it the address of the option stats?`);
}

function remedyOf(error: NodeJS.ErrnoException): string {
  if (error.code === "ENOENT" || error.code === "ECONNREFUSED")
    return "nobody listens there; is the web tier running with this option stats?";
  if (error.code === "EACCES") return "permission denied; run this as the user or group of the web tier";
  return error.message;
}
