/** News of live trainings: toasts that take no focus and stay until they are read, and the switch for desktop notifications. */

import type { VNode } from "preact";
import { askToNotify, dismiss, notifying, refused, toasts } from "../notices";
import { select } from "../store";

export function Toasts(): VNode {
  return (
    <div class="toasts" role="status" aria-label="News">
      {toasts.value.map((news) => (
        <div class={`toast ${news.kind}`}>
          <p>
            <strong>{news.run}</strong> {news.text}
          </p>
          <p class="tools">
            <button
              type="button"
              onClick={() => {
                dismiss(news);
                select(news.run);
              }}
            >
              Open
            </button>
            <button type="button" onClick={() => dismiss(news)}>
              Dismiss
            </button>
          </p>
        </div>
      ))}
    </div>
  );
}

export function NotifySwitch(): VNode {
  return (
    <span class="notify">
      <button
        type="button"
        aria-pressed={notifying.value}
        title="Show a desktop notification when a live training gets an error or ends while this page is in the background"
        onClick={() => void askToNotify()}
      >
        {notifying.value ? "Notifications on" : "Notify me"}
      </button>
      {refused.value && (
        <span class="hint" role="status">
          {refused.value}
        </span>
      )}
    </span>
  );
}
