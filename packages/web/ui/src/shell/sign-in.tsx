import { useEffect, useRef, useState } from "preact/hooks";
import { wordsOf } from "../api.ts";
import { signIn } from "../who-am-i.ts";

/** Asks for the API key; it becomes a session cookie that scripts cannot read, and is not kept by the page. */
export function SignIn() {
  const [key, setKey] = useState("");
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => {
    document.title = "Sign in · galaxy-jobs";
    field.current?.focus();
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (key.trim() === "") {
      setProblem("Enter your API key.");
      field.current?.focus();
      return;
    }
    setBusy(true);
    setProblem("");
    try {
      await signIn(key.trim());
    } catch (error) {
      setProblem(wordsOf(error));
      setBusy(false);
      field.current?.select();
    }
  };
  return (
    <form class="sign-in card" onSubmit={(event) => void submit(event)} noValidate>
      <h1>Sign in</h1>
      <p class="quiet">This server asks who you are. An administrator gives you an API key.</p>
      <div class="field">
        <label for="api-key">API key</label>
        <input
          id="api-key"
          ref={field}
          type="password"
          autocomplete="current-password"
          value={key}
          aria-invalid={problem !== ""}
          aria-describedby={problem === "" ? undefined : "api-key-problem"}
          onInput={(event) => setKey(event.currentTarget.value)}
        />
        {problem === "" ? null : (
          <p class="field-problem" id="api-key-problem" role="alert">
            {problem}
          </p>
        )}
      </div>
      <button type="submit" class="button primary" disabled={busy}>
        {busy ? "Signing in…" : "Sign in"}
      </button>
    </form>
  );
}
