import { isFarmEnvelope, type FarmReceipt, type Logger } from "@galaxy-jobs/runtime";
import { readJobHandlerMessage } from "./assignment/mule-message.ts";
import type { JobHandler } from "./job-handler.ts";

/** The channel to the process that started this one as a mule. */
export interface MuleChannel {
  on(event: "message", listener: (message: unknown) => void): unknown;
  send(receipt: FarmReceipt): void;
}

/**
 * Makes a handler take the jobs that messages give it (galaxy.md 1.7). A message is acknowledged when the job's row names this
 * handler (or, if it is drained, its tag), so a message that it could not serve goes to another mule when this one ends.
 */
export function takeMessages(channel: MuleChannel, handler: JobHandler, logger: Logger): void {
  channel.on("message", (envelope) => {
    if (!isFarmEnvelope(envelope)) return;
    const message = readJobHandlerMessage(envelope.content);
    if (message === undefined) {
      logger.warn("mule.message", { problem: "not a complete job message", message: envelope.content });
      channel.send({ farmReceipt: envelope.farmMessage });
      return;
    }
    void handler.take(message.params.job_id).then((mine) => {
      if (!mine)
        logger.warn("mule.message", { problem: "the job has a handler", job: message.params.job_id });
      channel.send({ farmReceipt: envelope.farmMessage });
    });
  });
}
