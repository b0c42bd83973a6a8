import type { Request } from "express";
import { z } from "zod";
import { ApiError, codes } from "./api-error.ts";

/** The JSON body, checked. @throws ApiError that names every fault */
export function readBody<T extends z.ZodType>(schema: T, request: Request): z.infer<T> {
  const result = schema.safeParse(request.body ?? {});
  if (result.success) return result.data;
  const faults = result.error.issues.map((issue) => ({ key: issue.path.join("."), message: issue.message }));
  throw new ApiError(
    codes.invalid,
    faults.map(({ key, message }) => (key === "" ? message : `${key}: ${message}`)).join("; "),
    Object.fromEntries(faults.map(({ key, message }) => [key, message])),
  );
}
