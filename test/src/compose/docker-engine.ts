import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { bootMachine, type Machine } from "../support/machine.ts";
import { repository } from "../support/galaxy.ts";
import { traversableFolder } from "../support/servers.ts";
import { until } from "../support/until.ts";
import { makeBaseRoot } from "./base-image.ts";

const execute = promisify(execFile);

export const baseImage = "galaxy-test/base";

/** A Docker engine in namespaces of its own, with the base image that nobody had to pull. */
export interface DockerEngine {
  readonly machine: Machine;
  /** For files of the test's own. */
  readonly work: string;
  docker(...words: string[]): Promise<string>;
  compose(...words: string[]): Promise<string>;
  /** The docker-compose.yml of another folder, as a project of its own. */
  composeIn(folder: string, ...words: string[]): Promise<string>;
  destroy(): Promise<void>;
}

export async function startDockerEngine(
  files: readonly string[],
  env: Record<string, string>,
): Promise<DockerEngine> {
  const work = await traversableFolder("galaxy-test-docker-");
  const machine = await bootMachine(work, "boot-docker.sh", [work]);
  const environment = {
    ...process.env,
    ...env,
    DOCKER_HOST: `unix://${join(work, "docker.sock")}`,
    DOCKER_BUILDKIT: "0",
    COMPOSE_DOCKER_CLI_BUILD: "0",
    COMPOSE_PROJECT_NAME: "galaxytest",
  };
  const say = async (program: string, words: readonly string[]): Promise<string> => {
    const options = { env: environment, timeout: 240_000, maxBuffer: 2 ** 26, cwd: work };
    try {
      return (await execute(program, words, options)).stdout;
    } catch (error) {
      const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
      throw new Error(`${program} ${words.join(" ")}:\n${stdout}${stderr}`, { cause: error });
    }
  };
  const destroy = async (): Promise<void> => {
    await machine.end("SIGTERM");
    await rm(work, { recursive: true, force: true });
  };
  try {
    await until(() => say("docker", ["info"]).catch(() => undefined), {
      what: "dockerd to answer",
      deadline: 60_000,
    });
    await makeBaseRoot(join(work, "base"));
    await importImage(work, environment);
    await writeFile(join(work, "empty"), "");
  } catch (error) {
    await destroy();
    throw new Error(`${String(error)}\n${machine.console()}`, { cause: error });
  }
  const all = files.flatMap((file) => ["-f", file]);
  return {
    machine,
    work,
    docker: (...words) => say("docker", words),
    compose: (...words) => say("docker-compose", ["--project-directory", repository, ...all, ...words]),
    composeIn: (folder, ...words) =>
      say("docker-compose", ["--project-directory", folder, "--project-name", "site", ...words]),
    destroy,
  };
}

async function importImage(work: string, env: NodeJS.ProcessEnv): Promise<void> {
  const pack = spawn("tar", ["-C", join(work, "base"), "-c", "."], { stdio: ["ignore", "pipe", "inherit"] });
  const load = spawn("docker", ["import", "-c", "ENV PATH=/usr/local/bin:/usr/bin:/bin", "-", baseImage], {
    env,
    stdio: [pack.stdout, "ignore", "inherit"],
  });
  const [code] = (await once(load, "exit")) as [number | null];
  if (code !== 0) throw new Error(`docker import failed with exit code ${code}`);
}
