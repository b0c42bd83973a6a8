import { relative } from "node:path";
import mocha from "mocha";

const {
  EVENT_RUN_END,
  EVENT_TEST_FAIL,
  EVENT_TEST_PASS,
  EVENT_TEST_PENDING,
  EVENT_SUITE_BEGIN,
  EVENT_SUITE_END,
} = mocha.Runner.constants;

/**
 * The spec reporter, with the files that took longest and what was skipped named at the end, and a last line that reads `N passed, N failed`.
 * With GALAXY_TEST_NO_SKIPS set a skipped test fails the run: CI has every program that a test can want.
 */
export default class Reporter extends mocha.reporters.Spec {
  constructor(runner: mocha.Runner, options: mocha.MochaOptions) {
    super(runner, options);
    let passed = 0;
    let failed = 0;
    const skipped: string[] = [];
    const began = new Map<string, number>();
    const took = new Map<string, number>();
    runner.on(EVENT_SUITE_BEGIN, (suite) => {
      if (suite.file !== undefined && suite.parent?.root === true) began.set(suite.file, performance.now());
    });
    runner.on(EVENT_SUITE_END, ({ file, parent }) => {
      if (file === undefined || parent?.root !== true) return;
      took.set(file, (took.get(file) ?? 0) + performance.now() - began.get(file)!);
    });
    runner.on(EVENT_TEST_PASS, () => (passed += 1));
    runner.on(EVENT_TEST_FAIL, (test, error: Error) => {
      failed += 1;
      // At once, and not only at the end: a run that is ended from outside has said why.
      console.log(`${test.fullTitle()}\n${error.stack ?? error.message}`);
    });
    runner.on(EVENT_TEST_PENDING, (test) => skipped.push(test.fullTitle()));
    runner.once(EVENT_RUN_END, () => {
      const forbidden = process.env["GALAXY_TEST_NO_SKIPS"] !== undefined && skipped.length > 0;
      const slowest = [...took].toSorted(([, a], [, b]) => b - a).slice(0, 15);
      for (const [file, ms] of slowest)
        console.log(`${(ms / 1000).toFixed(0).padStart(6)} s  ${relative(process.cwd(), file)}`);
      for (const title of skipped) console.log(`skipped: ${title}`);
      if (forbidden) {
        console.log("skipped tests count as failed here (GALAXY_TEST_NO_SKIPS)");
        process.exitCode = 1;
        process.once("exit", () => (process.exitCode = 1));
      }
      const failures = failed + (forbidden ? skipped.length : 0);
      const tail = skipped.length > 0 && !forbidden ? `, ${skipped.length} skipped` : "";
      process.once("exit", () => console.log(`${passed} passed, ${failures} failed${tail}`));
      // Mocha waits for whatever a test has left running.
      setTimeout(endLeftovers, 60_000).unref();
    });
  }
}

/** Ends a run that is over, and that something keeps from ending: a failure by itself. */
function endLeftovers(): void {
  const left = process.getActiveResourcesInfo().join(", ");
  console.log(`the tests are over, and something that they left keeps the process for a minute: ${left}`);
  process.once("exit", () => (process.exitCode = 1));
  process.exit(1);
}
