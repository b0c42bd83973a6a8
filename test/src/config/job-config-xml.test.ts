import { expect } from "chai";
import { ConfigFolder } from "./job-config-files.ts";

const LOCAL = '<plugin id="local" type="runner" load="galaxy.jobs.runners.local:LocalJobRunner"/>';

describe("job_conf.xml", () => {
  let folder: ConfigFolder;
  beforeEach(() => {
    folder = new ConfigFolder();
  });
  afterEach(() => folder.remove());

  const faultsOf = (xml: string, others: Record<string, string> = {}): string[] =>
    folder.faults({ "job_conf.xml": xml, ...others });

  it("is read where there is no job_conf.yml; one beside a job_conf.yml is named as not read", () => {
    const xml = `<job_conf><plugins workers="9">${LOCAL}</plugins></job_conf>`;
    expect(folder.load({ "job_conf.xml": xml }).jobs.runners["local"]?.workers).to.equal(9);
    const yml = "runners: {local: {load: local, workers: 3}}";
    const config = folder.load({ "job_conf.yml": yml });
    expect(config.jobs.runners["local"]?.workers).to.equal(3);
    expect(config.warnings.map(({ message }) => message).join()).to.include("there is a job_conf.yml");
    const named = folder.load({ "galaxy.yml": "galaxy: {job_config_file: job_conf.xml}" });
    expect(named.jobs.runners["local"]?.workers).to.equal(9);
  });

  it("is reported at job_config_file if it is not there", () => {
    expect(folder.faults({ "galaxy.yml": "galaxy:\n  job_config_file: none.xml\n" })).to.deep.equal([
      "galaxy.yml:2:3: galaxy.job_config_file: there is no file none.xml",
    ]);
  });

  it("with everything wrong names each thing with its line and column, and what was meant", () => {
    const faults = faultsOf(`<job_conf>
  <plugins worker="2">
    ${LOCAL}
    <plugin id="other" type="cooker" load="x"/>
    <plugin type="runner" load="x"/>
  </plugins>
  <handlers assign_with="db-skip-lockd" default="nobody">
    <handler id="a" tag="x"/>
    <handler id="a"/>
  </handlers>
  <destinations default="locl">
    <destination id="local" runner="locl">
      <env id="A" file="b"/>
      <parm id="x">1</parm>
      <env id="NOT-A-NAME">1</env>
    </destination>
    <destination id="no_runner"/>
  </destinations>
  <tools>
    stray text
    <tool id="x" class="local"/>
    <tool id="y"
          destination="locall"/>
  </tools>
  <limits>
    <limit type="walltime">soon</limit>
    <limit>1</limit>
  </limits>
  <limit/>
</job_conf>`);
    const expected = [
      "2:12: unknown attribute worker of <plugins>; did you mean workers?",
      '4:5: unknown type of plugin cooker; write type="runner"',
      "5:5: <plugin> needs the attribute id",
      "7:13: handling.assign: invalid job handler assignment method 'db-skip-lockd'; did you mean db-skip-locked?",
      "7:41: handling.default: no handler has the id or tag nobody",
      "8:21: unknown attribute tag of <handler>; did you mean tags?",
      '9:5: <handler id="a"> occurs twice',
      '11:17: execution.default: there is no environment "locl"; did you mean local?',
      '12:29: execution.environments.local.runner: there is no runner "locl"; did you mean local?',
      "13:7: <env> needs one of the attributes id, file and exec",
      "14:7: unknown element <parm> in <destination>; did you mean param?",
      '15:12: execution.environments.local.env[1].name: expected the name of an environment variable, got "NOT-A-NAME"; an entry has name and value, or file, or execute',
      "17:5: execution.environments.no_runner: runner is required",
      "19:3: text that belongs nowhere in <tools>",
      "21:5: tools[0]: a tool entry has either id or class; keep one of them",
      '23:11: tools[1].destination: there is no environment "locall"; did you mean local?',
      '26:5: limits[0].value: expected a time such as 24:00:00, got "soon"',
      "27:5: limits[1]: type is required; one of ",
      "29:3: unknown element <limit> in <job_conf>; did you mean limits?",
    ].map((line) => `job_conf.xml:${line}`);
    expected.forEach((line, index) => expect(faults[index] ?? "").to.include(line));
    expect(faults).to.have.length(expected.length);
  });

  it("says where its syntax is broken", () => {
    expect(faultsOf("<job_conf>\n  <plugins>\n</job_conf>")).to.have.length(1);
    expect(faultsOf("<job_conf>\n  <plugins>\n</job_conf>")[0]).to.match(
      /^job_conf\.xml:3:\d+: not valid XML: unexpected close tag/,
    );
    expect(faultsOf("")[0]).to.match(/^job_conf\.xml:1:1: not valid XML/);
    expect(faultsOf("<tool/>")).to.deep.equal(["job_conf.xml:1:1: expected <job_conf>, got <tool>"]);
    const deep = `<job_conf>${"<a>".repeat(200)}${"</a>".repeat(200)}</job_conf>`;
    expect(faultsOf(deep)[0]).to.include("nested more than 100 deep");
  });

  it("refuses a document type and entities", () => {
    expect(
      faultsOf(
        '<?xml version="1.0"?>\n<!DOCTYPE job_conf [<!ENTITY x SYSTEM "/etc/passwd">]>\n<job_conf>&x;</job_conf>',
      ),
    ).to.deep.equal(["job_conf.xml:2:1: a DOCTYPE and entities are not allowed; remove them"]);
    expect(faultsOf("<job_conf>&x;</job_conf>")[0]).to.match(/^job_conf\.xml:1:1\d: .*unknown entity/);
  });

  describe("macros", () => {
    const withMacros = (macros: string, destinations: string): string =>
      `<job_conf>\n<macros>\n${macros}\n</macros>\n<plugins>${LOCAL}</plugins>\n` +
      `<destinations default="local">\n<destination id="local" runner="local"/>\n${destinations}\n</destinations>\n</job_conf>`;

    it("fill in tokens with defaults, in their own quotes, and what stands in <expand>", () => {
      const { destinations } = folder.load({
        "job_conf.xml": withMacros(
          `<xml name="outer" tokens="id" token_slots="1">
             <destination id="d_@ID@" runner="local"><param id="local_slots">@SLOTS@</param><yield/><expand macro="env" value="@ID@"/></destination>
           </xml>
           <xml name="env" token_value="none" token_quote="%"><env id="VALUE">%VALUE%@WHERE@</env></xml>
           <token name="@WHERE@">$&amp; here</token>`,
          `<expand macro="outer" id="a"/><expand macro="outer" id="b" slots="4"><param id="extra">@WHERE@</param></expand>`,
        ),
      }).jobs;
      expect(destinations["d_a"]).to.deep.include({
        params: { local_slots: "1" },
        env: [{ kind: "variable", name: "VALUE", value: "a$& here", raw: false }],
      });
      expect(destinations["d_b"]?.params).to.deep.equal({ local_slots: "4", extra: "$& here" });
    });

    it("that are wrong are faults at their places, also in an imported file", () => {
      const xml = withMacros(
        '<import>more.xml</import><import>../outside.xml</import><import>none.xml</import>\n<xml name="needs" tokens="id"><destination id="@ID@" runner="local"/></xml><xml/><mcro/>',
        '<expand macro="neds"/>\n<expand macro="needs"/>\n<expand macro="needs" id="x" di="y"/>\n<expand/>\n<expand macro="loop"/>\n<expand macro="imported"/>',
      );
      const faults = faultsOf(xml, {
        "more.xml":
          '<macros>\n<import>more.xml</import>\n<xml name="loop"><expand macro="loop"/></xml>\n<xml name="imported">\n<destination id="i"/></xml></macros>',
      }).join("\n");
      expect(faults).to.match(/job_conf\.xml:3:26: expected the name of a file in the same folder or below/);
      expect(faults).to.match(/job_conf\.xml:3:57: cannot read the file none\.xml/);
      expect(faults).to.include("job_conf.xml:4:76: <xml> needs the attribute name");
      expect(faults).to.match(/job_conf\.xml:4:82: unknown element <mcro> in <macros>; did you mean macro\?/);
      expect(faults).to.match(/job_conf\.xml:9:9: there is no macro "neds"; did you mean needs\?/);
      expect(faults).to.include("job_conf.xml:10:1: the macro needs the attribute id");
      expect(faults).to.include("job_conf.xml:11:30: the macro has no token di; did you mean id?");
      expect(faults).to.include("job_conf.xml:12:1: <expand> needs the attribute macro");
      expect(faults).to.include("more.xml:2:1: more.xml imports itself");
      expect(faults).to.include("more.xml:3:26: the macro loop expands to itself");
      expect(faults).to.match(/more\.xml:5:1: execution\.environments\.i: runner is required/);
    });

    it("that grow without measure are refused", () => {
      const macros = Array.from({ length: 40 }, (_, index) => {
        const next = `<expand macro="m${index + 1}"/>`;
        return `<xml name="m${index}">${next}${next}</xml>`;
      }).join("");
      const faults = faultsOf(withMacros(`${macros}<xml name="m40"/>`, '<expand macro="m0"/>'));
      expect(faults.join()).to.include("the macros expand to more than 100000 elements");
    });
  });
});
