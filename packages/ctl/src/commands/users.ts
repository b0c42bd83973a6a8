import { createApiKey, createUser, findUserByEmail, listUsers, type Database } from "@galaxy-jobs/shared-db";
import type { Argv } from "yargs";
import { printRows } from "../output.ts";
import { withDatabase, type CommonArguments } from "../session.ts";

type CreateArguments = CommonArguments & { email: string; username?: string };
type KeyArguments = CommonArguments & { email: string };

export function userCommands(parser: Argv<CommonArguments>): Argv {
  return parser
    .command("list", "The users", {}, (args) => list(args as CommonArguments))
    .command(
      "create <email>",
      "Make a user",
      (create) =>
        create.positional("email", { type: "string", describe: "E-mail address" }).option("username", {
          type: "string",
          requiresArg: true,
          describe: "Name that others see; default: the part of the address before @",
        }),
      (args) => create(args as unknown as CreateArguments),
    )
    .command(
      "key <email>",
      "Make a new API key for a user and print it, once; the user's earlier keys end",
      (key) => key.positional("email", { type: "string", describe: "E-mail address" }),
      (args) => makeKey(args as unknown as KeyArguments),
    )
    .demandCommand(1, "users: say list, create or key");
}

async function list(args: CommonArguments): Promise<void> {
  await withDatabase(args, async (database) =>
    printRows(
      await listUsers(database),
      [
        { title: "email", value: (row) => row.email },
        { title: "username", value: (row) => row.username },
        { title: "active", value: (row) => (row.active ? "yes" : "no") },
        { title: "created", value: (row) => row.createTime },
      ],
      args.json === true,
    ),
  );
}

async function create(args: CreateArguments): Promise<void> {
  const email = checkedEmail(args.email);
  const username = checkedUsername(args.username ?? usernameOf(email), args.username !== undefined);
  await withDatabase(args, async (database) => {
    const user = await createUser(database, email, username);
    if (user === undefined) throw new Error(await whyTaken(database, email, username));
    if (args.json === true) process.stdout.write(`${JSON.stringify(user, undefined, 2)}\n`);
    else process.stdout.write(`user ${user.email} (${user.username}) is there\n`);
  });
}

async function makeKey(args: KeyArguments): Promise<void> {
  await withDatabase(args, async (database) => {
    const user = await findUserByEmail(database, args.email);
    if (user === undefined || user.deleted)
      throw new Error(`there is no user ${args.email}: make one with galaxyctl users create ${args.email}`);
    if (!user.active) throw new Error(`the user ${args.email} is not active: a key would not be accepted`);
    const key = await createApiKey(database, user.id);
    if (args.json === true)
      process.stdout.write(`${JSON.stringify({ email: user.email, key }, undefined, 2)}\n`);
    else process.stdout.write(`${key}\n`);
  });
}

async function whyTaken(database: Database, email: string, username: string): Promise<string> {
  const holder = await findUserByEmail(database, email);
  return holder === undefined
    ? `the username ${username} is taken: choose another with --username`
    : `there is a user ${holder.email} already`;
}

function checkedEmail(email: string): string {
  if (email.length > 255 || !/^[^\s@\p{Cc}]+@[^\s@\p{Cc}]+$/u.test(email))
    throw new Error(`${JSON.stringify(email)} is no e-mail address`);
  return email;
}

function checkedUsername(username: string, given: boolean): string {
  if (/^[a-z0-9._-]{1,255}$/.test(username)) return username;
  const remedy = given ? "" : ": choose one with --username";
  throw new Error(
    `${JSON.stringify(username)} is no username (small letters, digits, dot, dash and underscore)${remedy}`,
  );
}

function usernameOf(email: string): string {
  return email
    .split("@")[0]!
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]/g, "-");
}
