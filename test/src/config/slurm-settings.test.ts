import { expect } from "chai";
import { readSlurmSettings } from "@galaxy-jobs/runtime";

const optionsOf = (params: Record<string, unknown>) => {
  const { settings, faults } = readSlurmSettings(params);
  expect(faults).to.deep.equal([]);
  return settings.options.map(({ name, value }) => (value === undefined ? name : `${name}=${value}`));
};
const faultsOf = (params: Record<string, unknown>) =>
  readSlurmSettings(params).faults.map(({ key, message }) => `${key}: ${message}`);

describe("the parameters of a destination on Slurm", () => {
  it("are options of sbatch, under their own names and those of Galaxy's CLI runner", () => {
    expect(optionsOf({ partition: "long", time: 60, memory: "4G", cpus: 2, account: "lab" })).to.have.members(
      ["partition=long", "time=60", "mem=4G", "cpus-per-task=2", "account=lab"],
    );
    expect(
      optionsOf({ job_plugin: "Slurm", job_time: "1:00", job_ncpus: "4", job_partition: "p" }),
    ).to.have.members(["time=1:00", "cpus-per-task=4", "partition=p"]);
  });

  for (const key of ["nativeSpecification", "native_specification"])
    it(`${key} is split into words as a shell would, and expands nothing`, () => {
      const written = `-p 'two words' --mem=4G -c4 --constraint "a&b" --exclusive -N 1 --time 1:00 --comm\\unity=$(id)`;
      expect(readSlurmSettings({ [key]: written }).settings.options).to.deep.equal([
        { name: "partition", value: "two words" },
        { name: "mem", value: "4G" },
        { name: "cpus-per-task", value: "4" },
        { name: "constraint", value: "a&b" },
        { name: "exclusive" },
        { name: "nodes", value: "1" },
        { name: "time", value: "1:00" },
        { name: "community", value: "$(id)" },
      ]);
    });

  for (const [written, fault] of [
    ["--array=1-3", "--array cannot be used here"],
    ["-a 1-3", "--array cannot be used here"],
    ["--arr=1", "--array cannot be used here"],
    ["-Ha1-3", "--array cannot be used here"],
    ["--job-name=x", "--job-name cannot be used here"],
    ["-J x", "--job-name cannot be used here"],
    ["-o /etc/passwd", "--output cannot be used here"],
    ["--wrap='rm -rf /'", "--wrap cannot be used here"],
    ["--test-only", "--test-only cannot be used here"],
    ["-W", "--wait cannot be used here"],
    ["-D /", "--chdir cannot be used here"],
    ["--uid=0", "--uid cannot be used here"],
    ["--dependency=expand:12", "--dependency=expand cannot be used here"],
    ["/tmp/evil.sh", "/tmp/evil.sh is no option of sbatch"],
    ["--mem=4G /tmp/evil.sh", "/tmp/evil.sh is no option of sbatch"],
    ["--", "-- is no option of sbatch"],
    ["-", "- is no option of sbatch"],
    ["-pe smp 4", "smp is no option of sbatch"],
    ["--time", "--time needs a value"],
    ["--mem='4G", "a quote or backslash is left open"],
  ] as const)
    it(`refuses ${written} in a native specification`, () => {
      expect(faultsOf({ nativeSpecification: written })).to.deep.equal([`nativeSpecification: ${fault}`]);
    });

  it("refuses array jobs, and dependencies that change another job", () => {
    expect(faultsOf({ array: "1-3" })).to.deep.equal(["array: --array cannot be used here"]);
    expect(faultsOf({ dependency: "expand:3" })).to.deep.equal([
      "dependency: --dependency=expand cannot be used here",
    ]);
    expect(optionsOf({ dependency: "afterok:3" })).to.deep.equal(["dependency=afterok:3"]);
  });

  it("names the cluster of a site that has several", () => {
    const { settings } = readSlurmSettings({ nativeSpecification: "-M second --mem=1G" });
    expect(settings).to.deep.equal({ cluster: "second", options: [{ name: "mem", value: "1G" }] });
    expect(faultsOf({ nativeSpecification: "--clusters=a,b" })).to.deep.equal([
      "nativeSpecification: --clusters has to name one cluster",
    ]);
  });

  it("reads the shell of Galaxy's CLI runner, and refuses plugins that are not here", () => {
    const params = {
      shell_plugin: "SecureShell",
      shell_hostname: "head.example.org",
      shell_username: "galaxy",
      shell_private_key: "/keys/id",
      shell_port: 2222,
    };
    expect(readSlurmSettings(params).settings.shell).to.deep.equal({
      hostname: "head.example.org",
      username: "galaxy",
      privateKey: "/keys/id",
      port: 2222,
    });
    expect(readSlurmSettings({ shell_plugin: "LocalShell" }).settings.shell).to.equal(undefined);
    expect(faultsOf({ shell_plugin: "Rsh" })).to.deep.equal(["shell_plugin: there is no shell plugin rsh"]);
    expect(faultsOf({ shell_plugin: "SecureShell", shell_hostname: "-oProxyCommand=id" })).to.have.length(1);
    expect(faultsOf({ shell_plugin: "SecureShell" })).to.deep.equal([
      "shell_hostname: shell_hostname is required by SecureShell",
    ]);
    expect(faultsOf({ job_plugin: "Torque" })).to.deep.equal(["job_plugin: there is no job plugin Torque"]);
  });
});
