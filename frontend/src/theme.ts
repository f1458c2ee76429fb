/** The theme as a signal, so that charts are drawn again in the other colours. */

import { signal } from "@preact/signals";

export const theme = signal("light");

export function watchTheme(): void {
  const read = () => (theme.value = document.documentElement.dataset["theme"] ?? "light");
  new MutationObserver(read).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  read();
}
