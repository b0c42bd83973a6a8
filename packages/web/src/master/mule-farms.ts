import { Farm, type ConfiguredFarm, type FarmMember, type FarmReceipt } from "@galaxy-jobs/runtime";
import type { ChildHandle } from "./child-handle.ts";

/** The farms of a master: routes messages of workers to mules. */
export class MuleFarms {
  readonly #farms = new Map<string, Farm>();
  readonly #members = new Map<ChildHandle, { readonly farm: Farm; readonly member: FarmMember }>();

  /** Farms that are configured now; one that is not any more keeps what waits in it. */
  configure(farms: readonly ConfiguredFarm[]): void {
    for (const { name } of farms) if (!this.#farms.has(name)) this.#farms.set(name, new Farm(name));
  }

  join(name: string, mule: ChildHandle): void {
    const farm = this.#farms.get(name);
    if (farm === undefined || this.#members.has(mule)) return;
    const member = {
      name: mule.plan.serverName,
      send: (envelope: Parameters<FarmMember["send"]>[0]) => mule.sendFarm(envelope),
    };
    this.#members.set(mule, { farm, member });
    farm.add(member);
  }

  /** The mule ends: what it has not taken goes to another. */
  leave(mule: ChildHandle): void {
    const place = this.#members.get(mule);
    this.#members.delete(mule);
    place?.farm.remove(place.member);
  }

  received(mule: ChildHandle, receipt: FarmReceipt): void {
    const place = this.#members.get(mule);
    place?.farm.received(place.member, receipt);
  }

  send(name: string, content: unknown): void {
    this.#farms.get(name)?.send(content);
  }

  waiting(name: string): number {
    return this.#farms.get(name)?.waiting ?? 0;
  }
}
