import { Router, type Request, type Response } from "express";
import { z } from "zod";
import { requireAdmin, requireCaller, requireUser } from "./authenticate.ts";
import type { Access, Answered, Call, CallerOf, Endpoint, Method, RawAnswer } from "./endpoint.ts";
import { check, readBody, readParams } from "./read-request.ts";
import { discard, receiveForm, type ReceivedFile } from "./receive-form.ts";
import type { WebContext } from "./web-context.ts";

export interface ServedEndpoint extends Endpoint {
  readonly method: Method;
  /** With its parameters in braces: `/api/jobs/{id}`. */
  readonly path: string;
}

const nothing = z.object({});
const callers: { readonly [A in Access]: (context: WebContext, request: Request) => Promise<CallerOf[A]> } = {
  anybody: () => Promise.resolve(undefined),
  caller: requireCaller,
  user: requireUser,
  admin: requireAdmin,
};

/** All the calls of the API. What is added here is served and documented alike; there is no other way to do either. */
export class ApiRoutes {
  readonly router: Router = Router();
  readonly endpoints: ServedEndpoint[] = [];
  readonly #context: WebContext;

  constructor(context: WebContext) {
    this.#context = context;
  }

  get = this.#adder("get");
  post = this.#adder("post");
  put = this.#adder("put");
  delete = this.#adder("delete");

  #adder(method: Method) {
    return <
      A extends Access,
      R extends z.ZodType | RawAnswer,
      P extends z.ZodObject = typeof nothing,
      Q extends z.ZodObject = typeof nothing,
      B extends z.ZodType = z.ZodUndefined,
    >(
      path: string,
      endpoint: Endpoint<A, P, Q, B, R>,
      handle: (call: Call<A, P, Q, B>) => Promise<Answered<R>> | Answered<R>,
    ): void => {
      const served = { ...endpoint, method, path };
      mustNameParams(served);
      this.endpoints.push(served);
      this.router[method](path.replaceAll(/\{(\w+)\}/g, ":$1"), (request, response) =>
        this.#serve(served, request, response, handle as never),
      );
    };
  }

  async #serve(
    endpoint: ServedEndpoint,
    request: Request,
    response: Response,
    handle: (call: object) => unknown,
  ): Promise<void> {
    const caller = await callers[endpoint.access](this.#context, request);
    const params = readParams(endpoint.params ?? nothing, request);
    // The key was read by whoever asked for the caller.
    const { key: _, ...asked } = request.query;
    const query = check(endpoint.query ?? nothing, asked);
    const answer = async (body: unknown, files: readonly ReceivedFile[]) => {
      const result = await handle({ request, response, caller, params, query, body, files });
      if (isSchema(endpoint.answer)) response.json(result);
    };
    if (endpoint.form === undefined || request.is("multipart/form-data") === false) {
      await answer(endpoint.body === undefined ? undefined : readBody(endpoint.body, request), []);
      return;
    }
    const form = await receiveForm(this.#context, request);
    try {
      await answer(check(endpoint.form.fields, form.fields), form.files);
    } finally {
      await discard(form.files);
    }
  }
}

export function isSchema(answer: z.ZodType | RawAnswer): answer is z.ZodType {
  return !("contentType" in answer);
}

function mustNameParams({ path, params }: ServedEndpoint): void {
  const inPath = Array.from(path.matchAll(/\{(\w+)\}/g), (match) => match[1]!);
  const described = Object.keys(params?.shape ?? {});
  if (inPath.toSorted().join() !== described.toSorted().join())
    throw new Error(`${path}: its parameters are described as ${described.join(", ") || "none"}`);
}
