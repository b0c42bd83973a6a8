import type { Socket } from "node:net";

/** A peer of ours sends no longer line; more is somebody else. Characters. */
const LONGEST_LINE = 4_000_000;

/** Reads JSON values, one a line, off a socket; a peer that sends anything else is cut off. */
export function readJsonLines(socket: Socket, onValue: (value: Record<string, unknown>) => void): void {
  let rest = "";
  socket.setEncoding("utf8");
  socket.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    if (rest.length > LONGEST_LINE) socket.destroy();
    for (const line of lines) {
      const value = parse(line);
      if (value === undefined) socket.destroy();
      else if (!socket.destroyed) onValue(value);
    }
  });
}

export function writeJsonLine(socket: Socket, value: object): void {
  if (!socket.destroyed && socket.writable) socket.write(`${JSON.stringify(value)}\n`);
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
