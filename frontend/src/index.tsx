/** TensorBoard imports this module in an empty frame and calls `render`. */

import { render as mount } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style.css";
import { App } from "./components/App";
import { followTheme } from "./parentPage";
import { openForPrint } from "./print";
import { start } from "./store";
import { watchTheme } from "./theme";

export async function render(): Promise<void> {
  document.documentElement.lang = "en";
  document.title = "SCRAM";
  const style = document.createElement("link");
  style.rel = "stylesheet";
  style.href = "index.css";
  const styled = new Promise((resolve) => {
    style.onload = style.onerror = resolve;
  });
  document.head.append(style);
  followTheme();
  watchTheme();
  await styled; // no flash of a page without style, and charts read their colours from it
  mount(<App />, document.body);
  openForPrint();
  start();
}
