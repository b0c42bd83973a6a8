import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { z } from "zod";
import { ApiError, codes } from "../api-error.ts";
import type { ApiRoutes } from "../api-routes.ts";
import { openApiDocument, type OpenApiDocument } from "../openapi-document.ts";
import type { WebContext } from "../web-context.ts";

const swagger = dirname(createRequire(import.meta.url).resolve("swagger-ui-dist/package.json"));
const files = ["swagger-ui.css", "swagger-ui-bundle.js", "favicon-32x32.png"];

// The content security policy allows no script inside a page.
const page = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" />
    <title>API · galaxy-jobs</title>
    <link rel="icon" href="/api/docs/favicon-32x32.png" />
    <link rel="stylesheet" href="/api/docs/swagger-ui.css" />
  </head>
  <body>
    <div id="docs"></div>
    <script src="/api/docs/swagger-ui-bundle.js"></script>
    <script src="/api/docs/start.js"></script>
  </body>
</html>
`;
const start = `SwaggerUIBundle({ url: "/openapi.json", dom_id: "#docs", deepLinking: true });\n`;

/** The OpenAPI document and a page that shows it; nothing is fetched from elsewhere. */
export function apiDocsRoutes(api: ApiRoutes, context: WebContext): void {
  let document: OpenApiDocument | undefined;

  api.get(
    "/openapi.json",
    {
      tag: "service",
      summary: "This description, in OpenAPI 3.1",
      access: "anybody",
      answer: z.looseObject({ openapi: z.string(), paths: z.record(z.string(), z.unknown()) }),
    },
    () => {
      document ??= openApiDocument(api.endpoints, context.release);
      return document as { openapi: string; paths: Record<string, unknown> };
    },
  );

  api.get(
    "/api/docs",
    {
      tag: "service",
      summary: "This description as a page",
      access: "anybody",
      answer: { contentType: "text/html", description: "The page." },
    },
    ({ response }) => void response.type("text/html").send(page),
  );

  api.get(
    "/api/docs/{file}",
    {
      tag: "service",
      summary: "The parts of that page",
      access: "anybody",
      params: z.object({ file: z.string() }),
      answer: { contentType: "*/*", description: "A script, a style sheet or an icon." },
    },
    async ({ params: { file }, response }) => {
      if (file === "start.js") {
        response.type("text/javascript").send(start);
        return;
      }
      if (!files.includes(file)) throw new ApiError(codes.notFound, "the page has no such part");
      await new Promise<void>((resolve, reject) => {
        response.sendFile(join(swagger, file), { maxAge: "1h", dotfiles: "allow" }, (error) => {
          if (error === undefined || error === null || response.destroyed) resolve();
          else reject(error);
        });
      });
    },
  );
}
