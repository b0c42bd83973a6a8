import { z } from "zod";
import {
  createApiKey,
  createUser,
  findUser,
  findUserByKey,
  listUsers,
  revokeApiKeys,
  type UserRow,
} from "@galaxy-jobs/shared-db";
import { ApiError, codes } from "../api-error.ts";
import type { ApiRoutes } from "../api-routes.ts";
import { callerOf, isAdmin, sessionCookie } from "../authenticate.ts";
import { decodeId, userId } from "../owned.ts";
import { user as represent } from "../represent.ts";
import { userAnswer } from "../schemas/data.ts";
import { text } from "../schemas/fields.ts";
import type { Caller, WebContext } from "../web-context.ts";

const newUser = z.strictObject({
  email: z.email().max(255),
  username: z.string().regex(/^[a-z0-9][a-z0-9._-]{1,62}$/, "2 to 63 of a-z 0-9 . _ -"),
});

/** Users, their keys, and the page's session. */
export function userRoutes(api: ApiRoutes, context: WebContext): void {
  const { database, ids } = context;
  const answer = (row: UserRow) => represent(ids, row, isAdmin(context, row.email));

  api.get(
    "/api/whoami",
    {
      tag: "users",
      summary: "Who you are to this server",
      access: "anybody",
      answer: userAnswer.nullable().meta({ description: "null without a key, and with the bootstrap key." }),
    },
    async ({ request }) => {
      const user = (await callerOf(context, request))?.user;
      return user === undefined ? null : answer(user);
    },
  );

  api.get(
    "/api/users/current",
    { tag: "users", summary: "Your user", access: "user", answer: userAnswer },
    ({ caller }) => answer(caller.user),
  );

  api.get(
    "/api/users",
    { tag: "users", summary: "All users", access: "admin", answer: z.array(userAnswer) },
    async () => (await listUsers(database)).map(answer),
  );

  api.post(
    "/api/users",
    { tag: "users", summary: "Make a user", access: "admin", body: newUser, answer: userAnswer },
    async ({ body }) => {
      const made = await createUser(database, body.email, body.username);
      if (made === undefined)
        throw new ApiError(codes.conflict, "there is a user with this e-mail address or name already");
      return answer(made);
    },
  );

  api.get(
    "/api/users/{id}",
    { tag: "users", summary: "A user", access: "caller", params: userId, answer: userAnswer },
    async ({ caller, params }) => answer(await ownUser(context, caller, params.id)),
  );

  api.post(
    "/api/users/{id}/api_key",
    {
      tag: "users",
      summary: "Make a new API key; the ones before end",
      access: "caller",
      params: userId,
      answer: z.string().meta({ description: "The key. It is shown this once." }),
    },
    async ({ caller, params }) => createApiKey(database, (await ownUser(context, caller, params.id)).id),
  );

  api.delete(
    "/api/users/{id}/api_key",
    {
      tag: "users",
      summary: "End a user's API keys",
      access: "caller",
      params: userId,
      answer: z.boolean().meta({ description: "false: there was none." }),
    },
    async ({ caller, params }) => revokeApiKeys(database, (await ownUser(context, caller, params.id)).id),
  );

  api.post(
    "/api/session",
    {
      tag: "users",
      summary: "Sign the page in: the key becomes a cookie",
      access: "anybody",
      body: z.strictObject({ api_key: text(255).min(1) }),
      answer: userAnswer,
    },
    async ({ request, response, body }) => {
      const user = await findUserByKey(database, body.api_key);
      if (user === undefined) throw new ApiError(codes.badKey, "Provided API key is not valid.");
      response.cookie(sessionCookie, body.api_key, {
        httpOnly: true,
        sameSite: "strict",
        secure: request.secure,
        path: "/",
      });
      return answer(user);
    },
  );

  api.delete(
    "/api/session",
    { tag: "users", summary: "Sign the page out", access: "anybody", answer: z.literal(true) },
    ({ response }) => {
      response.clearCookie(sessionCookie, { path: "/" });
      return true as const;
    },
  );
}

/** Oneself, or for administrators anybody. @throws ApiError */
async function ownUser(context: WebContext, caller: Caller, encoded: string): Promise<UserRow> {
  const id = decodeId(context, "user", encoded);
  if (!caller.isAdmin && caller.user?.id !== id) throw new ApiError(codes.noAccess, "this is somebody else");
  const row = await findUser(context.database, id);
  if (row === undefined) throw new ApiError(codes.notFound, "there is no such user");
  return row;
}
