import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";
import type { Sql } from "./sql.ts";

/** What an id names; ids of different kinds never decode as each other. */
export type IdKind = "job" | "history" | "dataset" | "user" | "api_key";

/**
 * Opaque ids as in Galaxy's API (galaxy.md 6.1): lower-case hex that gives neither the row number nor its neighbours away.
 * One AES block under a key for each kind; its second half is zero before encryption, so that a made-up id does not decode.
 */
export class IdEncoder {
  readonly #secret: string;
  readonly #keys = new Map<IdKind, Buffer>();

  constructor(secret: string) {
    this.#secret = secret;
  }

  /** @returns 32 hex digits */
  encode(kind: IdKind, id: number): string {
    const block = Buffer.alloc(16);
    block.writeBigUInt64BE(BigInt(id));
    const cipher = createCipheriv("aes-128-ecb", this.#key(kind), null).setAutoPadding(false);
    return Buffer.concat([cipher.update(block), cipher.final()]).toString("hex");
  }

  /** @returns the row id, or undefined for anything that this instance never encoded */
  decode(kind: IdKind, encoded: string): number | undefined {
    if (!/^[0-9a-f]{32}$/.test(encoded)) return undefined;
    const decipher = createDecipheriv("aes-128-ecb", this.#key(kind), null).setAutoPadding(false);
    const block = Buffer.concat([decipher.update(Buffer.from(encoded, "hex")), decipher.final()]);
    const id = block.readBigUInt64BE(0);
    return block.readBigUInt64BE(8) === 0n && id > 0n && id <= BigInt(Number.MAX_SAFE_INTEGER)
      ? Number(id)
      : undefined;
  }

  #key(kind: IdKind): Buffer {
    let key = this.#keys.get(kind);
    if (key === undefined) {
      key = createHash("sha256").update(`${kind}\0${this.#secret}`).digest().subarray(0, 16);
      this.#keys.set(kind, key);
    }
    return key;
  }
}

/**
 * The encoder that every process of an instance shares.
 * @param configured `id_secret` of galaxy.yml; without it a random secret is made once and kept in the database
 */
export async function loadIdEncoder(sql: Sql, configured?: string): Promise<IdEncoder> {
  if (configured !== undefined) return new IdEncoder(configured);
  await sql`
    insert into instance_setting (name, value) values ('id_secret', ${randomBytes(32).toString("hex")})
    on conflict (name) do nothing`;
  const [row] = await sql<{ value: string }[]>`select value from instance_setting where name = 'id_secret'`;
  return new IdEncoder(row!.value);
}
