import { realpathSync, statSync, type Stats } from "node:fs";
import { realpath, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import { basename, dirname, extname, join, sep } from "node:path";
import { contentType } from "mime-types";
import Negotiator from "negotiator";
import send from "send";

export interface StaticMap {
  /** Beginning of the path, with a leading slash: `/static`. */
  readonly mount: string;
  /** An absolute path: a folder, or the one file behind the mount. */
  readonly path: string;
}

export type Handler = (request: IncomingMessage, response: ServerResponse, next: () => void) => void;

interface Place {
  /** Without a trailing slash. */
  readonly prefix: string;
  /** Without symlinks: everything served lies in it. */
  readonly root: string;
  readonly isFolder: boolean;
}

interface Found {
  /** Without symlinks. */
  readonly path: string;
  readonly stats: Stats;
}

/** The precompressed forms of a file, the best first. */
const encodings = [
  { coding: "br", ending: ".br" },
  { coding: "gzip", ending: ".gz" },
] as const;

/**
 * Serves files below prefixes before the application sees the request (uWSGI's `static-map`): with ETag, ranges and the
 * compressed siblings `FILE.br` and `FILE.gz`. As in uWSGI the maps are tried in their order, and what is in none of them goes to
 * the application; a folder is served by its `index` files (`static-index`) or not at all; symlinks that lead out of the
 * folder are refused. Files are read by Node's thread pool, so that the process answers other requests meanwhile.
 * @param index names of index files, in the order in which they are tried
 * @throws Error for a file or folder that does not exist
 */
export function staticMap(maps: readonly StaticMap[], index: readonly string[] = []): Handler {
  const places = maps.map(placeOf);
  return (request, response, next) => {
    if (request.method !== "GET" && request.method !== "HEAD") return next();
    const path = decodePath(request.url ?? "");
    const candidates = path === undefined ? [] : places.filter(({ prefix }) => isBelow(path, prefix));
    if (candidates.length === 0) return next();
    serve(request, response, candidates, path!, index, next).catch((error: unknown) =>
      refuse(response, error),
    );
  };
}

function placeOf({ mount, path }: StaticMap): Place {
  if (!mount.startsWith("/")) throw new Error(`static-map ${mount}=${path}: it must begin with /`);
  try {
    const root = realpathSync(path);
    return { prefix: mount.replace(/\/+$/, ""), root, isFolder: statSync(root).isDirectory() };
  } catch (error) {
    throw new Error(`static-map ${mount}=${path}: there is no such file or folder`, { cause: error });
  }
}

function isBelow(path: string, prefix: string): boolean {
  return path === prefix || path.startsWith(`${prefix}/`);
}

/** @returns undefined for what cannot name a file */
function decodePath(url: string): string | undefined {
  try {
    const path = decodeURIComponent(url.split("?")[0]!);
    const parts = path.split("/");
    return path.startsWith("/") && !path.includes("\0") && !parts.includes("..") ? path : undefined;
  } catch {
    return undefined;
  }
}

async function serve(
  request: IncomingMessage,
  response: ServerResponse,
  places: readonly Place[],
  path: string,
  index: readonly string[],
  pass: () => void,
): Promise<void> {
  for (const place of places) {
    const rest = path.slice(place.prefix.length);
    if (!place.isFolder && rest !== "") continue;
    const found = await find(place, rest);
    if (found === undefined) continue;
    if (found.stats.isFile() && !rest.endsWith("/")) {
      await sendFile(request, response, place, found);
      return;
    }
    if (!found.stats.isDirectory()) continue;
    const page = await findIndex(place, rest, index);
    if (page === undefined) continue;
    // Without the slash, relative links of the page would miss its folder.
    if (!path.endsWith("/")) redirectToFolder(request, response);
    else await sendFile(request, response, place, page);
    return;
  }
  pass();
}

async function findIndex(place: Place, rest: string, index: readonly string[]): Promise<Found | undefined> {
  for (const name of index) {
    const page = await find(place, `${rest}/${name}`);
    if (page?.stats.isFile() === true) return page;
  }
  return undefined;
}

/** @throws Outside for a symlink that leads out of the folder */
async function find({ root }: Place, rest: string): Promise<Found | undefined> {
  // Names like .htaccess and .git are never meant for readers.
  if (rest.split("/").some((part) => part.startsWith("."))) return undefined;
  try {
    const path = await realpath(join(root, rest));
    if (path !== root && !path.startsWith(root.endsWith(sep) ? root : `${root}${sep}`)) throw new Outside();
    return { path, stats: await stat(path) };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT" || code === "ENOTDIR" || code === "ENAMETOOLONG") return undefined;
    throw error;
  }
}

class Outside extends Error {}

function redirectToFolder(request: IncomingMessage, response: ServerResponse): void {
  const [path = "", query] = (request.url ?? "").split(/\?(.*)/s);
  // Two slashes at the beginning would be another host.
  const location = `/${path.replace(/^[/\\]+/, "")}/${query === undefined ? "" : `?${query}`}`;
  response.writeHead(301, { location, "content-length": 0 }).end();
}

async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  place: Place,
  file: Found,
): Promise<void> {
  response.setHeader("x-content-type-options", "nosniff");
  const packed = await compressedSibling(request, response, place, file);
  if (packed !== undefined) {
    response.setHeader("content-encoding", packed.coding);
    response.setHeader("content-type", contentType(extname(file.path)) || "application/octet-stream");
  }
  const { path } = packed?.found ?? file;
  await new Promise<void>((resolve) => {
    response.once("close", resolve);
    send(request, encodeURIComponent(basename(path)), { root: dirname(path), dotfiles: "allow" })
      .on("error", (error: NodeJS.ErrnoException & { status?: number }) => {
        response.removeHeader("content-encoding");
        refuse(response, error);
      })
      .pipe(response);
  });
}

