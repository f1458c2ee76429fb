/** Shows news: as toasts in the page, in the title and icon of the browser's tab, and as desktop notifications on request. */

import { effect, signal } from "@preact/signals";
import type { News } from "./news";
import { mark, parentNotification, visible } from "./parentPage";

const MOST_TOASTS = 3;

export const toasts = signal<News[]>([]);
/** Whether desktop notifications were requested and are allowed. */
export const notifying = signal(false);
export const refused = signal("");
const unseen = signal(0);

/** `read` is the run that is open: whoever looks at the page needs no news of it. */
export function announce(all: News[], read: string, open: (run: string) => void): void {
  const news = visible() ? all.filter(({ run }) => run !== read) : all;
  if (news.length === 0) return;
  toasts.value = [...toasts.value, ...news].slice(-MOST_TOASTS);
  if (visible()) return;
  unseen.value += news.length;
  const Notice = parentNotification();
  if (!notifying.value || !Notice) return;
  for (const { run, text } of news.slice(-MOST_TOASTS)) {
    const notice = new Notice(`SCRAM: ${run}`, { body: text, tag: `scram/${run}` });
    notice.onclick = () => {
      window.parent.focus();
      open(run);
      notice.close();
    };
  }
}

export function dismiss(news: News): void {
  toasts.value = toasts.value.filter((other) => other !== news);
}

/** Called by a click, as browsers require. */
export async function askToNotify(): Promise<void> {
  if (notifying.value) {
    notifying.value = false;
    return;
  }
  const Notice = parentNotification();
  if (!Notice) {
    refused.value = "This browser allows notifications only on https and localhost.";
    return;
  }
  const answer = await Notice.requestPermission();
  notifying.value = answer === "granted";
  refused.value = answer === "granted" ? "" : "The browser blocks notifications from this page. You can allow them in its settings for this site.";
}

export function watchNotices(): void {
  effect(() => mark(unseen.value));
  const seen = (): void => {
    if (visible()) unseen.value = 0;
  };
  document.addEventListener("visibilitychange", seen);
  window.addEventListener("resize", seen); // TensorBoard gives the frame its size back
  window.addEventListener("focus", seen);
}
