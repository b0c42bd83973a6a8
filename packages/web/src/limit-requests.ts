import { createHash } from "node:crypto";
import type { Request, RequestHandler, Response } from "express";
import { ipKeyGenerator, rateLimit } from "express-rate-limit";
import { codes } from "./api-error.ts";
import { keyOf } from "./authenticate.ts";

const minute = 60_000;

/**
 * `rate-limit`: at most so many requests a minute from one client, which is its key or, without one, its address. Each web
 * process counts for itself. The answer beyond is 429 with Retry-After.
 * @param perMinute 0: no limit
 */
export function limitRequests(perMinute: number): RequestHandler {
  if (perMinute === 0) return (_request, _response, next) => next();
  return rateLimit({
    windowMs: minute,
    limit: perMinute,
    standardHeaders: "draft-8",
    legacyHeaders: false,
    keyGenerator: (request) => {
      const key = keyOf(request);
      // Not the key itself: counters can be dumped and logged.
      return key === undefined ? addressOf(request) : createHash("sha256").update(key).digest("base64");
    },
    handler: (_request, response) =>
      refuse(response, `more than ${perMinute} requests a minute; wait as long as Retry-After says`),
  });
}

/** Somebody who tries keys is slowed down; those with good ones are not counted. */
export function limitWrongKeys(): RequestHandler {
  return rateLimit({
    windowMs: minute,
    limit: 100,
    standardHeaders: "draft-8",
    legacyHeaders: false,
    skipSuccessfulRequests: true,
    requestWasSuccessful: (_request, response) => response.statusCode !== 401,
    keyGenerator: addressOf,
    handler: (_request, response) => refuse(response, "too many requests with a wrong key; wait a minute"),
  });
}

function refuse(response: Response, words: string): void {
  // Set by the limiter where the client's window ends; a minute is the longest it can be.
  if (!response.hasHeader("retry-after")) response.set("retry-after", String(minute / 1000));
  response.status(429).json({ err_msg: words, err_code: codes.tooManyRequests });
}

/** An IPv6 client has a whole network of addresses, so that is what counts. A unix socket's clients are one. */
function addressOf(request: Request): string {
  return request.ip === undefined || request.ip === "" ? "local" : ipKeyGenerator(request.ip);
}
