import { expect } from "chai";
import { bigintOid, openDatabase } from "@galaxy-jobs/shared-db";
import { withDatabase } from "../support/database.ts";

for (const which of ["embedded", "system"] as const) {
  describe(`arrays in the first statement of a fresh pool on the ${which} PostgreSQL`, () => {
    const database = withDatabase(which);
    const texts = [
      "plain",
      'a "quote"',
      "back\\slash",
      '\\"both\\"',
      "a,b",
      "{braces}",
      "",
      " spaces ",
      "null",
      "NULL",
      "line\nbreak",
      "ünï",
      null,
    ];
    const numbers = [0, -1, 42, Number.MAX_SAFE_INTEGER, null];

    const ask = async (first: "text" | "bigint" | "both") => {
      const fresh = openDatabase(database.address, { applicationName: "test-arrays", maxConnections: 1 });
      try {
        // The elements are read as rows: of an array in a result the driver makes "NULL" of what is null.
        const parts = {
          text: () =>
            fresh`select element as text from unnest(${fresh.array([...texts])}::text[]) as element`,
          bigint: () =>
            fresh`select element as number from unnest(${fresh.array([...numbers], bigintOid)}::bigint[]) as element`,
          both: () => fresh`
            select text, number from unnest(${fresh.array([...texts])}::text[], ${fresh.array([...numbers], bigintOid)}::bigint[])
              as elements (text, number)`,
        };
        const rows = [...(await parts[first]())];
        // The statements after it use what the driver has learnt meanwhile.
        expect([...(await parts[first]())]).to.deep.equal(rows);
        return rows;
      } finally {
        await fresh.end({ timeout: 5 });
      }
    };

    it("carry texts as they are", async () => {
      expect(await ask("text")).to.deep.equal(texts.map((text) => ({ text })));
    });

    it("carry bigints as numbers", async () => {
      expect(await ask("bigint")).to.deep.equal(numbers.map((number) => ({ number })));
    });

    it("carry both at once", async () => {
      expect(await ask("both")).to.deep.equal(
        texts.map((text, index) => ({ text, number: numbers[index] ?? null })),
      );
    });

    it("carry no elements at all", async () => {
      const fresh = openDatabase(database.address, { applicationName: "test-arrays", maxConnections: 1 });
      try {
        const rows = await fresh`select from unnest(${fresh.array([], 25)}::text[])`;
        expect(rows).to.have.length(0);
      } finally {
        await fresh.end({ timeout: 5 });
      }
    });
  });
}
