import { open, stat, type FileHandle } from "node:fs/promises";

/** Galaxy keeps this much of a stream in the database, cut in the middle (galaxy.md 4.9). */
const kept = 32_768;
/** Bytes of the longest UTF-8 character. */
const longestCharacter = 4;

/** A part of a stream. Positions count the bytes of the whole stream, whether it is read from its file or as the row keeps it. */
export interface StreamChunk {
  readonly text: string;
  /** Of its first byte. Beyond the position asked for where that lies in the part that the row leaves out. */
  readonly start: number;
  /** Behind its last byte: where the next chunk begins. */
  readonly end: number;
}

/** The text of a stream file for the database: its head and tail where it is long; empty where there is no file. */
export async function readStream(path: string): Promise<string> {
  // Most are empty, and to open a file takes three calls more.
  const found = await stat(path).catch(noFile);
  const file = found === undefined || found.size === 0 ? undefined : await openStream(path);
  if (file === undefined) return "";
  try {
    const { size } = await file.stat();
    if (size <= kept) return (await file.readFile()).toString("utf8");
    const half = kept / 2;
    const head = wholeCharacters(await readBytes(file, 0, half));
    const tail = fromCharacter(await readBytes(file, size - half, half));
    const out = size - head.length - tail.length;
    return `${head.toString("utf8")}${leftOut(out)}${tail.toString("utf8")}`;
  } finally {
    await file.close();
  }
}

/**
 * A part of a stream that may still grow, in whole characters.
 * @param position beyond the file's end (a new attempt has begun a new file): nothing, at the file's end. Without a file:
 *   nothing, at the position
 * @param length in bytes; up to 3 more are read to complete a character
 */
export async function readStreamChunk(path: string, position: number, length: number): Promise<StreamChunk> {
  const file = await openStream(path);
  if (file === undefined) return emptyAt(position);
  try {
    const { size } = await file.stat();
    if (length === 0 || position >= size) return emptyAt(Math.min(position, size));
    return chunkOf(await readBytes(file, position, length + longestCharacter - 1), position, length);
  } finally {
    await file.close();
  }
}

/**
 * The same part of what `readStream` kept of a stream whose job has ended. What it left out is passed over: the chunk that
 * comes after it starts where the tail does. Exact for UTF-8; of other streams the row has no bytes to count.
 */
export function storedStreamChunk(stored: string, position: number, length: number): StreamChunk {
  const { head, out, tail } = takeApart(stored);
  const tailStart = head.length + out;
  const whole = tailStart + tail.length;
  if (length === 0 || position >= whole) return emptyAt(Math.min(position, whole));
  if (position < head.length) return chunkOf(head.subarray(position), position, length);
  const start = Math.max(position, tailStart);
  return chunkOf(tail.subarray(start - tailStart), start, length);
}

function leftOut(bytes: number | string): string {
  return `\n..\n[${bytes} bytes left out]\n..\n`;
}

/** A text that was not cut may hold the same words; it is shorter than what the cut leaves. */
function takeApart(stored: string): { head: Buffer; out: number; tail: Buffer } {
  const bytes = Buffer.from(stored);
  const shortest = kept / 2 - longestCharacter;
  if (bytes.length > kept) {
    for (const match of stored.matchAll(/\n\.\.\n\[(\d+) bytes left out\]\n\.\.\n/g)) {
      const head = Buffer.from(stored.slice(0, match.index));
      const tail = bytes.subarray(head.length + Buffer.byteLength(match[0]));
      if (head.length >= shortest && tail.length >= shortest) return { head, out: Number(match[1]), tail };
    }
  }
  return { head: bytes, out: 0, tail: Buffer.alloc(0) };
}

/** @param bytes from `position` on, and 3 more than `length` where there are so many: they complete the last character */
function chunkOf(bytes: Buffer, position: number, length: number): StreamChunk {
  const aligned = fromCharacter(bytes);
  const start = position + bytes.length - aligned.length;
  const wanted = Math.min(length, aligned.length);
  const whole = wholeCharacters(aligned.subarray(0, wanted)).length;
  const completed = whole < wanted ? whole + characterLength(aligned[whole]!) : whole;
  const taken = aligned.subarray(0, completed <= aligned.length ? completed : whole);
  return { text: taken.toString("utf8"), start, end: start + taken.length };
}

function emptyAt(position: number): StreamChunk {
  return { text: "", start: position, end: position };
}

/** Without the character at the end whose last bytes are missing. */
function wholeCharacters(bytes: Buffer): Buffer {
  for (let back = 1; back < longestCharacter && back <= bytes.length; back += 1) {
    const byte = bytes[bytes.length - back]!;
    if (isContinuation(byte)) continue;
    return characterLength(byte) > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}

/** Without the rest of a character that began before. */
function fromCharacter(bytes: Buffer): Buffer {
  let start = 0;
  while (start < longestCharacter - 1 && start < bytes.length && isContinuation(bytes[start]!)) start += 1;
  return bytes.subarray(start);
}

function isContinuation(byte: number): boolean {
  return (byte & 0b1100_0000) === 0b1000_0000;
}

/** By its first byte; 1 for a byte that begins none. */
function characterLength(first: number): number {
  if (first >= 0b1111_0000) return first <= 0b1111_0100 ? 4 : 1;
  if (first >= 0b1110_0000) return 3;
  return first >= 0b1100_0010 ? 2 : 1;
}

async function openStream(path: string): Promise<FileHandle | undefined> {
  return open(path, "r").catch(noFile);
}

function noFile(error: NodeJS.ErrnoException): undefined {
  if (error.code === "ENOENT") return undefined;
  throw error;
}

async function readBytes(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const buffer = Buffer.alloc(length);
  const { bytesRead } = await file.read(buffer, 0, length, position);
  return buffer.subarray(0, bytesRead);
}
