import { expect } from "chai";
import { firstViolation } from "./simulation/simulate.ts";
import { allGuards, type Guards } from "./simulation/world.ts";

/*
 * A simulation in the language of the program, not a model in TLA+ or Promela: it needs no other tool, says what it does in
 * the words of the code (the same statements, in the same order, with the same guards), lets statements arrive late and
 * after their sender's death, and runs thousands of whole lives in seconds with every `npm test`. It samples and does not
 * prove; that it would notice is shown by taking each guard out.
 */
describe("the protocol of claim, lease, fence and adoption, simulated", function () {
  this.timeout(240_000);

  it("ends every job once, after one run, whoever is killed or paused when, in 5,000 lives", () => {
    expect(firstViolation(5_000, allGuards)).to.equal(undefined);
  });

  const without: Record<string, { guards: Partial<Guards>; violation: RegExp }> = {
    "the fence": { guards: { fence: false }, violation: /which it does not own/ },
    "the look at the incarnation in a claim": {
      guards: { claimNeedsLive: false },
      violation: /never ended|does not own/,
    },
    "the second look at the heartbeat in a take-over": {
      guards: { takeOverRechecks: false },
      violation: /although its lease was not over/,
    },
    "the closing of a run that was not started": {
      guards: { recoverCloses: false },
      violation: /ran 2 times/,
    },
    "the return of a job that was written as running and had not begun": {
      guards: { requeueFromRunning: false },
      violation: /never ended/,
    },
    "the adopter's directory and the look at the lease before the start": {
      guards: { recoverMakesDirectory: false, startNeedsLease: false },
      violation: /ran 2 times/,
    },
  };
  for (const [guard, { guards, violation }] of Object.entries(without)) {
    it(`fails without ${guard}`, () => {
      const found = firstViolation(5_000, { ...allGuards, ...guards });
      expect(found, "a seed that violates").to.not.equal(undefined);
      expect(found!.violation.message).to.match(violation);
    });
  }
});
