/** The Swagger page at `/`, with its files served from here: no page of ours loads anything from elsewhere. */
import { type RequestHandler, Router } from "express";
import swaggerUi from "swagger-ui-express";
import { pagePolicy } from "./middleware.js";
import type { OpenApiDocument } from "./openapi.js";

/** Routes of the page. `/` answering 200 is also how MONAILabelReviewer finds out that the server lives. */
export function docsRouter(document: OpenApiDocument): Router {
  const router = Router();
  router.get("/openapi.json", (_req, res) => {
    res.json(document);
  });
  const options = {
    customSiteTitle: "limnet", customCss: ".swagger-ui .topbar { display: none }",
    swaggerOptions: { validatorUrl: null, displayRequestDuration: true, tryItOutEnabled: true, defaultModelsExpandDepth: 0 },
  };
  const page = swaggerUi.setup(document, options);
  // Swagger UI brings a style sheet inside its page, and its pictures as data.
  const policy = pagePolicy({ "style-src": ["'self'", "'unsafe-inline'"], "img-src": ["'self'", "data:"] });
  router.get(["/", "/docs"], policy, page);
  // What browsers ask for by themselves.
  router.get("/favicon.ico", (req, _res, next) => {
    req.url = "/favicon-32x32.png";
    next();
  });
  const assets = swaggerUi.serveFiles(document, options) as RequestHandler[];
  router.get(/^\/(swagger-ui|favicon-|oauth2-redirect)[\w.-]*$/, ...assets);
  return router;
}
