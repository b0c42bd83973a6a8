import { expect } from "chai";
import {
  listMigrations,
  migrate,
  migrationStatus,
  NewerDatabaseError,
  openDatabase,
} from "@galaxy-jobs/shared-db";
import { createDatabase } from "../support/database.ts";
import { servers } from "../support/global-setup.ts";

for (const which of ["embedded", "system"] as const) {
  describe(`migrations on the ${which} PostgreSQL`, () => {
    before(function () {
      if (servers[which] === undefined) {
        console.log("      needs PostgreSQL under /usr/lib/postgresql (package postgresql)");
        this.skip();
      }
    });

    it("are applied once when ten processes start at once", async () => {
      const empty = await createDatabase(which, { empty: true });
      const pools = Array.from({ length: 10 }, () =>
        openDatabase(empty.address, { applicationName: "racer", maxConnections: 2 }),
      );
      try {
        const applied = await Promise.all(pools.map((pool) => migrate(pool)));
        const migrations = await listMigrations();
        expect(applied.flat()).to.deep.equal(migrations.map(({ name }) => name));
        expect((await migrationStatus(empty.sql)).pending).to.deep.equal([]);
      } finally {
        await Promise.all(pools.map((pool) => pool.end()));
        await empty.drop();
      }
    });

    it("refuse a database that a newer release has migrated", async () => {
      const database = await createDatabase(which);
      try {
        await database.sql`insert into schema_migration (version, name, checksum) values (9999, '9999_future', 'x')`;
        const error = await migrate(database.sql).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).to.be.instanceOf(NewerDatabaseError);
        expect((error as Error).message)
          .to.contain("9999")
          .and.to.contain("start a release");
      } finally {
        await database.drop();
      }
    });

    it("show what is pending on an empty database without changing it", async () => {
      const empty = await createDatabase(which, { empty: true });
      try {
        const status = await migrationStatus(empty.sql);
        expect(status.current).to.equal(0);
        expect(status.pending).to.have.length(status.latest);
        expect(await empty.sql`select 1 from pg_class where relname = 'schema_migration'`).to.have.length(0);
      } finally {
        await empty.drop();
      }
    });
  });
}
