import type { Request } from "express";
import type { z } from "zod";
import { ApiError, codes } from "./api-error.ts";

/** A part of a request, checked. @throws ApiError that names every fault */
export function check<T extends z.ZodType>(schema: T, value: unknown): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => ({ key: issue.path.join("."), message: issue.message }));
  throw new ApiError(
    codes.invalid,
    faults.map(({ key, message }) => (key === "" ? message : `${key}: ${message}`)).join("; "),
    Object.fromEntries(faults.map(({ key, message }) => [key, message])),
  );
}

/** The JSON body. No body is an empty object. @throws ApiError */
export function readBody<T extends z.ZodType>(schema: T, request: Request): z.output<T> {
  const unread = request.body === undefined && hasBody(request);
  if (unread)
    throw new ApiError(
      codes.unsupportedType,
      "the body must be JSON, sent with the header content-type: application/json",
    );
  return check(schema, request.body ?? {});
}

/** What the path names. @throws ApiError for anything that cannot be an id */
export function readParams<T extends z.ZodType>(schema: T, request: Request): z.output<T> {
  const result = schema.safeParse(request.params);
  if (result.success) return result.data;
  const name = String(result.error.issues[0]?.path[0]);
  throw malformedId(request.params[name]);
}

/** In Galaxy's words. */
export function malformedId(encoded: unknown): ApiError {
  return new ApiError(
    codes.malformedId,
    `Malformed id ( ${String(encoded).slice(0, 64)} ) specified, unable to decode`,
  );
}

function hasBody(request: Request): boolean {
  return request.get("transfer-encoding") !== undefined || Number(request.get("content-length") ?? 0) > 0;
}
