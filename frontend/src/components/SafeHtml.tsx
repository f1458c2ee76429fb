/** The server's safe HTML, made from Markdown, as elements: only known tags are created, and innerHTML is never set. */

import { h, type ComponentChild, type VNode } from "preact";

const TAGS = new Set(["p", "ul", "ol", "li", "em", "strong", "code", "pre", "h3", "h4", "blockquote", "table", "tr", "td", "th", "thead", "tbody"]);

function convert(node: Node): ComponentChild {
  if (node.nodeType === Node.TEXT_NODE) return node.textContent;
  if (!(node instanceof Element)) return null;
  const tag = node.tagName.toLowerCase();
  const children = () => [...node.childNodes].map(convert);
  if (tag === "a") {
    const href = node.getAttribute("href") ?? "";
    return /^https?:/.test(href) ? (
      <a href={href} target="_blank" rel="noopener noreferrer">
        {children()}
      </a>
    ) : (
      children()
    );
  }
  return TAGS.has(tag) ? h(tag, null, children()) : children();
}

export function SafeHtml({ html }: { html: string }): VNode {
  const body = new DOMParser().parseFromString(html, "text/html").body;
  return <div class="prose">{[...body.childNodes].map(convert)}</div>;
}
