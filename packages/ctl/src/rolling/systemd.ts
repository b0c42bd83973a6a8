import { ask, inOrder, type ProcessManager } from "./process-manager.ts";

/** The units of `galaxyctl deploy init --with systemd`. */
export const systemd: ProcessManager = {
  logOf: (unit) => `journalctl -u ${unit}`,

  async web() {
    const { text } = await ask("systemctl", ["show", "--value", "-p", "ActiveState", "galaxy-web.service"]);
    return text.trim() === "active" ? "galaxy-web.service" : undefined;
  },

  async handlers() {
    const words = ["list-units", "--plain", "--no-legend", "--all", "galaxy-handler@*.service"];
    const { failed, text } = await ask("systemctl", words);
    if (failed) throw new Error(`systemctl ${words.join(" ")}: ${text.trim()}`);
    const rows = text
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => line.trim().split(/\s+/));
    const broken = rows.find(([, , active]) => active !== "active" && active !== "inactive");
    if (broken !== undefined) throw new Error(`${broken[0]} is ${broken[2]}: mend or disable it first`);
    return rows
      .filter(([, , active]) => active === "active")
      .map(([unit]) => unit!)
      .toSorted(inOrder);
  },

  /** Its services tell when they are ready. */
  async restart(unit, patience) {
    const { failed, text } = await ask("systemctl", ["restart", unit], patience);
    if (failed) throw new Error(text.trim());
  },

  async pid(unit) {
    const { text } = await ask("systemctl", ["show", "--value", "-p", "MainPID", unit]);
    return Number(text.trim());
  },
};
