import { Loop, type GalaxyConfig, type Logger, type Service } from "@galaxy-jobs/runtime";
import { ChildHandle, type ChildEvents } from "./child-handle.ts";
import { muleName, planChild, workerName, type ChildSurroundings } from "./child-plan.ts";
import { ConnectionRouter } from "./connection-router.ts";
import type { ListeningSockets } from "./listening-sockets.ts";
import { MetricsGatherer } from "./metrics-gatherer.ts";
import { MuleFarms } from "./mule-farms.ts";
import { Place } from "./place.ts";
import { treeMetrics } from "./tree-metrics.ts";
import { snapshot, type TreeState } from "./tree-state.ts";

/** Between two looks at the children while nothing happens, ms. */
const ROUND = 1000;

export interface MasterOptions extends ChildSurroundings {
  readonly logger: Logger;
  readonly sockets: ListeningSockets;
  readonly release: string;
  /** Workers wait for their names whoever has them: the tree takes over from another. */
  readonly takesOver: boolean;
  /** Reads the configuration anew. @throws with everything that is wrong in it */
  readonly reread: () => GalaxyConfig;
}

/**
 * The master: owns the sockets and the children, and never loads what they run. Desired is one ready child of the newest
 * generation in each place; `#reconcile` makes it so. A reload starts a successor beside every worker; when all are ready they
 * take over together, and the old ones end with what they have; if one cannot start, the old ones stay. Mules restart one after
 * the other, since a server name has one process; their messages wait, or go to others.
 */
