import { createHash, randomBytes } from "node:crypto";
import { errorCode, sqlState } from "../sqlstate.ts";
import type { Database, Sql } from "../sql.ts";

export interface UserRow {
  readonly id: number;
  readonly email: string;
  readonly username: string;
  readonly active: boolean;
  readonly deleted: boolean;
  readonly createTime: Date;
}

/** The user with this e-mail address, made when there is none. */
export async function ensureUser(sql: Sql, email: string): Promise<UserRow> {
  const found = await findUserByEmail(sql, email);
  if (found !== undefined) return found;
  const username = `${email
    .split("@")[0]!
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]/g, "-")}-${randomBytes(3).toString("hex")}`;
  await sql`insert into galaxy_user (email, username) values (${email}, ${username}) on conflict do nothing`;
  return (await findUserByEmail(sql, email))!;
}

export async function findUserByEmail(sql: Sql, email: string): Promise<UserRow | undefined> {
  const [user] = await sql<UserRow[]>`
    select id, email, username, active, deleted, create_time from galaxy_user where lower(email) = lower(${email})`;
  return user;
}

/** @returns undefined when the address or the name is taken */
export async function createUser(sql: Sql, email: string, username: string): Promise<UserRow | undefined> {
  try {
    const [user] = await sql<UserRow[]>`
      insert into galaxy_user (email, username) values (${email}, ${username})
      returning id, email, username, active, deleted, create_time`;
    return user;
  } catch (error) {
    if (errorCode(error) === sqlState.uniqueViolation) return undefined;
    throw error;
  }
}

export async function listUsers(sql: Sql): Promise<UserRow[]> {
  return sql<
    UserRow[]
  >`select id, email, username, active, deleted, create_time from galaxy_user where not deleted order by id`;
}

export async function findUser(sql: Sql, id: number): Promise<UserRow | undefined> {
  const [user] = await sql<UserRow[]>`
    select id, email, username, active, deleted, create_time from galaxy_user where id = ${id}`;
  return user;
}

/** A new key; earlier ones of the user end. It is shown once: only its hash is kept. */
export async function createApiKey(database: Database, userId: number): Promise<string> {
  const key = randomBytes(24).toString("hex");
  await database.begin(async (sql) => {
    await sql`update api_key set revoke_time = now() where user_id = ${userId} and revoke_time is null`;
    await sql`insert into api_key (user_id, key_hash, hint) values (${userId}, ${hashOf(key)}, ${key.slice(0, 6)})`;
  });
  return key;
}

/** Ends all keys of a user. @returns whether there was one */
export async function revokeApiKeys(sql: Sql, userId: number): Promise<boolean> {
  const rows = await sql`
    update api_key set revoke_time = now() where user_id = ${userId} and revoke_time is null returning id`;
  return rows.length > 0;
}

/** The user whose live key this is. */
export async function findUserByKey(sql: Sql, key: string): Promise<UserRow | undefined> {
  const [user] = await sql<UserRow[]>`
    select u.id, u.email, u.username, u.active, u.deleted, u.create_time
    from api_key k join galaxy_user u on u.id = k.user_id
    where k.key_hash = ${hashOf(key)} and k.revoke_time is null and u.active and not u.deleted`;
  return user;
}

/** Keys are long and random, so a plain hash keeps them. */
function hashOf(key: string): Buffer {
  return createHash("sha256").update(key).digest();
}
