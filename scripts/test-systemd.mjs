// `npm run test:systemd`: systemd, booted for real as PID 1 of namespaces of its own, runs the units of systemd/. Needs root on Linux.
import { runSuite } from "./run-suite.mjs";

await runSuite("systemd");
