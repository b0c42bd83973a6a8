import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TLSSocket } from "node:tls";
import { expect } from "chai";
import { errorCode, openDatabase, type Database, type DatabaseAddress } from "@galaxy-jobs/shared-db";
import { hasOpenssl, makeCertificate } from "../support/certificate.ts";
import { servers } from "../support/global-setup.ts";
import { until } from "../support/until.ts";

/** Between the pool and the server, which shows it the connections as the pool has made them. */
class Relay {
  readonly open = new Set<Socket>();
  readonly #server: Server;

  /** @param secure what of the client's connection goes to the server; undefined: all, as it comes */
  constructor(secure?: (near: Socket) => Promise<Socket>) {
    this.#server = createServer((near) => {
      this.open.add(near);
      near.on("error", () => undefined).once("close", () => this.open.delete(near));
      if (secure === undefined) pass(near, near);
      else
        secure(near).then(
          (inner) => pass(near, inner),
          () => near.destroy(),
        );
    });
  }

  async start(over: Partial<DatabaseAddress> = {}): Promise<DatabaseAddress> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    const { port } = this.#server.address() as AddressInfo;
    return { ...servers.embedded!.address, host: "127.0.0.1", port, ...over };
  }

  stop(): void {
    this.#server.close();
    for (const socket of this.open) socket.destroy();
  }
}

function pass(near: Socket, inner: Socket): void {
  const { host, port } = servers.embedded!.address;
  const far = connect(`${host}/.s.PGSQL.${port}`);
  inner.pipe(far).pipe(inner);
  inner.on("error", () => far.destroy()).on("close", () => far.destroy());
  near.once("close", () => far.destroy());
  far.on("error", () => near.destroy()).on("close", () => near.destroy());
}

/** A pool of two connections, broken again and again. */
async function breakAgainAndAgain(database: Database, open: ReadonlySet<Socket>): Promise<void> {
  for (let round = 0; round < 20; round += 1) {
    await Promise.all([database`select 1`, database`select 1`]);
    const outcome = (query: Promise<unknown>) =>
      query.then(
        () => "answered",
        (error: unknown) => errorCode(error),
      );
    const again: Promise<string | undefined>[] = [];
    const broken = Array.from({ length: 4 }, () =>
      outcome(database`select pg_sleep(60)`).then((code) => {
        again.push(outcome(database`select 1`));
        return code;
      }),
    );
    await until(() => open.size === 2, { what: "both connections to be there", deadline: 10_000 });
    for (const socket of open) socket.resetAndDestroy();
    expect(await Promise.all(broken)).to.have.members(Array(4).fill("ECONNRESET"));
    const codes = await Promise.all(again);
    expect(codes.filter((code) => code !== "ECONNRESET" && code !== "answered")).to.deep.equal([]);
  }
  expect((await database`select 1 as one`)[0]).to.deep.equal({ one: 1 });
}

const options = { applicationName: "test", maxConnections: 2 };

describe("a pool whose connections all break at once", () => {
  const relay = new Relay();
  let database: Database;

  before(async () => {
    database = openDatabase(await relay.start(), options);
  });
  after(async () => {
    await database.end({ timeout: 0 });
    relay.stop();
  });

  it("answers each query that comes at the very moment, if only with an error, and goes on", () =>
    breakAgainAndAgain(database, relay.open));
});

describe("a pool whose connections have TLS", () => {
  const folder = mkdtempSync(join(tmpdir(), "galaxy-test-tls-"));
  const relays: Relay[] = [];
  const pools: Database[] = [];

  before(function () {
    if (!hasOpenssl()) this.skip();
  });
  after(async () => {
    for (const pool of pools) await pool.end({ timeout: 0 });
    for (const relay of relays) relay.stop();
    rmSync(folder, { recursive: true });
  });

  /** @param answer to the question for TLS */
  async function openThrough(
    ssl: DatabaseAddress["ssl"],
    answer = "S",
    host = "127.0.0.1",
  ): Promise<{ database: Database; relay: Relay }> {
    const { certificate, key } = makeCertificate(folder, "localhost");
    const secrets = { cert: readFileSync(certificate), key: readFileSync(key) };
    const relay = new Relay(async (near) => {
      const [question] = (await once(near, "data")) as [Buffer];
      expect(question.toString("hex")).to.equal("0000000804d2162f");
      near.write(answer);
      return answer === "S" ? new TLSSocket(near, { ...secrets, isServer: true }) : near;
    });
    relays.push(relay);
    const address = await relay.start({ ...(ssl === undefined ? {} : { ssl }), host });
    const database = openDatabase(address, { ...options, connectTimeout: 2 });
    pools.push(database);
    return { database, relay };
  }

  const failure = (query: Promise<unknown>) =>
    query.then(
      () => "answered",
      (error: Error) => error.message,
    );

  it("answers each query in the moment when they break, too", async () => {
    const { database, relay } = await openThrough("require");
    await breakAgainAndAgain(database, relay.open);
  });

  it("goes on in the clear only where that is allowed", async () => {
    const { database: relaxed } = await openThrough("prefer", "N");
    expect((await relaxed`select 1 as one`)[0]).to.deep.equal({ one: 1 });
    const { database: strict } = await openThrough("require", "N");
    expect(await failure(strict`select 1`))
      .to.contain("offers no TLS")
      .and.to.contain("sslmode=require");
  });

  it("asks who the server is where it shall", async () => {
    const { database } = await openThrough("verify-full", "S", "localhost");
    expect(await failure(database`select 1`)).to.match(/self.signed certificate/);
  });

  it("tells of a server that says nothing, and of one that is not there", async () => {
    const { database: silent } = await openThrough("require", "");
    expect(await failure(silent`select 1`)).to.match(/did not answer|CONNECT_TIMEOUT/);
    const { database: gone, relay } = await openThrough("require");
    relay.stop();
    expect(await failure(gone`select 1`)).to.contain("ECONNREFUSED");
  });
});
