import { connect } from "node:net";
import path from "node:path";
import type { GalaxyConfig } from "../config/galaxy-config.ts";
import { readJsonLines, writeJsonLine } from "./json-lines.ts";

/** Where the web tier of a configuration answers `galaxyctl web`. */
export function controlSocketPath(config: GalaxyConfig): string {
  return path.join(config.dataDirectory, `${config.serverName}.web.sock`);
}

/**
 * Asks one question on a socket of ours.
 * @param patience ms
 * @returns the answer; undefined when nobody listens there
 * @throws Error when the answer is an error, or none comes
 */
export function askSocket(
  file: string,
  question: object,
  patience: number,
): Promise<Record<string, unknown> | undefined> {
  return new Promise((resolve, reject) => {
    const socket = connect(file);
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer on ${file} within ${Math.round(patience / 1000)} s`));
    }, patience);
    const finish = (act: () => void): void => {
      clearTimeout(timer);
      socket.destroy();
      act();
    };
    socket.once("connect", () => writeJsonLine(socket, question));
    socket.once("error", (error: NodeJS.ErrnoException) =>
      finish(() =>
        error.code === "ENOENT" || error.code === "ECONNREFUSED"
          ? resolve(undefined)
          : reject(new Error(`cannot ask on ${file}: ${error.message}`)),
      ),
    );
    socket.once("close", () =>
      finish(() => reject(new Error(`${file}: the other side left without an answer`))),
    );
    readJsonLines(socket, (answer) =>
      finish(() =>
        typeof answer["error"] === "string" ? reject(new Error(answer["error"])) : resolve(answer),
      ),
    );
  });
}
