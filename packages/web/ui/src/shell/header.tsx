import { useState } from "preact/hooks";
import { wordsOf } from "../api.ts";
import { announcement, liveStatus } from "../live-events.ts";
import { place } from "../router.ts";
import { signedInHere, signInNeeded, user } from "../session.ts";
import { signOut } from "../who-am-i.ts";
import { Icon, type IconName } from "./icon.tsx";
import { chooseTheme, theme, type Theme } from "./theme.ts";

const LINKS = [
  { href: "/", words: "Tools", covers: /^\/($|tools\/)/ },
  { href: "/jobs", words: "Jobs", covers: /^\/jobs/ },
  { href: "/datasets", words: "Datasets", covers: /^\/(datasets|upload)/ },
];
const ADMIN_LINK = { href: "/admin", words: "Admin", covers: /^\/admin/ };

export function Header() {
  const path = place.value.path;
  return (
    <header class="header">
      <a class="brand" href="/">
        <span class="brand-mark" aria-hidden="true" />
        galaxy-jobs
      </a>
      {user.value && !signInNeeded.value ? (
        <nav class="nav" aria-label="Pages">
          {(user.value.is_admin === true ? [...LINKS, ADMIN_LINK] : LINKS).map((link) => (
            <a key={link.href} href={link.href} aria-current={link.covers.test(path) ? "page" : undefined}>
              {link.words}
            </a>
          ))}
        </nav>
      ) : null}
      <div class="header-end">
        {user.value && !signInNeeded.value ? <LiveStatus /> : null}
        <ThemeToggle />
        {user.value && !signInNeeded.value ? <Account /> : null}
      </div>
    </header>
  );
}

function LiveStatus() {
  const status = liveStatus.value;
  const words = status === "live" ? "live" : status === "connecting" ? "connecting" : "reconnecting";
  return (
    <span
      class={`live live-${status}`}
      role="status"
      title={status === "reconnecting" ? "Asking every 5 seconds until the stream is back" : ""}
    >
      <span class="live-dot" aria-hidden="true" />
      {words}
    </span>
  );
}

const NEXT: Record<Theme, Theme> = { system: "light", light: "dark", dark: "system" };
const THEME_ICON: Record<Theme, IconName> = { system: "system", light: "sun", dark: "moon" };

function ThemeToggle() {
  const label = `Colours: ${theme.value === "system" ? "as the system" : theme.value}. Change to ${NEXT[theme.value]}`;
  return (
    <button
      type="button"
      class="icon-button"
      aria-label={label}
      title={label}
      onClick={() => chooseTheme(NEXT[theme.value])}
    >
      <Icon name={THEME_ICON[theme.value]} />
    </button>
  );
}

function Account() {
  const [busy, setBusy] = useState(false);
  const leave = async () => {
    setBusy(true);
    try {
      await signOut();
    } catch (error) {
      announcement.value = wordsOf(error);
    } finally {
      setBusy(false);
    }
  };
  const name = user.value?.username ?? user.value?.email ?? "";
  return (
    <span class="account">
      <span class="account-name" title={user.value?.email ?? name}>
        {name}
      </span>
      {signedInHere.value ? (
        <button type="button" class="link-button" disabled={busy} onClick={() => void leave()}>
          Sign out
        </button>
      ) : null}
    </span>
  );
}
