// `npm run test:compose`: docker-compose.yml on a Docker engine in namespaces of its own, with images made here. Needs root on Linux.
import { runSuite } from "./run-suite.mjs";

await runSuite("compose");
