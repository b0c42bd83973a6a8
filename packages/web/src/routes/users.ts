import { Router } from "express";
import { z } from "zod";
import { createApiKey, createUser, findUser, findUserByKey, listUsers } from "@galaxy-jobs/shared-db";
import { ApiError, codes } from "../api-error.ts";
import { callerOf, requireAdmin, requireCaller, requireUser, sessionCookie } from "../authenticate.ts";
import { decodeId } from "../owned.ts";
import { readBody } from "../read-body.ts";
import { user as represent } from "../represent.ts";
import type { WebContext } from "../web-context.ts";

const newUser = z.strictObject({
  email: z.email().max(255),
  username: z.string().regex(/^[a-z0-9][a-z0-9._-]{1,62}$/, "2 to 63 of a-z 0-9 . _ -"),
});

export function userRoutes(context: WebContext): Router {
  const router = Router();
  const { database, ids } = context;

  router.get("/api/whoami", async (request, response) => {
    const caller = await callerOf(context, request);
    if (caller === undefined && context.config.singleUser === undefined) response.json(null);
    else response.json(caller?.user === undefined ? null : represent(ids, caller.user, caller.isAdmin));
  });

  router.get("/api/users/current", async (request, response) => {
    const { user, isAdmin } = await requireUser(context, request);
    response.json(represent(ids, user, isAdmin));
  });

  router.get("/api/users", async (request, response) => {
    await requireAdmin(context, request);
    response.json(
      (await listUsers(database)).map((row) =>
        represent(ids, row, context.config.adminUsers.includes(row.email)),
      ),
    );
  });

  router.post("/api/users", async (request, response) => {
    await requireAdmin(context, request);
    const { email, username } = readBody(newUser, request);
    const made = await createUser(database, email, username);
    if (made === undefined)
      throw new ApiError(codes.conflict, "there is a user with this e-mail address or name already");
    response.json(represent(ids, made, false));
  });

  router.post("/api/users/:id/api_key", async (request, response) => {
    const caller = await requireCaller(context, request);
    const id = decodeId(context, "user", request.params.id);
    if (!caller.isAdmin && caller.user?.id !== id)
      throw new ApiError(codes.noAccess, "this is somebody else's key");
    if ((await findUser(database, id)) === undefined)
      throw new ApiError(codes.notFound, "there is no such user");
    response.json(await createApiKey(database, id));
  });

  router.post("/api/session", async (request, response) => {
    const { api_key: key } = readBody(z.object({ api_key: z.string().min(1).max(255) }), request);
    const user = await findUserByKey(database, key);
    if (user === undefined) throw new ApiError(codes.badKey, "Provided API key is not valid.");
    response.cookie(sessionCookie, key, {
      httpOnly: true,
      sameSite: "strict",
      secure: request.secure,
      path: "/",
    });
    response.json(represent(ids, user, context.config.adminUsers.includes(user.email)));
  });

  router.delete("/api/session", (_request, response) => {
    response.clearCookie(sessionCookie, { path: "/" });
    response.json(true);
  });

  return router;
}
