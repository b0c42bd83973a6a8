import { OpenAPIRegistry, OpenApiGeneratorV31, type RouteConfig } from "@asteasolutions/zod-to-openapi";
import { z } from "zod";
import { isSchema, type ServedEndpoint } from "./api-routes.ts";
import { sessionCookie } from "./authenticate.ts";
import { errorAnswer } from "./schemas/fields.ts";

export type OpenApiDocument = ReturnType<OpenApiGeneratorV31["generateDocument"]>;

/** The OpenAPI 3.1 document of the endpoints, made of what they are validated by. */
export function openApiDocument(endpoints: readonly ServedEndpoint[], release: string): OpenApiDocument {
  const registry = new OpenAPIRegistry();
  const schemes = {
    header: { type: "apiKey", in: "header", name: "x-api-key" },
    bearer: { type: "http", scheme: "bearer" },
    query: { type: "apiKey", in: "query", name: "key" },
    session: { type: "apiKey", in: "cookie", name: sessionCookie },
  } as const;
  for (const [name, scheme] of Object.entries(schemes))
    registry.registerComponent("securitySchemes", name, scheme);
  const security = Object.keys(schemes).map((name) => ({ [name]: [] }));
  for (const endpoint of endpoints) registry.registerPath(describe(endpoint, security));
  return new OpenApiGeneratorV31(registry.definitions).generateDocument({
    openapi: "3.1.0",
    info: {
      title: "galaxy-jobs",
      version: release,
      description:
        "Tools, jobs, datasets and histories in the shapes of Galaxy's API. Without single_user a key is needed for most calls.",
    },
    servers: [{ url: "/" }],
  });
}

function describe(endpoint: ServedEndpoint, security: Record<string, never[]>[]): RouteConfig {
  const { method, path, tag, summary, description, access, params, query } = endpoint;
  return {
    method,
    path,
    operationId: `${method}${path.replaceAll(/[^A-Za-z0-9]+/g, "_").replace(/_$/, "")}`,
    tags: [tag],
    summary,
    ...(description === undefined ? {} : { description }),
    ...(access === "anybody" ? { security: [] } : { security }),
    request: {
      ...(params === undefined ? {} : { params }),
      ...(query === undefined ? {} : { query }),
      ...bodyOf(endpoint),
    },
    responses: responsesOf(endpoint),
  };
}

function bodyOf({ body, form }: ServedEndpoint) {
  if (body === undefined) return {};
  const content: Record<string, { schema: z.ZodType }> = { "application/json": { schema: body } };
  if (form !== undefined) {
    const file = z.any().optional().meta({ type: "string", format: "binary" });
    content["multipart/form-data"] = { schema: form.fields.extend({ [form.file]: file }) };
  }
  // An empty body stands for an empty object.
  return { body: { content, required: !body.safeParse({}).success } };
}

function responsesOf(endpoint: ServedEndpoint): RouteConfig["responses"] {
  const { answer, access, params, query, body, statuses = {} } = endpoint;
  const content = isSchema(answer)
    ? { "application/json": { schema: answer } }
    : { [answer.contentType]: { schema: z.string() } };
  const success = isSchema(answer) ? (answer.description ?? "Done") : answer.description;
  const fault = (words: string) => ({
    description: words,
    content: { "application/json": { schema: errorAnswer } },
  });
  const faults: Record<string, string> = {
    ...((params ?? query ?? body) ? { 400: "Something in the request is wrong; err_msg says what." } : {}),
    ...(access === "anybody"
      ? {}
      : { 401: "The key is wrong.", 403: "A key is needed, or it has no access." }),
    ...(params === undefined ? {} : { 404: "There is no such thing." }),
    ...(body === undefined ? {} : { 413: "The body is too large.", 415: "The body is of another type." }),
    default: "Anything else that went wrong",
  };
  return {
    ...Object.fromEntries(Object.entries(faults).map(([status, words]) => [status, fault(words)])),
    ...Object.fromEntries(
      Object.entries(statuses).map(([status, words]) => [
        status,
        Number(status) >= 400 && !isSchema(answer) ? fault(words) : { description: words, content },
      ]),
    ),
    200: { description: success, content },
  };
}
