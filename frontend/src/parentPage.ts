/** What the tab needs from the TensorBoard page around it: its address, its dark mode, its reload. */

const PREFIX = "p.scram.";

/** The parent window, or this one where it is not reachable (another origin). */
function parentWindow(): Window {
  try {
    void window.parent.location.href;
    return window.parent;
  } catch {
    return window;
  }
}

/** The values of a fragment like `#scram&p.scram.run=a%20b`. */
export function parseFragment(fragment: string): Record<string, string> {
  const values: Record<string, string> = {};
  for (const part of fragment.replace(/^#/, "").split("&")) {
    const at = part.indexOf("=");
    if (at > 0 && part.startsWith(PREFIX)) {
      try {
        values[part.slice(PREFIX.length, at)] = decodeURIComponent(part.slice(at + 1));
      } catch {
        // not an encoded value, so not a link of ours: nothing is selected
      }
    }
  }
  return values;
}

/** A fragment with the given values; an empty value is left out. */
export function makeFragment(values: Record<string, string>): string {
  const parts = Object.entries(values).filter(([, value]) => value !== "");
  return ["#scram", ...parts.map(([key, value]) => `${PREFIX}${key}=${encodeURIComponent(value)}`)].join("&");
}

export function readLink(): Record<string, string> {
  return parseFragment(parentWindow().location.hash);
}

/** Put the selection into the address, so that it can be sent to a colleague; as a new `entry`, the back button leads here. */
export function writeLink(values: Record<string, string>, entry: boolean): void {
  const target = parentWindow();
  const fragment = makeFragment(values);
  if (target.location.hash === fragment || !target.location.hash.replace(/^#/, "").startsWith("scram")) return;
  if (entry) target.history.pushState(target.history.state, "", fragment);
  else target.history.replaceState(target.history.state, "", fragment);
}

/** The whole address of a place in the tab. */
export function linkTo(values: Record<string, string>): string {
  return parentWindow().location.href.replace(/#.*$/, "") + makeFragment(values);
}

/** Whether somebody can see the tab: the page is in front, and TensorBoard shows this frame. */
export function visible(): boolean {
  return document.visibilityState === "visible" && window.innerHeight > 0;
}

/** Desktop notifications, if the browser has them for this page. */
export function parentNotification(): typeof Notification | undefined {
  return (parentWindow() as Window & { Notification?: typeof Notification }).Notification;
}

const BADGE = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="#b3261e"/></svg>',
)}`;

/** Mark the browser's tab with the number of unseen news: in its title and its icon. */
export function mark(news: number): void {
  const page = parentWindow().document;
  const title = page.title.replace(/^\(\d+\) /, "");
  const marked = news > 0 ? `(${news}) ${title}` : title;
  if (page.title !== marked) page.title = marked;
  const icon = page.querySelector<HTMLLinkElement>("link[rel~=icon]");
  if (!icon) return;
  icon.dataset["own"] ??= icon.href;
  const href = news > 0 ? BADGE : icon.dataset["own"];
  if (icon.href !== href) icon.href = href;
}

export function onLinkChange(listener: () => void): void {
  parentWindow().addEventListener("hashchange", listener);
}

/** TensorBoard leaves the frame white in dark mode: follow the class of its body. */
export function followTheme(): void {
  const body = parentWindow().document.body;
  const apply = () => {
    document.documentElement.dataset["theme"] = body.classList.contains("dark-mode") ? "dark" : "light";
  };
  new MutationObserver(apply).observe(body, { attributes: true, attributeFilter: ["class"] });
  apply();
}

/** Call `listener` whenever TensorBoard has reloaded its data (its reload button or timer). */
export function onReload(listener: () => void): void {
  const channel = new MessageChannel();
  channel.port1.onmessage = (event: MessageEvent<string>) => {
    const message = JSON.parse(event.data) as { type: string; id: number; isReply?: boolean };
    if (message.isReply) return;
    if (message.type === "experimental.DataReloaded") listener();
    channel.port1.postMessage(JSON.stringify({ type: message.type, id: message.id, payload: null, error: null, isReply: true }));
  };
  window.parent.postMessage("experimental.bootstrap", "*", [channel.port2]);
}

/** A link to the same curves in TensorBoard's Time Series tab, relative to the parent page. */
export function timeSeriesLink(curves: { tensorboard_run: string; tag: string }[]): string {
  const exactly = (texts: string[]) => {
    const each = [...new Set(texts)].map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return encodeURIComponent(each.length === 1 ? `^${each[0]}$` : `^(${each.join("|")})$`);
  };
  const base = parentWindow().location.pathname;
  return `${base}?tagFilter=${exactly(curves.map(({ tag }) => tag))}&runFilter=${exactly(curves.map((curve) => curve.tensorboard_run))}#timeseries`;
}

/** Take over the typeface of TensorBoard: its Roboto is known to its page alone, so the rules are copied with whole addresses. */
export function followFont(): void {
  if (parentWindow() === window) return;
  const rules: string[] = [];
  for (const sheet of parentWindow().document.styleSheets) {
    try {
      for (const rule of sheet.cssRules) {
        if (!rule.cssText.startsWith("@font-face") || !/font-family:\s*["']?Roboto["']?;/.test(rule.cssText)) continue;
        const base = sheet.href ?? parentWindow().location.href;
        rules.push(rule.cssText.replace(/url\("?([^")]+)"?\)/g, (_, address: string) => `url("${new URL(address, base).href}")`));
      }
    } catch {
      // a style sheet of another origin
    }
  }
  if (rules.length === 0) return;
  const style = document.createElement("style");
  style.textContent = `${rules.join("\n")}\n:root { --typeface: Roboto; }`;
  document.head.append(style);
}
