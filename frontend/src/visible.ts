/** Only the rows in sight are in the page: a list of thousands is as fast as one of thirty. */

import { useLayoutEffect, useState } from "preact/hooks";
import type { RefObject } from "preact";

const MARGIN = 8; // rows above and below, so that scrolling shows no blank

/** The rows in sight of a scrolled element: from `first` to before `last`. */
export function rowsInSight(top: number, height: number, row: number, count: number): [number, number] {
  const first = Math.max(Math.floor(top / row) - MARGIN, 0);
  return [Math.min(first, count), Math.min(Math.ceil((top + height) / row) + MARGIN, count)];
}

/** Where to scroll so that a row is in sight below a head of `head` pixels; null where it is already. */
export function scrollFor(index: number, top: number, height: number, row: number, head: number): number | null {
  if (index * row < top) return index * row;
  if ((index + 1) * row > top + height - head) return (index + 1) * row - height + head;
  return null;
}

/** Scroll so that a row is in sight, and focus what a selector finds there once it is in the page. */
export function bringIntoSight(scroller: HTMLElement, index: number, row: number, head: number, selector = ""): void {
  const to = scrollFor(index, scroller.scrollTop, scroller.clientHeight, row, head);
  if (to !== null) scroller.scrollTop = to;
  if (selector) requestAnimationFrame(() => scroller.querySelector<HTMLElement>(selector)?.focus());
}

/** The rows of `scroller` in sight, followed while it is scrolled and resized. */
export function useRowsInSight(scroller: RefObject<HTMLElement>, row: number, count: number): [number, number] {
  const [place, setPlace] = useState<[number, number]>([0, 900]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (!element) return;
    const read = (): void => {
      const { scrollTop, clientHeight } = element;
      setPlace((before) => (before[0] === scrollTop && before[1] === clientHeight ? before : [scrollTop, clientHeight]));
    };
    read();
    element.addEventListener("scroll", read, { passive: true });
    const observer = new ResizeObserver(read);
    observer.observe(element);
    return () => {
      element.removeEventListener("scroll", read);
      observer.disconnect();
    };
  }, []);
  return rowsInSight(place[0], place[1], row, count);
}
