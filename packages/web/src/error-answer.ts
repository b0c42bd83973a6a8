import { randomUUID } from "node:crypto";
import type { Request } from "express";
import { isConnectionError } from "@galaxy-jobs/shared-db";
import type { z } from "zod";
import { ApiError, codes } from "./api-error.ts";
import type { errorAnswer } from "./schemas/fields.ts";
import type { WebContext } from "./web-context.ts";

/** What a client is told of an error. What is not meant for clients stays in the log under an id. */
export function errorAnswerOf(
  { logger }: Pick<WebContext, "logger">,
  error: unknown,
  request: Request,
): { readonly status: number; readonly body: z.infer<typeof errorAnswer> } {
  const known = toApiError(error);
  if (known !== undefined) {
    const data = known.data === undefined ? {} : { err_data: known.data };
    return { status: known.status, body: { err_msg: known.message, err_code: known.code, ...data } };
  }
  const id = randomUUID();
  logger.error("web.error", { id, method: request.method, path: request.originalUrl.split("?")[0], error });
  const message = `an internal error; the administrator finds it in the log as ${id}`;
  return { status: 500, body: { err_msg: message, err_code: codes.internal } };
}

function toApiError(error: unknown): ApiError | undefined {
  if (error instanceof ApiError) return error;
  if (isConnectionError(error))
    return new ApiError(codes.unavailable, "the database does not answer at the moment; try again soon");
  const { type, status, message } = error as { type?: string; status?: number; message?: string };
  if (type === "entity.parse.failed")
    return new ApiError(codes.invalid, `the body is not valid JSON: ${message ?? ""}`);
  if (type === "entity.too.large")
    return new ApiError(codes.tooLarge, "the body is larger than this server accepts");
  if (status !== undefined && status >= 400 && status < 500)
    return new ApiError(status * 1000 + 1, message ?? "the request cannot be answered");
  return undefined;
}
