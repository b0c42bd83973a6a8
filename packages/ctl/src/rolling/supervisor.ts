import { ask, inOrder, type ProcessManager } from "./process-manager.ts";

/**
 * The program group of `galaxyctl deploy init --with supervisor`.
 * @param conf the supervisord.conf to be used; undefined: supervisorctl's own search
 */
export function supervisor(group: string, conf: string | undefined): ProcessManager {
  const ctl = (words: readonly string[], patience?: number) =>
    ask("supervisorctl", [...(conf === undefined ? [] : ["-c", conf]), ...words], patience);

  /** Name and state of each program of the group. */
  const programs = async (): Promise<{ name: string; state: string }[]> => {
    // `status` says by its exit code that something does not run.
    const { text } = await ctl(["status", `${group}:*`]);
    const found = [...text.matchAll(/^(\S+:\S+)\s+([A-Z]+)\b/gm)].map(([, name, state]) => ({
      name: name!,
      state: state!,
    }));
    if (found.length === 0)
      throw new Error(
        `supervisorctl knows no group ${group}: ${text.trim()}; see --group and --supervisor-conf`,
      );
    return found.toSorted((one, other) => inOrder(one.name, other.name));
  };

  return {
    logOf: (unit) => `supervisorctl tail ${unit}`,

    async web() {
      return (await programs()).find(({ name, state }) => name === `${group}:web` && state === "RUNNING")
        ?.name;
    },

    async handlers() {
      const handlers = (await programs()).filter(({ name }) => name !== `${group}:web`);
      const broken = handlers.find(({ state }) => state !== "RUNNING" && state !== "STOPPED");
      if (broken !== undefined) throw new Error(`${broken.name} is ${broken.state}: mend or stop it first`);
      return handlers.filter(({ state }) => state === "RUNNING").map(({ name }) => name);
    },

    async restart(unit, patience) {
      const { failed, text } = await ctl(["restart", unit], patience);
      if (failed || /\bERROR\b/.test(text) || !/: started$/m.test(text)) throw new Error(text.trim());
    },

    async pid(unit) {
      return Number((await ctl(["pid", unit])).text.trim());
    },
  };
}
