/** Nothing can be opened on paper: folded parts are opened for printing, and folded again afterwards. */

export function openForPrint(): void {
  let opened: HTMLDetailsElement[] = [];
  window.addEventListener("beforeprint", () => {
    // what is only fetched when it is opened would be empty
    opened = [...document.querySelectorAll<HTMLDetailsElement>("main details:not([open]):not(.why)")];
    for (const fold of opened) fold.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const fold of opened) fold.open = false;
    opened = [];
  });
}