/** A range counts in the bytes of the file itself, so such a request gets the file itself. */
async function compressedSibling(
  request: IncomingMessage,
  response: ServerResponse,
  place: Place,
  file: Found,
): Promise<{ coding: string; found: Found } | undefined> {
  const accepted = new Negotiator(request).encodings();
  for (const { coding, ending } of encodings) {
    const found = await sibling(place, file, ending);
    if (found === undefined) continue;
    response.setHeader("vary", "accept-encoding");
    if (accepted.includes(coding) && request.headers.range === undefined) return { coding, found };
  }
  return undefined;
}

/** One that is older than its file is a leftover of an earlier release. */
async function sibling({ root }: Place, file: Found, ending: string): Promise<Found | undefined> {
  try {
    const path = await realpath(`${file.path}${ending}`);
    const stats = await stat(path);
    const inside = dirname(path) === dirname(file.path) || path.startsWith(`${root}${sep}`);
    return inside && stats.isFile() && stats.mtimeMs >= file.stats.mtimeMs ? { path, stats } : undefined;
  } catch {
    return undefined;
  }
}

function refuse(response: ServerResponse, error: unknown): void {
  if (response.headersSent) {
    response.destroy();
    return;
  }
  const { code, status, headers } = error as {
    code?: string;
    status?: number;
    headers?: Record<string, string>;
  };
  const denied = error instanceof Outside || code === "EACCES" || code === "ELOOP";
  const answered = status === 416 || status === 412 || status === 404 ? status : denied ? 403 : 500;
  const text = answered === 500 ? "The file cannot be read.\n" : `${shown[answered]}\n`;
  response.writeHead(answered, {
    ...headers,
    "content-type": "text/plain",
    "content-length": Buffer.byteLength(text),
  });
  response.end(text);
}

const shown = {
  403: "Forbidden",
  404: "Not found",
  412: "Precondition failed",
  416: "No such range",
} as const;
