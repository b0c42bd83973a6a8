import { signInNeeded } from "./session.ts";

/** What the server (or the lack of one) answered instead of a result. `status` is 0 when no answer came. */
export class ApiError extends Error {
  readonly status: number;
  readonly code: number | undefined;
  readonly data: unknown;

  constructor(message: string, status: number, code?: number, data?: unknown) {
    super(message);
    this.status = status;
    this.code = code;
    this.data = data;
  }
}

export interface RequestOptions {
  readonly method?: "GET" | "POST" | "PUT" | "DELETE";
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 30_000;

/** One JSON call. Throws ApiError with words for a person; a 401 (or Galaxy's 403001) also asks for signing in. */
export async function request<T>(path: string, options: RequestOptions = {}): Promise<T> {
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  const init: RequestInit = {
    method: options.method ?? "GET",
    headers: {
      accept: "application/json",
      ...(options.body === undefined ? {} : { "content-type": "application/json" }),
    },
    signal: options.signal ? AbortSignal.any([options.signal, timeout]) : timeout,
    credentials: "same-origin",
  };
  if (options.body !== undefined) init.body = JSON.stringify(options.body);
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw unreachable();
  }
  const text = await response.text();
  return readAnswer<T>(response.status, text);
}

/** Turns status and body into the result or an ApiError; shared with uploads, which are not made by fetch. */
export function readAnswer<T>(status: number, text: string): T {
  const body = parseJson(text);
  if (status >= 200 && status < 300) return body as T;
  const fields = (typeof body === "object" && body !== null ? body : {}) as {
    err_msg?: string;
    err_code?: number;
    err_data?: unknown;
  };
  if (status === 401 || fields.err_code === 403001) signInNeeded.value = true;
  throw new ApiError(fields.err_msg ?? wordsFor(status), status, fields.err_code, fields.err_data);
}

export function unreachable(): ApiError {
  const message = navigator.onLine ? "The server does not answer." : "This device is offline.";
  return new ApiError(message, 0);
}

export function wordsOf(error: unknown): string {
  return error instanceof Error && error.message !== "" ? error.message : "Something went wrong.";
}

function parseJson(text: string): unknown {
  if (text === "") return undefined;
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function wordsFor(status: number): string {
  if (status === 404) return "There is nothing here by that name.";
  if (status === 413) return "That is larger than this server accepts.";
  if (status === 429) return "Too many requests; wait a moment and try again.";
  if (status >= 502 && status <= 504) return "The server is not ready; try again in a moment.";
  return `The server answered with status ${status}.`;
}
