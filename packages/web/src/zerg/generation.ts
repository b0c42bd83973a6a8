import { connect, type Socket } from "node:net";
import { writeJsonLine } from "@galaxy-jobs/runtime";

/** What a generation says of itself when it attaches. */
export interface GenerationFacts {
  /** Its private socket, which the pool brings connections to. */
  readonly socket: string;
  readonly pid: number;
  readonly release: string;
  readonly directory: string;
}

/** Time that a generation has to answer the pool's first request, ms. */
const HEALTH_PATIENCE = 20_000;

/** An attached application, as the pool sees it. */
export class Generation {
  readonly number: number;
  readonly facts: GenerationFacts;
  readonly attachedAt = Date.now();
  readonly #control: Socket;
  #phase: "checking" | "ready" | "draining" = "checking";
  #connecting = 0;
  #brought = 0;

  constructor(number: number, facts: GenerationFacts, control: Socket) {
    this.number = number;
    this.facts = facts;
    this.#control = control;
  }

  get phase(): "checking" | "ready" | "draining" {
    return this.#phase;
  }

  /** Connections brought to it so far. */
  get brought(): number {
    return this.#brought;
  }

  /** Asks it for its health. @returns what is wrong; undefined: it is ready to serve */
  async check(): Promise<string | undefined> {
    const problem = await askHealth(this.facts.socket, () => (this.#brought += 1));
    if (problem !== undefined) return problem;
    this.#phase = "ready";
    writeJsonLine(this.#control, { attached: this.number });
    return undefined;
  }

  refuse(reason: string): void {
    writeJsonLine(this.#control, { refused: reason });
    this.#control.end();
  }

  /** Gets no new connections; told when all that were on their way have arrived. */
  drain(): void {
    if (this.#phase === "draining") return;
    this.#phase = "draining";
    this.#tellDrain();
  }

  /** Opens a way into it. @throws when it does not take connections */
  async open(): Promise<Socket> {
    this.#connecting += 1;
    try {
      const socket = await connectTo(this.facts.socket);
      this.#brought += 1;
      return socket;
    } finally {
      this.#connecting -= 1;
      if (this.#phase === "draining") this.#tellDrain();
    }
  }

  #tellDrain(): void {
    if (this.#connecting === 0) writeJsonLine(this.#control, { drain: true, brought: this.#brought });
  }
}

export function readFacts(value: unknown): GenerationFacts | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { socket, pid, release, directory } = value as Partial<GenerationFacts>;
  const areTexts = [socket, release, directory].every((text) => typeof text === "string");
  return areTexts && Number.isSafeInteger(pid) ? (value as GenerationFacts) : undefined;
}

function connectTo(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

function askHealth(path: string, onConnect: () => void): Promise<string | undefined> {
  return new Promise((resolve) => {
    let answer = "";
    const socket = connect(path, () => {
      onConnect();
      socket.write(
        "PROXY UNKNOWN\r\nGET /health/live HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
      );
    });
    socket.setTimeout(HEALTH_PATIENCE, () => socket.destroy(new Error("it does not answer")));
    socket.on("data", (chunk) => (answer += chunk.toString("latin1")));
    socket.once("error", (error) => resolve(error.message));
    socket.once("close", () => {
      const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1];
      resolve(status === "200" ? undefined : `it answers ${status ?? "nothing"}`);
    });
  });
}
