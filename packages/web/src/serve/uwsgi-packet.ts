import { isIP } from "node:net";
import { localPeer, plainAddress, type Peer } from "./forwarded.ts";

/** modifier1, size of the variables (16 bit, little-endian), modifier2. */
export const packetHeaderBytes = 4;

/** What cannot be a request: answered with the status, then the connection is closed. */
export class UwsgiFault extends Error {
  override readonly name = "UwsgiFault";
  readonly status: 400 | 431;

  constructor(status: 400 | 431, message: string) {
    super(message);
    this.status = status;
  }
}

/** A uwsgi request in the words of HTTP. */
export interface UwsgiRequest {
  /** Request line and headers, as a client would have sent them. */
  readonly head: string;
  /** Bytes of the body that follow the packet; `chunked`: it says by itself where it ends. */
  readonly body: number | "chunked";
  readonly peer: Peer;
}

/** @returns size of the variables @throws UwsgiFault */
export function readPacketHeader(header: Buffer, bufferBytes: number): number {
  // Other numbers are messages that ask uWSGI itself for something: caches, spoolers, code to be run.
  if (header[0] !== 0) throw new UwsgiFault(400, `modifier1 is ${header[0]}; requests have 0`);
  const size = header.readUInt16LE(1);
  if (size > bufferBytes) {
    throw new UwsgiFault(431, `the variables have ${size} bytes; buffer-size allows ${bufferBytes}`);
  }
  return size;
}

/** @throws UwsgiFault for a block that does not end where its parts end */
export function parseVariables(block: Buffer): Map<string, string> {
  const variables = new Map<string, string>();
  let offset = 0;
  const take = () => {
    if (offset + 2 > block.length) throw new UwsgiFault(400, "the variables end inside a length");
    const size = block.readUInt16LE(offset);
    const end = offset + 2 + size;
    if (end > block.length) throw new UwsgiFault(400, "the variables end inside a name or value");
    const text = block.toString("latin1", offset + 2, end);
    offset = end;
    return text;
  };
  while (offset < block.length) {
    const name = take();
    variables.set(name, take());
  }
  return variables;
}

/**
 * HTTP/1.0, since that is what a uwsgi answer is like: one request a connection, a body that ends with it, no chunks.
 * @throws UwsgiFault for variables that would not be one request line and its headers
 */
export function toRequest(variables: ReadonlyMap<string, string>): UwsgiRequest {
  const method = variables.get("REQUEST_METHOD") ?? "";
  if (!/^[A-Z][A-Z-]{0,30}$/.test(method)) throw new UwsgiFault(400, "REQUEST_METHOD is no method");
  const body = bodyOf(variables);
  const headers: string[] = [];
  for (const [name, value] of variables) {
    if (!name.startsWith("HTTP_")) continue;
    const header = name.slice("HTTP_".length).toLowerCase().replaceAll("_", "-");
    if (ofThisHop.has(header)) continue;
    if (!/^[a-z0-9-]+$/.test(header)) throw new UwsgiFault(400, "a header's name has other characters");
    headers.push(`${header}: ${headerValue(name, value)}`);
  }
  if (!variables.has("HTTP_HOST") && variables.has("SERVER_NAME"))
    headers.push(`host: ${headerValue("SERVER_NAME", variables.get("SERVER_NAME")!)}`);
  const type = variables.get("CONTENT_TYPE") ?? "";
  if (type !== "") headers.push(`content-type: ${headerValue("CONTENT_TYPE", type)}`);
  if (body === "chunked") headers.push("transfer-encoding: chunked");
  else if (body > 0 || variables.get("CONTENT_LENGTH") === "0") headers.push(`content-length: ${body}`);
  return {
    head: `${method} ${targetOf(variables)} HTTP/1.0\r\n${headers.join("\r\n")}${headers.length > 0 ? "\r\n" : ""}\r\n`,
    body,
    peer: peerOf(variables),
  };
}

/** Headers between client and proxy, and those that CONTENT_LENGTH and CONTENT_TYPE stand for. */
const ofThisHop = new Set([
  "connection",
  "content-length",
  "content-type",
  "expect",
  "keep-alive",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

/** A length wins: a proxy that gives one has taken the chunks apart already. */
function bodyOf(variables: ReadonlyMap<string, string>): number | "chunked" {
  const length = variables.get("CONTENT_LENGTH") ?? "";
  if (length !== "") {
    if (!/^\d{1,15}$/.test(length)) throw new UwsgiFault(400, "CONTENT_LENGTH is no number");
    return Number(length);
  }
  const coding = variables.get("HTTP_TRANSFER_ENCODING") ?? "";
  if (coding === "") return 0;
  if (coding.toLowerCase() !== "chunked") throw new UwsgiFault(400, "HTTP_TRANSFER_ENCODING is not chunked");
  return "chunked";
}

function targetOf(variables: ReadonlyMap<string, string>): string {
  const uri = variables.get("REQUEST_URI") ?? "";
  const target = uri === "" ? fromPathInfo(variables) : uri;
  if (target === "*") return target;
  // A client that talks to a proxy may name the whole address; its host is in HTTP_HOST.
  const path = /^https?:\/\/[^/?#]*(.*)$/is.exec(target)?.[1] ?? target;
  const rooted = path.startsWith("/") ? path : path.startsWith("?") || path === "" ? `/${path}` : undefined;
  if (rooted === undefined || /[\u0000-\u0020\u007f]/.test(rooted))
    throw new UwsgiFault(400, "REQUEST_URI is no path");
  return rooted;
}

/** PATH_INFO is decoded: bytes, as latin1 here. */
function fromPathInfo(variables: ReadonlyMap<string, string>): string {
  const path = `${variables.get("SCRIPT_NAME") ?? ""}${variables.get("PATH_INFO") ?? ""}`;
  const encoded = [...Buffer.from(path, "latin1")]
    .map((byte) => {
      const character = String.fromCharCode(byte);
      return /[A-Za-z0-9\-._~!$&'()*+,;=:@/]/.test(character)
        ? character
        : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
  const query = variables.get("QUERY_STRING") ?? "";
  return `${encoded === "" ? "/" : encoded}${query === "" ? "" : `?${query}`}`;
}

function headerValue(name: string, value: string): string {
  if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(value))
    throw new UwsgiFault(400, `${name} has control characters`);
  return value;
}

function peerOf(variables: ReadonlyMap<string, string>): Peer {
  const secure =
    /^(on|1|true)$/i.test(variables.get("HTTPS") ?? "") ||
    (variables.get("REQUEST_SCHEME") ?? variables.get("UWSGI_SCHEME")) === "https";
  const address = plainAddress(variables.get("REMOTE_ADDR") ?? "");
  // nginx writes "unix:" for clients of a unix socket of its own.
  if (isIP(address) === 0) return { ...localPeer, secure };
  const port = Number(variables.get("REMOTE_PORT"));
  return { address, port: Number.isInteger(port) && port > 0 ? port : undefined, trusted: false, secure };
}
