import { existsSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import express, { type Express, type NextFunction, type Request, type Response } from "express";
import helmet from "helmet";
import { ApiError, codes } from "./api-error.ts";
import { ApiRoutes } from "./api-routes.ts";
import { refuseForeignPages } from "./authenticate.ts";
import { errorAnswerOf } from "./error-answer.ts";
import { limitRequests, limitWrongKeys } from "./limit-requests.ts";
import { administrationRoutes } from "./routes/administration.ts";
import { apiDocsRoutes } from "./routes/api-docs.ts";
import { datasetRoutes } from "./routes/datasets.ts";
import { eventRoutes } from "./routes/events.ts";
import { handlerRoutes } from "./routes/handlers.ts";
import { historyRoutes } from "./routes/histories.ts";
import { jobBatchRoutes } from "./routes/job-batch.ts";
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
    jobBatchRoutes,
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

/** Every error as {err_msg, err_code}. */
function answerError(context: WebContext) {
  return (error: unknown, request: Request, response: Response, next: NextFunction): void => {
    if (response.headersSent) return next(error);
    // A body that is still being sent would keep the connection busy.
    if (!request.complete) response.set("connection", "close");
    for (const header of ["content-disposition", "content-type", "cache-control"])
      response.removeHeader(header);
    const { status, body } = errorAnswerOf(context, error, request);
    response.status(status).json(body);
  };
}