export class Master implements Service {
  readonly name = "master";
  readonly router = new ConnectionRouter();
  readonly farms = new MuleFarms();
  readonly startedAt = Date.now();
  readonly #options: MasterOptions;
  readonly #loop: Loop;
  readonly #events: ChildEvents;
  readonly #metrics = new MetricsGatherer({
    children: () => this.#workers.flatMap(({ current }) => (current?.isReady === true ? [current] : [])),
    own: () => treeMetrics(this.state()),
  });
  #config: GalaxyConfig;
  #workers: Place[] = [];
  #mules: Place[] = [];
  /** Generation that every child is to have, the last that was reached, and the last that was tried. */
  #wanted = 1;
  #good = 1;
  #tried = 1;
  #goodConfig: GalaxyConfig;
  #reloads = 0;
  #processes: number;
  #phase: TreeState["phase"] = "starting";
  #reloadFailure: string | undefined;
  #onReady: (() => void) | undefined;
  #onFailedStart: ((error: Error) => void) | undefined;
  #onEmpty: (() => void) | undefined;
  #reloadEnds: ((failure: string | undefined) => void)[] = [];

  constructor(options: MasterOptions) {
    this.#options = options;
    this.#config = options.config;
    this.#goodConfig = options.config;
    this.#processes = options.config.web.tree.processes;
    this.#loop = new Loop({
      name: "children",
      work: () => Promise.resolve(this.#reconcile()),
      onError: (error) => options.logger.error("master.trouble", { error }),
    });
    this.#events = {
      onReady: (child) => this.#onChildReady(child),
      onEnd: (child) => this.#onChildEnd(child),
      onStatus: () => undefined,
      onMuleMessage: (farm, content) => this.farms.send(farm, content),
      onReceipt: (child, receipt) => this.farms.received(child, receipt),
      onMetrics: (child, message) => this.#metrics.receive(child, message),
    };
    this.#placeChildren();
  }

  /** Resolves when every child is ready. @throws what the first one that cannot start said */
  async start(): Promise<void> {
    const ready = new Promise<void>((resolve, reject) => {
      this.#onReady = resolve;
      this.#onFailedStart = reject;
    });
    await this.#loop.start();
    await ready;
    // A stop may have come meanwhile, which let go of the start.
    if (this.#phase === "starting") this.#phase = "running";
  }

  /** Tells the children to end, and waits; those that do not within their mercy are killed. */
  async stop(): Promise<void> {
    this.#phase = "stopping";
    this.#onReady?.();
    this.#endReload("the web tier stops");
    this.#options.sockets.close();
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    this.#loop.wake();
    this.#tellIfEmpty();
    await empty;
    await this.#loop.stop();
    this.router.queue.clear();
  }

  /** The last thing of a master that does not wait any more. */
  killAll(): void {
    this.#options.sockets.close();
    for (const child of this.#children()) child.kill("SIGKILL");
  }

  /** Starts a reload; resolves when it is over. @returns why it failed; undefined when it went well */
  async reload(): Promise<string | undefined> {
    if (this.#phase === "stopping") return "the web tier stops";
    const { logger } = this.#options;
    try {
      this.#config = this.#options.reread();
    } catch (error) {
      this.#reloadFailure = error instanceof Error ? error.message : String(error);
      logger.error("reload.failed", { reason: this.#reloadFailure });
      return this.#reloadFailure;
    }
    const sockets = (config: GalaxyConfig) => JSON.stringify([config.web.listeners, config.web.tree.backlog]);
    if (sockets(this.#goodConfig) !== sockets(this.#config))
      logger.warn("reload.sockets", { problem: "changed listening sockets need a restart of the master" });
    this.#phase = "reloading";
    this.#reloadFailure = undefined;
    this.#tried += 1;
    this.#wanted = this.#tried;
    this.#processes = this.#config.web.tree.processes;
    this.#placeChildren();
    logger.info("reload.started", { generation: this.#wanted });
    const ended = new Promise<string | undefined>((resolve) => this.#reloadEnds.push(resolve));
    this.#loop.wake();
    return ended;
  }

  /** Tells the children to open their logs anew. */
  reopenLogs(): void {
    for (const child of this.#children()) child.kill("SIGUSR1");
  }

  /** One web worker more or less, until the next reload. */
  resize(step: 1 | -1): void {
    this.#processes = Math.max(1, this.#processes + step);
    this.#placeChildren();
    this.#options.logger.info("workers.wanted", { processes: this.#processes });
    this.#loop.wake();
  }

  /** The tree as it is now. */
  state(): TreeState {
    return snapshot({
      config: this.#config,
      release: this.#options.release,
      startedAt: this.startedAt,
      reloads: this.#reloads,
      phase: this.#phase,
      reloadFailure: this.#reloadFailure,
      sockets: this.#options.sockets.list,
      queue: this.router.queue,
      workers: this.#workers,
      mules: this.#mules,
      farms: this.farms,
    });
  }

  /** Makes the places that the configuration wants; those it does not want any more are left to end. */
  #placeChildren(): void {
    const { serverName, web } = this.#config;
    for (let number = 1; number <= this.#processes; number += 1)
      this.#workers[number - 1] ??= new Place("worker", number, workerName(serverName, number));
    this.farms.configure(web.tree.farms);
    const wanted = web.tree.farms.flatMap(({ name, mules }) =>
      mules.map((number, index) => ({
        number,
        farm: name,
        serverName: muleName(serverName, name, index + 1),
      })),
    );
    for (const { number, farm, serverName: own } of wanted)
      if (!this.#mules.some((place) => place.serverName === own))
        this.#mules.push(new Place("mule", number, own, farm));
  }

  #isWanted(place: Place): boolean {
    if (this.#phase === "stopping") return false;
    if (place.kind === "worker") return place.number <= this.#processes;
    return this.#config.web.tree.farms.some(({ name, mules }) =>
      mules.some((_, index) => muleName(this.#config.serverName, name, index + 1) === place.serverName),
    );
  }

  /** One look at everything. @returns ms until the next is needed */
  #reconcile(): number {
    for (const place of [...this.#workers, ...this.#mules]) {
      if (!this.#isWanted(place)) this.#empty(place);
      else if (place.kind === "worker") this.#reconcileWorker(place);
      else this.#reconcileMule(place);
    }
    this.#promoteSuccessors();
    this.#forgetEmptied();
    for (const place of [...this.#workers, ...this.#mules]) this.#enforce(place);
    this.router.serve(this.#workers.flatMap(({ current }) => (current === undefined ? [] : [current])));
    this.#tellProgress();
    const waits = [...this.#workers, ...this.#mules].flatMap((place) => [
      ...(place.current === undefined && place.pause > 0 ? [place.pause] : []),
      ...place.children.flatMap(({ mercyLeft }) =>
        mercyLeft === undefined ? [] : [Math.max(10, mercyLeft)],
      ),
    ]);
    return Math.min(ROUND, ...waits);
  }

  #reconcileWorker(place: Place): void {
    if (place.current === undefined) {
      if (place.successor === undefined && place.pause === 0)
        place.current = this.#spawn(place, place.retiring.size > 0 || this.#options.takesOver);
      return;
    }
    if (place.successor !== undefined) return;
    const isOld = place.current.plan.generation < this.#wanted;
    const isWorn = this.#isWorn(place.current);
    if (isOld || isWorn) place.successor = this.#spawn(place, true);
  }

  #reconcileMule(place: Place): void {
    const { current } = place;
    if (current === undefined) {
      // One process for one server name: the new one starts when the old one has ended.
      if (place.retiring.size === 0 && place.pause === 0) place.current = this.#spawn(place, false);
      return;
    }
    if (current.plan.generation === this.#wanted || this.#loading(this.#workers)) return;
    if (this.#mules.some((mule) => mule.current?.isReady !== true && this.#isWanted(mule))) return;
    this.farms.leave(current);
    place.retire(current, this.#config.web.tree.muleMercy);
  }

  /** When all successors of a reload are ready they take over together; one that replaces a worn worker for itself. */
  #promoteSuccessors(): void {
    const places = this.#workers.filter((place) => this.#isWanted(place));
    const isReload = places.some(
      ({ current }) => current !== undefined && current.plan.generation < this.#wanted,
    );
    const areReady = places.every(({ current, successor }) => (successor ?? current)?.isReady === true);
    if (isReload && !areReady) return;
    for (const place of places) {
      if (place.successor?.isReady !== true) continue;
      const old = place.promote();
      if (old !== undefined) place.retire(old, this.#config.web.tree.workerMercy);
    }
  }

  #isWorn(child: ChildHandle): boolean {
    const { maxRequests } = this.#config.web.tree;
    if (maxRequests === 0 || (child.status?.requests ?? 0) < maxRequests) return false;
    return !this.#workers.some(({ successor }) => successor !== undefined);
  }

  #empty(place: Place): void {
    const { workerMercy, muleMercy } = this.#config.web.tree;
    for (const child of [place.current, place.successor]) {
      if (child === undefined) continue;
      if (place.kind === "mule") this.farms.leave(child);
      place.retire(child, place.kind === "worker" ? workerMercy : muleMercy);
    }
  }

  #forgetEmptied(): void {
    const stays = (place: Place): boolean => this.#isWanted(place) || place.children.length > 0;
    this.#workers = this.#workers.filter(stays);
    this.#mules = this.#mules.filter(stays);
  }

  /** Kills what does not end within its mercy, and workers that hang. */
  #enforce(place: Place): void {
    const { logger } = this.#options;
    for (const child of place.children) {
      if ((child.mercyLeft ?? 1) <= 0) {
        logger.warn("child.killed", { child: place.serverName, pid: child.pid, reason: "its mercy is over" });
        child.kill("SIGKILL");
      }
      const { harakiri } = this.#config.web.tree;
      if (place.kind !== "worker" || harakiri === 0 || !child.isReady || child.isRetiring) continue;
      const since = Math.min(child.statusAt ?? Date.now(), child.status?.oldestActiveSince ?? Date.now());
      if (Date.now() - since < harakiri * 1000) continue;
      place.harakiris += 1;
      logger.error("child.killed", {
        child: place.serverName,
        pid: child.pid,
        reason: `harakiri after ${harakiri} s`,
      });
      child.kill("SIGKILL");
    }
  }

  #spawn(place: Place, awaitsName: boolean): ChildHandle {
    const { sockets } = this.#options;
    const plan = planChild(place, this.#wanted, awaitsName, { ...this.#options, config: this.#config });
    const child = new ChildHandle(plan, this.#events);
    place.respawns += 1;
    this.#options.logger.info("child.started", { child: place.serverName, pid: child.pid });
    if (place.kind === "worker")
      child.tell({ type: "start", listeners: sockets.list.map(({ spec }) => spec) });
    return child;
  }

  #onChildReady(child: ChildHandle): void {
    const place = this.#placeOf(child);
    this.#options.logger.info("child.ready", { child: child.plan.serverName, pid: child.pid });
    if (place?.farm !== undefined && place.current === child) this.farms.join(place.farm, child);
    this.#loop.wake();
  }

  #onChildEnd(child: ChildHandle): void {
    const { logger } = this.#options;
    const place = this.#placeOf(child);
    const facts = { child: child.plan.serverName, pid: child.pid, how: child.end };
    this.farms.leave(child);
    this.#metrics.gone(child);
    if (child.isRetiring) logger.info("child.ended", facts);
    else logger.error("child.died", facts);
    place?.left(child);
    for (const { listener, socket } of child.takeBack()) this.router.route(listener, socket);
    const reason = `${child.plan.serverName} did not start: ${child.end}`;
    if (this.#phase === "starting") {
      // Nothing more is started: whoever waits for the start stops this.
      this.#phase = "stopping";
      this.#onFailedStart?.(new Error(reason));
    } else if (this.#phase === "reloading" && !child.isRetiring && child.plan.generation > this.#good)
      this.#abandonReload(reason);
    this.#tellIfEmpty();
    this.#loop.wake();
  }

  /** The new code does not start: the old processes go on. */
  #abandonReload(reason: string): void {
    this.#wanted = this.#good;
    this.#config = this.#goodConfig;
    for (const place of this.#workers)
      if (place.successor !== undefined) place.retire(place.successor, this.#config.web.tree.workerMercy);
    this.#endReload(reason);
  }

  #tellProgress(): void {
    const wanted = [...this.#workers, ...this.#mules].filter((place) => this.#isWanted(place));
    if (
      wanted.some((place) => place.current?.isReady !== true || place.current.plan.generation < this.#wanted)
    )
      return;
    this.#onReady?.();
    if (this.#phase !== "reloading") return;
    this.#good = this.#wanted;
    this.#goodConfig = this.#config;
    this.#reloads += 1;
    this.#endReload(undefined);
  }

  #endReload(failure: string | undefined): void {
    if (this.#phase === "reloading") this.#phase = "running";
    if (this.#reloadEnds.length === 0) return;
    this.#reloadFailure = failure;
    if (failure === undefined) this.#options.logger.info("reload.finished", { generation: this.#wanted });
    else this.#options.logger.error("reload.failed", { reason: failure });
    for (const tell of this.#reloadEnds.splice(0)) tell(failure);
  }

  #tellIfEmpty(): void {
    if (this.#phase === "stopping" && this.#children().length === 0) this.#onEmpty?.();
  }

  #loading(places: readonly Place[]): boolean {
    return places.some(
      (place) =>
        this.#isWanted(place) &&
        (place.current?.isReady !== true || place.current.plan.generation < this.#wanted),
    );
  }

  #placeOf(child: ChildHandle): Place | undefined {
    return [...this.#workers, ...this.#mules].find((place) => place.children.includes(child));
  }

  #children(): ChildHandle[] {
    return [...this.#workers, ...this.#mules].flatMap(({ children }) => children);
  }
}
