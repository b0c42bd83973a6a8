import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import helmet from "helmet";
import { isConnectionError } from "@galaxy-jobs/shared-db";
import { ApiError, codes } from "./api-error.ts";
import { ApiRoutes } from "./api-routes.ts";
import { refuseForeignPages } from "./authenticate.ts";
import { limitRequests, limitWrongKeys } from "./limit-requests.ts";
import { administrationRoutes } from "./routes/administration.ts";
import { apiDocsRoutes } from "./routes/api-docs.ts";
import { datasetRoutes } from "./routes/datasets.ts";
import { eventRoutes } from "./routes/events.ts";
import { handlerRoutes } from "./routes/handlers.ts";
import { historyRoutes } from "./routes/histories.ts";
import { jobControlRoutes } from "./routes/job-control.ts";
import { healthRoutes } from "./routes/health.ts";
import { jobDetailRoutes } from "./routes/job-details.ts";
import { jobSearchRoutes } from "./routes/job-search.ts";
import { jobStreamRoutes } from "./routes/job-streams.ts";
import { jobRoutes } from "./routes/jobs.ts";
import { serviceRoutes } from "./routes/service.ts";
import { toolRoutes } from "./routes/tools.ts";
import { userRoutes } from "./routes/users.ts";
import type { WebContext } from "./web-context.ts";

const page = fileURLToPath(new URL("./ui", import.meta.url));

/** The application: API, page, and one answer for whatever goes wrong. */
export function createApp(context: WebContext): Express {
  const app = express();
  app.disable("x-powered-by");
  app.set("query parser", "simple");
  // serve/forwarded.ts leaves in X-Forwarded-For nothing but one address that may be believed.
  app.set("trust proxy", 1);
  app.use(logRequests(context));
  app.use(
    helmet({
      contentSecurityPolicy: {
        directives: {
          "default-src": ["'self'"],
          "img-src": ["'self'", "data:"],
          "upgrade-insecure-requests": null,
        },
      },
      strictTransportSecurity: false,
    }),
  );
  app.use(["/api", "/openapi.json"], limitRequests(context.config.web.rateLimitPerMinute));
  app.use("/api", limitWrongKeys(), refuseForeignPages(context));
  app.use(express.json({ limit: context.config.web.maxBodyBytes }));
  const api = new ApiRoutes(context);
  for (const add of [
    toolRoutes,
    jobControlRoutes,
    jobSearchRoutes,
    jobRoutes,
    jobDetailRoutes,
    jobStreamRoutes,
    datasetRoutes,
    historyRoutes,
    userRoutes,
    eventRoutes,
    handlerRoutes,
    administrationRoutes,
    healthRoutes,
    serviceRoutes,
    apiDocsRoutes,
  ])
    add(api, context);
  app.use(api.router);
  app.use(["/api", "/health"], (request) => {
    throw new ApiError(codes.notFound, `there is no ${request.method} ${request.originalUrl.split("?")[0]}`);
  });
  servePage(app);
  app.use(answerError(context));
  return app;
}

function servePage(app: Express): void {
  app.use(
    "/assets",
    express.static(join(page, "assets"), { immutable: true, maxAge: "1y", fallthrough: false }),
  );
  app.use(express.static(page, { index: false, maxAge: "5m" }));
  app.get("/{*path}", (_request, response) => {
    if (existsSync(join(page, "index.html")))
      response.set("cache-control", "no-cache").sendFile(join(page, "index.html"));
    else response.status(503).type("text/plain").send("The page is not built. Run: npm run build\n");
  });
}

/** One line for each request, without its query: a key may stand there. */
function logRequests({ logger }: WebContext) {
  return (request: Request, response: Response, next: NextFunction): void => {
    const began = performance.now();
    response.once("close", () => {
      const ms = Math.round(performance.now() - began);
      logger.debug("web.request", {
        method: request.method,
        path: request.originalUrl.split("?")[0],
        status: response.statusCode,
        ms,
      });
    });
    next();
  };
}

/** Every error as {err_msg, err_code}; what is not meant for clients stays in the log under an id. */
function answerError({ logger }: WebContext) {
  return (error: unknown, request: Request, response: Response, next: NextFunction): void => {
    if (response.headersSent) return next(error);
    const known = toApiError(error);
    // A body that is still being sent would keep the connection busy.
    if (!request.complete) response.set("connection", "close");
    for (const header of ["content-disposition", "content-type", "cache-control"])
      response.removeHeader(header);
    if (known !== undefined) {
      response.status(known.status).json({
        err_msg: known.message,
        err_code: known.code,
        ...(known.data === undefined ? {} : { err_data: known.data }),
      });
      return;
    }
    const id = randomUUID();
    logger.error("web.error", { id, method: request.method, path: request.originalUrl.split("?")[0], error });
    response.status(500).json({
      err_msg: `an internal error; the administrator finds it in the log as ${id}`,
      err_code: codes.internal,
    });
  };
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
