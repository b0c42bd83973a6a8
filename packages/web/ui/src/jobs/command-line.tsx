import { useState } from "preact/hooks";
import { Icon } from "../shell/icon.tsx";

export function CommandLine({ text }: { text: string }) {
  const [words, setWords] = useState("Copy");
  if (text === "") return null;
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(text);
      setWords("Copied");
    } catch {
      // Without HTTPS the clipboard is closed to pages; the text can be selected by hand.
      setWords("Select the text to copy it");
    }
  };
  return (
    <section class="card">
      <div class="card-head">
        <h2>Command line</h2>
        <button type="button" class="button small" onClick={() => void copy()}>
          <Icon name="copy" /> <span role="status">{words}</span>
        </button>
      </div>
      <pre class="command" tabIndex={0} aria-label="Command line">
        {text}
      </pre>
    </section>
  );
}
