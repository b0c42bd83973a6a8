import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Express } from "express";
import type { GalaxyConfig, Logger, Service } from "@galaxy-jobs/runtime";

/** Requests under way get this long to end when the web tier stops, ms. */
const patience = 10_000;

/** The listening sockets of the web tier. */
export class HttpServers implements Service {
  readonly name = "http";
  readonly #app: Express;
  readonly #config: GalaxyConfig;
  readonly #logger: Logger;
  #servers: Server[] = [];

  constructor(app: Express, config: GalaxyConfig, logger: Logger) {
    this.#app = app;
    this.#config = config;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    try {
      for (const { host, port } of this.#config.web.http) await this.#listen(host, port);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  async stop(): Promise<void> {
    const servers = this.#servers;
    this.#servers = [];
    await Promise.all(servers.map(close));
  }

  async #listen(host: string, port: number): Promise<void> {
    // An upload may take as long as it takes, but headers may not (slow clients would hold sockets).
    const server = createServer(
      { requestTimeout: 0, headersTimeout: 20_000, keepAliveTimeout: 20_000 },
      this.#app,
    );
    await new Promise<void>((resolve, reject) => {
      server.once("error", (error: NodeJS.ErrnoException) => reject(explain(error, host, port)));
      server.listen(port, host, resolve);
    });
    // A socket on which nothing moves.
    server.setTimeout(300_000);
    this.#servers.push(server);
    const bound = server.address() as AddressInfo;
    const shown = bound.family === "IPv6" ? `[${bound.address}]` : bound.address;
    this.#logger.info("web.listening", { address: `http://${shown}:${bound.port}` });
  }
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => server.closeAllConnections(), patience);
    server.close(() => {
      clearTimeout(timer);
      resolve();
    });
    server.closeIdleConnections();
  });
}

function explain(error: NodeJS.ErrnoException, host: string, port: number): Error {
  const place = `${host}:${port}`;
  if (error.code === "EADDRINUSE")
    return new Error(
      `cannot listen on ${place}: another program does; stop it, or set web.http to another port`,
    );
  if (error.code === "EACCES")
    return new Error(
      `cannot listen on ${place}: ports below 1024 need privileges; choose a higher port in web.http`,
    );
  return new Error(`cannot listen on ${place}: ${error.message}`);
}
