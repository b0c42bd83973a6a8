import { signal } from "@preact/signals";

export interface Place {
  readonly path: string;
  readonly query: URLSearchParams;
}

/** Where the page is: follows the address bar, the back button and links alike. */
export const place = signal<Place>(here());

export function startRouter(): void {
  window.addEventListener("popstate", () => (place.value = here()));
  document.addEventListener("click", followLink);
}

/** Goes to an address of the page. `replace` changes the present entry of the browser's history (filters being typed). */
export function goTo(href: string, options: { replace?: boolean } = {}): void {
  const samePath = new URL(href, window.location.href).pathname === window.location.pathname;
  window.history[options.replace ? "replaceState" : "pushState"](null, "", href);
  place.value = here();
  if (!samePath) window.scrollTo(0, 0);
}

/** The present path with some query parameters changed; empty values are left out. */
export function withQuery(changes: Record<string, string>): string {
  const query = new URLSearchParams(place.value.query);
  for (const [name, value] of Object.entries(changes)) {
    if (value === "") query.delete(name);
    else query.set(name, value);
  }
  const text = query.toString();
  return text === "" ? place.value.path : `${place.value.path}?${text}`;
}

function here(): Place {
  return { path: window.location.pathname, query: new URLSearchParams(window.location.search) };
}

function followLink(event: MouseEvent): void {
  if (
    event.defaultPrevented ||
    event.button !== 0 ||
    event.metaKey ||
    event.ctrlKey ||
    event.shiftKey ||
    event.altKey
  )
    return;
  const link = event.target instanceof Element ? event.target.closest("a") : null;
  if (!link || link.target !== "" || link.hasAttribute("download") || link.origin !== window.location.origin)
    return;
  if (/^\/(api|openapi|docs|metrics|health)/.test(link.pathname) || link.hash !== "") return;
  event.preventDefault();
  goTo(link.pathname + link.search);
}
