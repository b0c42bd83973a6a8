import fs from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import path from "node:path";
import {
  controlSocketPath,
  readJsonLines,
  writeJsonLine,
  type GalaxyConfig,
  type Logger,
  type Service,
} from "@galaxy-jobs/runtime";

/** Answers questions of `galaxyctl web`: a name and what gives the answer. */
export type Answers = Readonly<Record<string, () => object | Promise<object>>>;

/**
 * The socket that `galaxyctl web` asks, for the owner of the process only. Of two generations with one data folder the newer
 * has it. A web tier without it works all the same.
 */
export class ControlSocket implements Service {
  readonly name = "control-socket";
  readonly #config: GalaxyConfig;
  readonly #logger: Logger;
  readonly #answers: Answers;
  readonly #open = new Set<Socket>();
  #server: Server | undefined;

  constructor(config: GalaxyConfig, logger: Logger, answers: Answers) {
    this.#config = config;
    this.#logger = logger;
    this.#answers = answers;
  }

  async start(): Promise<void> {
    const file = controlSocketPath(this.#config);
    // Bound under a name of its own and moved: whoever asks finds the old one or this one, and a process that ends removes
    // only its own name.
    const own = `${file}.${process.pid}`;
    const server = createServer((socket) => this.#serve(socket));
    try {
      fs.mkdirSync(path.dirname(file), { recursive: true });
      fs.rmSync(own, { force: true });
      const mask = process.umask(0o177);
      try {
        await listen(server, own);
      } finally {
        process.umask(mask);
      }
      fs.renameSync(own, file);
      this.#server = server;
    } catch (error) {
      server.close();
      this.#logger.warn("control.unavailable", { path: file, error });
    }
  }

  stop(): Promise<void> {
    this.#server?.close();
    this.#server = undefined;
    for (const socket of this.#open) socket.destroy();
    return Promise.resolve();
  }

  #serve(socket: Socket): void {
    this.#open.add(socket);
    socket.on("error", () => socket.destroy());
    socket.once("close", () => this.#open.delete(socket));
    readJsonLines(socket, ({ ask }) => {
      const answer =
        typeof ask === "string" && Object.hasOwn(this.#answers, ask) ? this.#answers[ask] : undefined;
      if (answer === undefined) writeJsonLine(socket, { error: "unknown question" });
      else
        void Promise.resolve(answer()).then(
          (told) => writeJsonLine(socket, told),
          (error: unknown) => writeJsonLine(socket, { error: String(error) }),
        );
    });
  }
}

function listen(server: Server, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(file, resolve);
  });
}
