import { runInNewContext } from "node:vm";
import { expect } from "chai";
import fc from "fast-check";
import {
  evaluateResubmitExpression,
  holds,
  parseResubmitExpression,
  ResubmitExpressionError,
  type FailureFacts,
} from "@galaxy-jobs/runtime";

const facts: FailureFacts = {
  walltime_reached: false,
  memory_limit_reached: true,
  unknown_error: false,
  tool_detected_failure: false,
  any_failure: true,
  any_potential_job_failure: true,
  attempt: 2,
  seconds_running: 90.5,
  seconds_since_queued: 100,
};
const valueOf = (text: string) => evaluateResubmitExpression(parseResubmitExpression(text), facts);

/** As Python 3 answers. */
const values: readonly (readonly [text: string, value: unknown])[] = [
  ["memory_limit_reached and attempt < 3", true],
  ["walltime_reached or unknown_error", false],
  ["any_failure and any_potential_job_failure", true],
  ["not walltime_reached", true],
  ["not not attempt", true],
  ["attempt * 1.5", 3],
  ["attempt ** 2 * 60", 240],
  ["1 < attempt <= 2", true],
  ["3 > attempt > 2", false],
  ["1 < 2 == True", false],
  ["(1 < 2) == True", true],
  ["seconds_running > 60 and seconds_since_queued - seconds_running < 10", true],
  ["7 // 2", 3],
  ["-7 // 2", -4],
  ["-7 % 3", 2],
  ["7 % -3", -2],
  ["-6 % 3", -0],
  ["2 ** 3 ** 2", 512],
  ["-2 ** 2", -4],
  ["2 ** -1", 0.5],
  ["- -3", 3],
  ["7 / 2", 3.5],
  ["1 - 2 - 3", -4],
  [".5 + 1e2 + 2.", 102.5],
  ["True + True", 2],
  ["None", null],
  ["None == 0", false],
  ["'a' + \"b\" == 'ab'", true],
  ["'it\\'s' != \"it's\"", false],
  ["'a' < 'b'", true],
  ["'1' == 1", false],
  ["1 and 2", 2],
  ["0 or ''", ""],
  ["None or 5", 5],
  ["False and 1 / 0", false],
  ["not 1 == 2", true],
  ["1 or 0 and 0", 1],
  ["  attempt\n==\t2 ", true],
];

const faults: readonly (readonly [text: string, message: string])[] = [
  ["", "the end is not expected here, at character 1"],
  ["attempt <", "the end is not expected here, at character 10"],
  ["attempt 3", "3 is not expected here, at character 9"],
  ["(attempt", "expected ), got the end, at character 9"],
  ["attempt < 3)", ") is not expected here, at character 12"],
  [
    "memory_limit_reachd",
    "there is no name memory_limit_reachd (did you mean memory_limit_reached?), at character 1",
  ],
  ["attempt < 3 and __import__('os')", "there is no name __import__, at character 17"],
  ["attempt()", "nothing can be called here, at character 8"],
  ["attempt.real", '"." is not understood, at character 8'],
  ["attempt = 3", '"=" is not understood, at character 9'],
  ["attempt && 3", '"&" is not understood, at character 9'],
  ["attempt in 1", "in is not expected here, at character 9"],
  ["'open", '"\'" is not understood, at character 1'],
  ["1 + 'a'", 'the text "a" is not a number, at character 3'],
  ["attempt < None", "None is not a number, at character 9"],
  ["attempt / 0", "division by zero, at character 9"],
  ["attempt % 0", "division by zero, at character 9"],
  ["9 ** 9 ** 9", "the number is too large, or none, at character 3"],
  ["(-8) ** 0.5", "the number is too large, or none, at character 6"],
  ["07", "a number does not begin with 0, at character 1"],
  [`${"(".repeat(500)}1${")".repeat(500)}`, "nested deeper than 60, at character 62"],
  ["1+".repeat(5000), "longer than 2000 characters, at character 2001"],
];

describe("the language of resubmission rules", () => {
  for (const [text, value] of values) {
    it(`gives ${JSON.stringify(value)} for ${JSON.stringify(text)}`, () => {
      expect(valueOf(text)).to.equal(value);
    });
  }

  for (const [text, message] of faults) {
    it(`refuses ${JSON.stringify(text.slice(0, 40))} and says where`, () => {
      expect(() => valueOf(text)).to.throw(ResubmitExpressionError, message);
    });
  }

  it("reads any text without another error than its own", () => {
    const piece = fc.constantFrom(
      ..."and or not True None attempt any_failure ( ) + - * / // % ** < <= == != 1 2.5 'a' \" . [ ] = \\ 0 é".split(
        " ",
      ),
    );
    const text = fc.oneof(
      fc.string(),
      fc.array(piece, { maxLength: 30 }).map((parts) => parts.join(" ")),
    );
    fc.assert(
      fc.property(text, (written) => {
        try {
          holds(valueOf(written));
        } catch (error) {
          expect(error).to.be.instanceOf(ResubmitExpressionError);
          expect((error as ResubmitExpressionError).position).to.be.within(1, written.length + 1);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("agrees with JavaScript where both languages mean the same", () => {
    const number = fc.oneof(
      fc.integer({ min: 0, max: 20 }).map(String),
      fc.constantFrom("attempt", "seconds_running", "2.5"),
    );
    const truth = fc.constantFrom("walltime_reached", "memory_limit_reached", "any_failure");
    const { sum, condition } = fc.letrec<{ sum: string; condition: string }>((tie) => ({
      sum: fc.oneof(
        { maxDepth: 4 },
        number,
        fc.tuple(tie("sum"), fc.constantFrom("+", "-", "*"), tie("sum")).map((parts) => parts.join(" ")),
        tie("sum").map((inner) => `(${inner})`),
        tie("sum").map((inner) => `-(${inner})`),
      ),
      condition: fc.oneof(
        { maxDepth: 4 },
        truth,
        fc
          .tuple(tie("sum"), fc.constantFrom("<", "<=", ">", ">=", "==", "!="), tie("sum"))
          .map((parts) => parts.join(" ")),
        fc
          .tuple(tie("condition"), fc.constantFrom("and", "or"), tie("condition"))
          .map((parts) => parts.join(" ")),
        tie("condition").map((inner) => `(not (${inner}))`),
        tie("condition").map((inner) => `(${inner})`),
      ),
    }));
    fc.assert(
      fc.property(fc.oneof(sum, condition), (written) => {
        const script = written
          .replaceAll(/\band\b/g, "&&")
          .replaceAll(/\bor\b/g, "||")
          .replaceAll("not (", "!(");
        fc.pre(written.length < 1500);
        const expected: unknown = runInNewContext(script, { ...facts });
        const found = valueOf(written);
        if (typeof expected === "number") expect(found).to.be.closeTo(expected, Math.abs(expected) * 1e-12);
        else expect(found).to.equal(expected);
      }),
      { numRuns: 1000 },
    );
  });
});
