import { useState } from "preact/hooks";
import { wordsOf } from "../api.ts";
import { Icon, type IconName } from "../shell/icon.tsx";

interface Props {
  readonly icon: IconName;
  readonly words: string;
  /** What it acts on, for screen readers that meet many of the same buttons. */
  readonly of?: string;
  readonly small?: boolean;
  act(): Promise<void>;
}

/** A button for something that takes a moment and may fail; a failure is said beside it. */
export function ActionButton({ icon, words, of, small = false, act }: Props) {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const run = async () => {
    setBusy(true);
    setProblem("");
    try {
      await act();
    } catch (error) {
      setProblem(wordsOf(error));
    } finally {
      setBusy(false);
    }
  };
  return (
    <>
      <button
        type="button"
        class={small ? "button small" : "button"}
        disabled={busy}
        onClick={() => void run()}
      >
        <Icon name={icon} /> {words}
        {of ? <span class="visually-hidden"> {of}</span> : null}
      </button>
      {problem === "" ? null : (
        <span class="field-problem" role="alert">
          {problem}
        </span>
      )}
    </>
  );
}
