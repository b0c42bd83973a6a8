import { spawnSync } from "node:child_process";
import { expect } from "chai";
import { isPlainPath } from "@galaxy-jobs/runtime";

describe("a plain path", () => {
  it("is made of letters, digits and _@%+=:,./- and is one word of a shell", () => {
    const plain = ["/srv/galaxy/files", "database/jobs_directory", "/a@b%c+d=e:f,g.h-i_j/K9", "/", "."];
    for (const path of plain) {
      expect(isPlainPath(path), path).to.equal(true);
      const { stdout } = spawnSync("/bin/sh", ["-c", `printf '[%s]' ${path}`], {
        encoding: "utf8",
        timeout: 10_000,
      });
      expect(stdout).to.equal(`[${path}]`);
    }
  });

  it("has no blank, quote, wildcard, line end or other special character", () => {
    const special = Array.from(" \t\n\r\0'\"\\$`;&|<>(){}[]*?!#~^").map((character) => `/srv/a${character}b`);
    for (const path of [...special, "", "/srv/data/Jürgen", "/srv/data\n", "-rf"])
      expect(isPlainPath(path), JSON.stringify(path)).to.equal(false);
  });
});
