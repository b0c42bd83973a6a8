import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { expect } from "chai";
import { errorCode, openDatabase, type Database } from "@galaxy-jobs/shared-db";
import { servers } from "../support/global-setup.ts";
import { until } from "../support/until.ts";

describe("a pool whose connections all break at once", () => {
  const relay = createServer((near) => {
    const { host, port } = servers.embedded!.address;
    const far = connect(`${host}/.s.PGSQL.${port}`);
    near.pipe(far).pipe(near);
    near.on("error", () => far.destroy()).on("close", () => far.destroy());
    far.on("error", () => near.destroy());
    open.add(near);
    near.once("close", () => open.delete(near));
  });
  const open = new Set<Socket>();
  let database: Database;

  before(async () => {
    relay.listen(0, "127.0.0.1");
    await once(relay, "listening");
    const { port } = relay.address() as AddressInfo;
    const address = { ...servers.embedded!.address, host: "127.0.0.1", port };
    database = openDatabase(address, { applicationName: "test", maxConnections: 2 });
  });
  after(async () => {
    await database.end({ timeout: 0 });
    relay.close();
  });

  it("answers each query that comes at the very moment, if only with an error, and goes on", async () => {
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
  });
});
