import { createHash, timingSafeEqual } from "node:crypto";
import type { NextFunction, Request, Response } from "express";
import { isLoopback } from "@galaxy-jobs/runtime";
import { ensureUser, findUserByKey } from "@galaxy-jobs/shared-db";
import { ApiError, codes } from "./api-error.ts";
import type { Caller, WebContext } from "./web-context.ts";

export const sessionCookie = "galaxyjobs_session";

/** Who sent the request; undefined for nobody. @throws ApiError for a key that is none */
export async function callerOf(context: WebContext, request: Request): Promise<Caller | undefined> {
  const { config, database } = context;
  const key = keyOf(request);
  if (key !== undefined) {
    if (config.bootstrapAdminApiKey !== undefined && sameText(key, config.bootstrapAdminApiKey))
      return { user: undefined, isAdmin: true };
    const user = await findUserByKey(database, key);
    if (user === undefined) throw new ApiError(codes.badKey, "Provided API key is not valid.");
    return { user, isAdmin: isAdmin(context, user.email) };
  }
  if (config.singleUser === undefined) return undefined;
  return {
    user: await ensureUser(database, config.singleUser),
    isAdmin: isAdmin(context, config.singleUser),
  };
}

/** By `admin_users`, whose letters' case does not matter. */
export function isAdmin({ config }: WebContext, email: string): boolean {
  return config.adminUsers.some((admin) => admin.toLowerCase() === email.toLowerCase());
}

/** The key that a request shows: in a header, the query or the session's cookie. */
export function keyOf(request: Request): string | undefined {
  return explicitKey(request) ?? cookieOf(request);
}

function explicitKey(request: Request): string | undefined {
  const header = request.get("x-api-key");
  if (header !== undefined && header !== "") return header;
  const bearer = /^Bearer\s+(\S+)$/i.exec(request.get("authorization") ?? "")?.[1];
  if (bearer !== undefined) return bearer;
  const query = request.query["key"];
  return typeof query === "string" && query !== "" ? query : undefined;
}

function cookieOf(request: Request): string | undefined {
  const pair = (request.get("cookie") ?? "")
    .split(/;\s*/)
    .find((part) => part.startsWith(`${sessionCookie}=`));
  return pair?.slice(sessionCookie.length + 1);
}

/** Compares without telling by its time how far two texts agree. */
function sameText(a: string, b: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(a), digest(b));
}

/**
 * Keeps other sites' pages out where the browser alone proves who asks (a single user, or the session's cookie): such a page
 * can send requests to a loopback address, also under a name of its own.
 */
export function refuseForeignPages(context: WebContext) {
  const { onlyLoopback } = context.config.web;
  return (request: Request, _response: Response, next: NextFunction): void => {
    if (explicitKey(request) !== undefined) return next();
    const host = (request.get("host") ?? "").replace(/:\d+$/, "").replace(/^\[|\]$/g, "");
    if (context.config.singleUser !== undefined && onlyLoopback && !isLoopback(host)) {
      throw new ApiError(
        codes.misdirected,
        `this server answers under its loopback address only, not as ${JSON.stringify(host)}; open http://127.0.0.1 or http://localhost`,
      );
    }
    const safe = request.method === "GET" || request.method === "HEAD" || request.method === "OPTIONS";
    const site = request.get("sec-fetch-site");
    const origin = request.get("origin");
    const foreign =
      (site !== undefined && site !== "same-origin" && site !== "none") ||
      (origin !== undefined && hostOf(origin) !== request.get("host"));
    if (!safe && foreign)
      throw new ApiError(
        codes.crossSite,
        "requests from pages of other sites need an API key in the header x-api-key",
      );
    next();
  };
}

function hostOf(origin: string): string | undefined {
  try {
    return new URL(origin).host;
  } catch {
    return undefined;
  }
}

/** @throws ApiError when nobody, or nobody with a user, asks */
export async function requireUser(context: WebContext, request: Request) {
  const caller = await requireCaller(context, request);
  if (caller.user === undefined) {
    throw new ApiError(
      codes.invalid,
      "the bootstrap key has no user of its own: make one with POST /api/users, and a key with POST /api/users/{id}/api_key",
    );
  }
  return { user: caller.user, isAdmin: caller.isAdmin };
}

export async function requireCaller(context: WebContext, request: Request): Promise<Caller> {
  const caller = await callerOf(context, request);
  if (caller === undefined)
    throw new ApiError(codes.keyNeeded, "an API key is needed: send it in the header x-api-key");
  return caller;
}

export async function requireAdmin(context: WebContext, request: Request): Promise<Caller> {
  const caller = await requireCaller(context, request);
  if (!caller.isAdmin)
    throw new ApiError(codes.adminOnly, "You must be an administrator to access this feature.");
  return caller;
}
