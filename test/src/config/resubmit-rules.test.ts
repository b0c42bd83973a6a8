import { expect } from "chai";
import { ConfigFolder } from "./job-config-files.ts";

describe("The rules of resubmission", () => {
  let folder: ConfigFolder;
  beforeEach(() => {
    folder = new ConfigFolder();
  });
  afterEach(() => folder.remove());

  const jobConf = (rule: string, more = "") => `
execution:
  default: a
  environments:
    a:
      runner: local
${more}      resubmit:
        - ${rule}
    b: {runner: local}
runners: {local: {load: local}}
`;

  for (const { what, rule, more, fault } of [
    {
      what: "a condition with a name that does not exist",
      rule: "{condition: walltime_reachd and attempt < 3, environment: b}",
      fault:
        /resubmit\[0\]\.condition: "walltime_reachd and attempt < 3": there is no name walltime_reachd \(did you mean walltime_reached\?\), at character 1$/,
    },
    {
      what: "a condition that ends too soon",
      rule: "{condition: attempt <, environment: b}",
      fault: /resubmit\[0\]\.condition: .*the end is not expected here, at character 10$/,
    },
    {
      what: "a condition that compares a number with a text",
      rule: `{condition: "attempt < 'three'", environment: b}`,
      fault: /resubmit\[0\]\.condition: .*the text "three" is not a number, at character 9$/,
    },
    {
      what: "a delay that is no number",
      rule: "{condition: attempt < 3, delay: any_failure}",
      fault: /resubmit\[0\]\.delay: expected seconds, or an expression for them, got "any_failure"$/,
    },
    {
      what: "a delay below zero",
      rule: "{condition: attempt < 3, delay: 1 - attempt * 2}",
      fault: /resubmit\[0\]\.delay: expected seconds/,
    },
    {
      what: "an environment's walltime that is no time",
      rule: "{environment: b}",
      more: "      walltime: tomorrow\n",
      fault: /environments\.a\.walltime: expected a time such as 24:00:00, got "tomorrow"$/,
    },
  ]) {
    it(`with ${what} are refused, and their place is named`, () => {
      const faults = folder.faults({ "job_conf.yml": jobConf(rule, more) });
      expect(faults).to.have.lengthOf(1);
      expect(faults[0])
        .to.match(/^job_conf\.yml:\d+:\d+: /)
        .and.match(fault);
    });
  }

  it("are refused in XML and in galaxy.yml too", () => {
    const xml = `<job_conf>
  <plugins><plugin id="local" type="runner" load="galaxy.jobs.runners.local:LocalJobRunner"/></plugins>
  <destinations>
    <destination id="a" runner="local">
      <resubmit condition="attempt &lt;&lt; 3"/>
    </destination>
  </destinations>
</job_conf>
`;
    const faults = folder.faults({
      "galaxy.yml": "galaxy:\n  default_job_resubmission_condition: any_failure and\n",
      "job_conf.xml": xml,
    });
    expect(faults.join("\n"))
      .to.match(/galaxy\.yml:2:\d+: galaxy\.default_job_resubmission_condition: .*at character 16/)
      .and.match(/job_conf\.xml:5:\d+: .*condition: .*< is not expected here, at character 10/);
  });

  it("are named in a warning when they would go on for ever", () => {
    const warnings = (rule: string) =>
      folder.warnings({ "job_conf.yml": jobConf(rule) }).filter((line) => line.includes("for ever"));
    expect(warnings("{condition: unknown_error}")).to.have.lengthOf(1);
    expect(warnings("{condition: unknown_error and attempt < 3}")).to.deep.equal([]);
    expect(warnings("{condition: unknown_error, environment: b}")).to.deep.equal([]);
  });
});
